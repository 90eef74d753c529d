/// kvbm.h: what an inference engine's process calls. Implemented by libkvbm.so.
///
/// An engine has one *scheduler* side and one *worker* side per rank. Both attach to the node
/// (`kvbm serve`) over its Unix socket. The scheduler asks what is there and decides; the worker
/// copies bytes between device blocks (G1) and the node's host memory (G2).
///
/// One scheduling step:
///  1. `kvbm_request_append` the tokens that became certain; `kvbm_request_match` for requests that
///     wait; `kvbm_request_load` for promises that are taken up; `kvbm_request_store` for full
///     blocks.
///  2. `kvbm_scheduler_step` settles all of it in one round trip and yields the step's *plan*,
///  opaque
///     bytes that the engine carries to its worker.
///  3. The worker: `kvbm_worker_fence` before the step touches device memory,
///     `kvbm_worker_start_loads` once that memory is prepared, `kvbm_worker_start_stores` after the
///     forward pass, `kvbm_worker_poll` to learn which loads have ended.
///
/// Everything returns a code; nothing traps, throws or waits without a bound. A missing, silent or
/// broken node means "no cache": calls answer with nothing and `KVBM_OK`, or `KVBM_UNAVAILABLE`
/// where the caller must know. `kvbm_last_error` has the text of the calling thread's last failure.
///
/// Threads: calls on one scheduler or worker may come from any thread, one at a time, but for the
/// `_attach` and `_state` calls, which may run beside the others. Handles are not shared across
/// fork: in a forked child every call answers `KVBM_UNAVAILABLE`.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KVBM_ABI_VERSION 5u

/// Result codes. Stable: new ones are only added.
enum {
  KVBM_OK = 0,
  /// An argument is null, out of range or contradicts another one.
  KVBM_ARGUMENT = -1,
  /// No node is attached at the moment.
  KVBM_UNAVAILABLE = -2,
  /// The node did not answer in time; the attachment has been given up.
  KVBM_TIMEOUT = -3,
  /// The handle names nothing that exists (any more).
  KVBM_STALE = -4,
  /// A limit of the library or the node is reached.
  KVBM_LIMIT = -5,
  /// The node speaks another version, or sent what cannot be.
  KVBM_PROTOCOL = -6,
  /// The node refused; the error text is its reason.
  KVBM_REFUSED = -7,
  /// A system call failed.
  KVBM_SYSTEM = -8,
  /// The caller's buffer is too small; the needed size was written.
  KVBM_SPACE = -9,
};

/// The version of this interface that the library implements: `KVBM_ABI_VERSION` when built.
uint32_t kvbm_abi_version(void);
/// The library's version, as "0.1.0". Never null, never freed.
const char *kvbm_version(void);
/// Copies the calling thread's last error text, NUL-terminated and cut to `capacity`; returns its
/// full length without the NUL.
size_t kvbm_last_error(char *buffer, size_t capacity);
/// For callers whose threads share a lock, such as CPython's: calls made with it keep it, and give
/// it up only where they wait for longer than a millisecond. `is_held` says whether the calling
/// thread has it (1 or 0), `give_up` leaves it and returns what `take_back` gets. Once, before any
/// other call; all null means that there is no such lock.
///
/// One thread may keep it in the calls on one handle; other threads give it up before theirs.
void kvbm_set_interpreter_lock(int (*is_held)(void), void *(*give_up)(void),
                               void (*take_back)(void *));

// MARK: Geometry

#define KVBM_GROUP_COUNT_MAX 8u

/// What a group's layers keep: every token's KV (latents of MLA are one head of it), that of a
/// window of tokens, or a recurrent state, which is not served so far.
enum {
  KVBM_GROUP_FULL = 0,
  KVBM_GROUP_SLIDING = 1,
  KVBM_GROUP_STATE = 2,
};

/// One cache group, over all ranks: layers that share a block table.
typedef struct kvbm_group {
  uint32_t kind;
  uint32_t head_count;
  uint32_t layer_count;
  uint32_t block_tokens;
  /// Bytes of K and V together of one token, one head, one layer.
  uint32_t token_bytes;
  /// Bytes of one element of K or V.
  uint32_t element_bytes;
  /// Tokens that a position of a sliding group attends to, itself included, at least 2; 0 in other
  /// groups.
  uint32_t window_tokens;
} kvbm_group;

/// No device block: a position that the engine does not keep, before a sliding group's window.
#define KVBM_NO_BLOCK UINT32_MAX

/// Who attaches and with what. Strings are UTF-8, NUL-terminated; null means empty.
typedef struct kvbm_engine_config {
  const char *socket_path;
  /// Random per engine instance, equal on its scheduler and all its workers.
  uint8_t engine_uid[16];
  /// The namespace's canonical description (docs/identity.md); its digest names the namespace.
  const uint8_t *namespace_description;
  size_t namespace_description_length;
  uint32_t group_count;
  kvbm_group groups[KVBM_GROUP_COUNT_MAX];
  uint32_t worker_count;
  /// For the slot headers: "vllm 0.32.0", "cpu", "CPU_ATTN".
  const char *producer_engine;
  const char *producer_device;
  const char *producer_attention;
  /// A call that needs the node's answer gives the attachment up after this; 0 takes the default.
  uint32_t call_timeout_ms;
} kvbm_engine_config;

/// An attachment at one moment.
typedef struct kvbm_state {
  /// 1 while a node is attached.
  uint32_t attached;
  /// Why not: a code of above, `KVBM_OK` before the first attempt.
  int32_t reason;
  /// Differs for every node process.
  uint64_t node_instance;
  /// How often an attachment was made.
  uint64_t attach_count;
  /// Calls that were answered with nothing because no node was attached.
  uint64_t degraded_calls;
} kvbm_state;

// MARK: Scheduler

typedef struct kvbm_scheduler kvbm_scheduler;

/// Makes a scheduler side; it is not attached yet. The config is copied.
int32_t kvbm_scheduler_open(const kvbm_engine_config *config, kvbm_scheduler **scheduler);
/// Ends it. `clean` non-zero says that the engine stops on purpose.
void kvbm_scheduler_close(kvbm_scheduler *scheduler, int32_t clean);
/// Connects to the node; waits at most `timeout_ms`. May be called from a thread of its own.
int32_t kvbm_scheduler_attach(kvbm_scheduler *scheduler, uint32_t timeout_ms);
/// Looks whether the node is there; costs a system call.
int32_t kvbm_scheduler_state(kvbm_scheduler *scheduler, kvbm_state *state);

/// What else than its tokens decides a request's KV. Null and empty mean the same.
typedef struct kvbm_request_identity {
  const uint8_t *tenant;
  size_t tenant_length;
  const uint8_t *salt;
  size_t salt_length;
  /// The adapter's content digest.
  const uint8_t *adapter;
  size_t adapter_length;
  /// Random bytes drawn at a reset of the engine's cache; empty before the first.
  const uint8_t *epoch;
  size_t epoch_length;
} kvbm_request_identity;

/// Enters a request; `*request` names it until `kvbm_request_end`. Needs no node.
int32_t kvbm_request_begin(kvbm_scheduler *scheduler, const kvbm_request_identity *identity,
                           uint64_t *request);
/// Gives a request the engine's own name for it, UTF-8, for `kvbm explain`; cut to some 250 bytes.
int32_t kvbm_request_name(kvbm_scheduler *scheduler, uint64_t request, const char *name);
/// Adds confirmed tokens. Keys of blocks that became full are computed here, once.
int32_t kvbm_request_append(kvbm_scheduler *scheduler, uint64_t request, const uint32_t *tokens,
                            size_t count);
#define KVBM_CONTENT_BYTES_MAX 64u

/// Says that tokens `[position, position + count)` stand for content that their ids do not tell (an
/// image, prompt embeddings), by its digest of 1 to `KVBM_CONTENT_BYTES_MAX` bytes. The keys of the
/// blocks that it reaches, and all behind, depend on it.
///
/// To be said before the block of `position` is full: `KVBM_ARGUMENT` when the key of a block that
/// it reaches has been computed. At most 4,096 for a request (`KVBM_LIMIT`); their order is free.
int32_t kvbm_request_content(kvbm_scheduler *scheduler, uint64_t request, uint32_t position,
                             uint32_t count, const uint8_t *digest, size_t digest_length);
/// Retentions of one request.
#define KVBM_RETENTION_COUNT_MAX 16u

/// How long a range of a request's blocks is worth keeping.
typedef struct kvbm_retention {
  /// The range, in blocks of the sequence; `end_block` `UINT32_MAX` for all that follow.
  uint32_t first_block;
  uint32_t end_block;
  /// 0 to 100; blocks of which nothing is said have 50.
  uint32_t priority;
  /// After so long the blocks are like others again; 0 for never.
  uint32_t duration_ms;
  /// 1 to keep the blocks from eviction altogether for that long, which must not be 0 then.
  uint32_t pin;
} kvbm_retention;

/// Says how long a range of the request's blocks is worth keeping, from its next load or store on;
/// needs no node. A block has the greatest priority of what is said of it and of what goes on
/// behind it. The node grants what its operator allows, and otherwise treats the blocks like all
/// others. `KVBM_LIMIT` beyond `KVBM_RETENTION_COUNT_MAX`.
int32_t kvbm_request_retain(kvbm_scheduler *scheduler, uint64_t request,
                            const kvbm_retention *retention);
/// Says who pays for what the request brings into host memory and onto disk, UTF-8 of 1 to 64 bytes
/// (docs/tenants.md); nobody in particular unless said. Before its first match or store. Needs no
/// node.
int32_t kvbm_request_tenant(kvbm_scheduler *scheduler, uint64_t request, const char *tenant);
/// Says that the request's conversation will be back so long after the request's end: shortly
/// before, the node reads into host memory what only its disk has of the request's blocks, as far
/// as waiting requests leave room. The last word counts. Needs no node, and promises nothing.
int32_t kvbm_request_expect_back(kvbm_scheduler *scheduler, uint64_t request,
                                 uint32_t milliseconds);
/// Says what forward passes over prompts took, so that the node loads only what is faster than
/// computing it: `tokens` were computed in `nanoseconds`, and `context_tokens` is the sum, over
/// these tokens, of the tokens before each in its sequence. Sums of several calls go to the node
/// with the next step. Needs no node.
int32_t kvbm_scheduler_note_prefill(kvbm_scheduler *scheduler, uint32_t tokens,
                                    uint64_t context_tokens, uint64_t nanoseconds);

/// Full blocks whose keys are known; negative: a code.
int64_t kvbm_request_block_count(kvbm_scheduler *scheduler, uint64_t request);

#define KVBM_KEY_BYTES 16u

/// Copies the keys of full blocks `[first_block, first_block + block_count)` to `keys`,
/// `KVBM_KEY_BYTES` each. Needs no node.
int32_t kvbm_request_keys(kvbm_scheduler *scheduler, uint64_t request, uint32_t first_block,
                          uint32_t block_count, uint8_t *keys);

typedef struct kvbm_match {
  /// Consecutive blocks from `first_block` on that are ready, pinned until the step ends.
  uint32_t ready_blocks;
  /// Further blocks that are on their way to host memory; while positive, ask again later.
  uint32_t pending_blocks;
} kvbm_match;

/// What of `[first_block, first_block + block_count)` is there: prefixes of which every group has
/// what it needs, a sliding one the blocks of the window at the prefix's end. Idempotent. Without a
/// node: nothing.
int32_t kvbm_request_match(kvbm_scheduler *scheduler, uint64_t request, uint32_t first_block,
                           uint32_t block_count, kvbm_match *match);
/// Takes up the last match's promise in the coming step: blocks `first_block...` go to
/// `device_blocks[group][i]`, laid out group after group, `block_count` each. Positions before a
/// sliding group's window have `KVBM_NO_BLOCK`: exactly those that the load does not need, or it
/// fails. With a sliding group only the whole promise can be taken up.
int32_t kvbm_request_load(kvbm_scheduler *scheduler, uint64_t request, uint32_t first_block,
                          uint32_t block_count, const uint32_t *device_blocks);
/// Offers blocks that the coming step completes; the node takes those that it wants. A sliding
/// group's row may begin with `KVBM_NO_BLOCK`s: blocks that the engine has let go. `KVBM_LIMIT`
/// when one step's offers come to more than 65,536 blocks; those of before stand.
int32_t kvbm_request_store(kvbm_scheduler *scheduler, uint64_t request, uint32_t first_block,
                           uint32_t block_count, const uint32_t *device_blocks);
/// The request is over, in whatever way. A load that was handed out still runs to its end.
int32_t kvbm_request_end(kvbm_scheduler *scheduler, uint64_t request);

/// Settles the step with the node, in at most one round trip, and writes its plan.
///
/// `fences` are the device blocks that this step allocates, for whatever purpose: pending copies
/// out of them are awaited before they are overwritten. On `KVBM_SPACE` call again with `*length`
/// bytes; nothing is lost. A step with nothing to do has a plan of length 0. Loads that the node no
/// longer grants are in the plan all the same, as failed ones: the worker reports them.
int32_t kvbm_scheduler_step(kvbm_scheduler *scheduler, const uint32_t *fences, size_t fence_count,
                            uint8_t *plan, size_t capacity, size_t *length);

/// The node's counters as one JSON object; on `KVBM_SPACE` call again with `*length` bytes.
int32_t kvbm_scheduler_stats(kvbm_scheduler *scheduler, char *json, size_t capacity,
                             size_t *length);

// MARK: Worker

typedef struct kvbm_worker kvbm_worker;

/// One layer's device memory as the engine describes it; strides in bytes.
typedef struct kvbm_layer {
  void *base;
  int64_t block_stride;
  int64_t head_stride;
  int64_t token_stride;
  /// From K to V of the same token and head.
  int64_t kv_stride;
} kvbm_layer;

/// Makes the worker side of rank `rank`, whose part holds heads `[first_head, first_head +
/// head_count)`. `copy_threads` 0 takes the default.
int32_t kvbm_worker_open(const kvbm_engine_config *config, uint32_t rank, uint32_t first_head,
                         uint32_t head_count, uint32_t copy_threads, kvbm_worker **worker);
/// Waits for running copies, then ends the worker. `clean` as for the scheduler.
void kvbm_worker_close(kvbm_worker *worker, int32_t clean);
/// Names the device memory of one group, layers in order, each with `device_block_count` blocks.
int32_t kvbm_worker_register(kvbm_worker *worker, uint32_t group, const kvbm_layer *layers,
                             size_t layer_count, uint32_t device_block_count);
/// As `kvbm_scheduler_attach`. Copies of an attachment that was lost still run to their end.
int32_t kvbm_worker_attach(kvbm_worker *worker, uint32_t timeout_ms);
/// As `kvbm_scheduler_state`.
int32_t kvbm_worker_state(kvbm_worker *worker, kvbm_state *state);

/// Waits until no pending copy reads a device block that the plan's step overwrites.
int32_t kvbm_worker_fence(kvbm_worker *worker, const uint8_t *plan, size_t length);
/// Starts the plan's loads. Each is reported by `kvbm_worker_poll` exactly once, whatever happens.
int32_t kvbm_worker_start_loads(kvbm_worker *worker, const uint8_t *plan, size_t length);
/// Starts the plan's stores: the forward pass has written the blocks.
int32_t kvbm_worker_start_stores(kvbm_worker *worker, const uint8_t *plan, size_t length);
/// The plan's stores will not happen: the forward pass failed.
int32_t kvbm_worker_drop_stores(kvbm_worker *worker, const uint8_t *plan, size_t length);
/// The plan's stores need nothing of this rank: all of its heads are written by another rank, which
/// holds them too. In place of `kvbm_worker_start_stores`.
int32_t kvbm_worker_skip_stores(kvbm_worker *worker, const uint8_t *plan, size_t length);

typedef struct kvbm_load_result {
  uint64_t request;
  /// Blocks from the load's first on that are in device memory, checked; fewer than were planned
  /// means that the load failed from there on. With several groups or a sliding one: all or 0.
  uint32_t loaded_blocks;
  uint32_t planned_blocks;
} kvbm_load_result;

/// Takes up to `capacity` ended loads; returns how many, or a code. Never waits.
int32_t kvbm_worker_poll(kvbm_worker *worker, kvbm_load_result *results, size_t capacity);
/// Waits until a load has ended that `kvbm_worker_poll` has not reported yet, at most `timeout_ms`,
/// and takes part in copying meanwhile: for steps with nothing else to do. `KVBM_TIMEOUT` when none
/// has.
int32_t kvbm_worker_wait(kvbm_worker *worker, uint32_t timeout_ms);
/// Waits until no copy runs, at most `timeout_ms`: for shutdown and tests.
int32_t kvbm_worker_drain(kvbm_worker *worker, uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif
