"""The scheduler's half: vLLM's requests in, batch calls to the native library out.

Every method is called by vLLM's scheduling thread. A request goes through: first match (or first
step) → its native request; matched → maybe loading → scheduled, its full blocks offered once →
finished. A load that vLLM was promised ends in exactly one report by the worker, whatever fails
here: what cannot be planned is handed over as failed.

Every cache group has a block table of its own. A sliding group's blocks go back to vLLM as its
window moves on, which nobody is told: an entry of its table counts only while the window covers it.
"""

import os
import time
from array import array
from typing import Any

from swift_kvbm._native import NO_BLOCK
from swift_kvbm.adapters import Adapters
from swift_kvbm.content import Unidentified
from swift_kvbm.guard import guarded
from swift_kvbm.metadata import KVBMMetadata, KVBMWorkerMetadata, Load
from swift_kvbm.metrics import Tally
from swift_kvbm.pace import PrefillPace
from swift_kvbm.recording import Entry, Recorder
from swift_kvbm.retention import priority_of_all, requested
from swift_kvbm.sequence import Identities, Sequence, warn_uncached
from swift_kvbm.tenants import Payer
from swift_kvbm.within_step import StepLoads

EPOCH_BYTES = 16
# vLLM's block of nobody, at the positions for which it keeps none.
NULL_BLOCK = 0
# A request waits no longer than this for blocks that are staged; then it takes what is ready.
STAGING_SECONDS_MAX = 30.0
# A request that is alone waits so long within one question, and looks so often; whoever arrives
# meanwhile waits too.
LONE_WAIT_SECONDS = 0.010
LONE_POLL_SECONDS = 0.0002


def confirmed_tokens(computed: int, scheduled: int, known: int) -> int:
    """Tokens whose KV the coming step completes, and whose ids are certain.

    `computed` counts steps in flight optimistically; `known` holds accepted tokens only, so drafts
    and placeholders are beyond it.
    """
    return min(computed + scheduled, known)


def blocks_let_go(window: int, computed: int, block_tokens: int) -> int:
    """Leading blocks of a table whose device blocks vLLM may have given to somebody else.

    It frees what lies before the window of the next token, and counts the tokens that are surely
    processed; `computed` counts at least those.
    """
    return max(0, computed - window + 1) // block_tokens if window else 0


def without(row: "array[int]", let_go: int = 0) -> "array[int]":
    """The row with NO_BLOCK for its first `let_go` entries, and up to the last of nobody's."""
    gone = min(max(let_go, 0), len(row))
    if NULL_BLOCK in row:
        gone = max(gone, len(row) - row[::-1].index(NULL_BLOCK))
    row[:gone] = array("I", [NO_BLOCK]) * gone
    return row


class SchedulerHalf:
    """One engine's scheduler side; `native` has the methods of `NativeScheduler`.

    `windows` has an entry for each cache group: tokens of its sliding window, 0 for full attention.
    """

    def __init__(self, native: Any, block_tokens: int, windows: tuple[int, ...] = (0,)) -> None:
        self._native = native
        self._block_tokens = block_tokens
        self._windows = windows
        self._whole_loads = len(windows) > 1 or any(windows)
        self._sequences: dict[str, Sequence] = {}
        # What names requests; replaced where more than tokens and salts is understood.
        self.identities = Identities(Adapters({}), None, block_tokens)
        # Replaced where loads may be synchronous.
        self.within_step = StepLoads()
        # Who pays for what requests bring; replaced where the configuration says.
        self.payer = Payer()
        self._pace = PrefillPace(native)
        self._epoch = b""
        self._block_pool: Any = None
        # What happened, for vLLM's metrics.
        self.tally = Tally()
        # Where requests are written down, by their keys.
        self.recorder: Recorder | None = None
        self._stale_local_hits = False
        # Set by the supervisor's thread: the node is new and holds nothing of ours.
        self.offer_again = False
        # Of the coming step.
        self._loads: dict[int, Load] = {}
        self._failed: list[Load] = []
        self._fences = array("I")

    def bind_block_pool(self, pool: Any) -> None:
        """vLLM's device block pool."""
        self._block_pool = pool
        self.within_step.bind_block_pool(pool)

    def entered(self, request: Any) -> None:
        """`on_new_request`: vLLM has one more."""
        self.within_step.entered(request.request_id)

    # MARK: Matching

    @guarded((0, False))
    def matched(self, request: Any, computed: int) -> tuple[int | None, bool]:
        """Answers `get_num_new_matched_tokens`. May be asked any number of times."""
        # A load that failed would be this one's too: it comes again once that one's end is known.
        shares = self.within_step.shares(request, computed)
        if shares or self.identities.pending(request):
            return None, False
        sequence = self._sequence(request)
        if sequence is None:
            return 0, False
        if sequence.epoch != self._epoch:
            self._begin_again(sequence)
        sequence.on_device = computed // self._block_tokens
        # After a reset that vLLM could not finish, its own cache may hold KV from before.
        sequence.storing = not (self._stale_local_hits and computed > 0)
        refused = sequence.refused or not sequence.identity.certain
        if request.skip_reading_prefix_cache or refused or computed % self._block_tokens:
            return 0, False
        first = computed // self._block_tokens
        # vLLM computes the last token again: of a sliding group it may have no block for that one's
        # window, which begins a token before that of the next.
        usable = request.num_tokens - (1 if any(self._windows) else 0)
        count = usable // self._block_tokens - first
        if count <= 0:
            return 0, False
        self._append(sequence, request.num_tokens)
        sequence.matched_first = first
        sequence.asked = count * self._block_tokens
        ready, pending = self._ask(sequence, request.request_id, first, count)
        if pending > 0 and sequence.may_wait(time.monotonic(), STAGING_SECONDS_MAX):
            self.tally.add("kvbm_deferrals")
            return None, False
        tokens = min(ready, count) * self._block_tokens
        # vLLM has to compute at least one token in the step of a synchronous load.
        beside = request.num_tokens - 1 - computed
        sequence.synchronous = beside > 0 and self.within_step.may_load(request, ready)
        if sequence.synchronous:
            return min(tokens, beside), False
        return tokens, tokens > 0

    def _ask(self, sequence: Sequence, request_id: str, first: int, count: int) -> tuple[int, int]:
        """The node's answer. Where that holds nobody up, it is waited a moment for staged blocks:
        vLLM would ask again after a step, and sleep before it."""
        deadline = time.monotonic() + LONE_WAIT_SECONDS
        while True:
            ready, pending = self._native.match(sequence.handle, first, count)
            late = time.monotonic() >= deadline
            if not pending or late or not self.within_step.is_alone(request_id):
                return ready, pending
            time.sleep(LONE_POLL_SECONDS)

    def allocated(self, request: Any, blocks: Any, external: int) -> None:
        """`update_state_after_alloc`: vLLM has taken up `external` tokens of the last match."""
        sequence = self._sequences.get(request.request_id)
        if sequence is not None and sequence.asked:
            self.tally.add("kvbm_requested_tokens", sequence.asked)
            sequence.asked = 0
        if sequence is not None and sequence.found is None:
            sequence.found = (sequence.on_device, external // self._block_tokens)
        if external <= 0:
            return
        self.tally.add("kvbm_matched_tokens", external)
        self.tally.add("kvbm_loads")
        # From here on vLLM waits for this request: it must be reported, or it waits for ever.
        tables = blocks.get_block_ids()
        first = sequence.matched_first if sequence is not None else 0
        count = -(-external // self._block_tokens)
        targets = array("I")
        for window, table in zip(self._windows, tables, strict=False):
            row = array("I", table[first : first + count])
            targets += without(row) if window else row
        synchronous = sequence is not None and sequence.synchronous
        load = Load(request.request_id, targets, count, self._whole_loads, synchronous)
        if synchronous:
            filling = {block for table in tables for block in table[first:]}
            self.within_step.loads(request, first, filling, count)
        if sequence is not None and self._take_up(sequence, first, load):
            self._loads[sequence.handle] = load
        else:
            self._failed.append(load)
        for table in tables:
            self._fences.extend(table[first:])

    @guarded(False)
    def _take_up(self, sequence: Sequence, first: int, load: Load) -> bool:
        sequence.waiting_since = None
        if len(load.blocks) != load.count * len(self._windows) or NULL_BLOCK in load.blocks:
            raise ValueError(f"no device blocks for a load of {load.count}")
        self._native.load(sequence.handle, first, load.blocks)
        return True

    # MARK: The step

    def build(self, output: Any) -> KVBMMetadata:
        """`build_connector_meta`: settles the step and says what the worker has to do."""
        settled = self._track(output) and self._offer(output.num_scheduled_tokens)
        plan = self._step() if settled else None
        loads, self._loads = self._loads, {}
        failed, self._failed = self._failed, []
        self._fences = array("I")
        self.within_step.begins()
        if plan is None:
            return KVBMMetadata(failed=[*failed, *loads.values()], fence_all=True)
        step = self._begin_timing(output, [*failed, *loads.values()])
        return KVBMMetadata(plan, loads, failed, idle=not output.num_scheduled_tokens, step=step)

    @guarded(0)
    def _begin_timing(self, output: Any, loads: list[Load]) -> int:
        loading = {load.request_id for load in loads if not load.synchronous}
        return self._pace.begins(output, loading, bool(loads))

    @guarded(None)
    def _step(self) -> bytes | None:
        return self._native.step(self._fences)

    @guarded(False)
    def _track(self, output: Any) -> bool:
        """Follows the block tables; collects every block that this step is about to write."""
        for new in output.scheduled_new_reqs:
            self._replace_tables(new.req_id, new.block_ids, new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        for index, request_id in enumerate(cached.req_ids):
            added = cached.new_block_ids[index]
            if added is None:
                continue
            if request_id in cached.resumed_req_ids:
                self._replace_tables(request_id, added, cached.num_computed_tokens[index])
                continue
            for blocks in added:
                self._fences.extend(blocks)
            sequence = self._sequences.get(request_id)
            if sequence is not None:
                for table, blocks in zip(sequence.tables, added, strict=False):
                    table.extend(blocks)
        return True

    def _replace_tables(self, request_id: str, tables: Any, computed: int) -> None:
        # Blocks before this point are read in the step, not written: no copy out of them need end.
        for table in tables:
            self._fences.extend(table[computed // self._block_tokens :])
        sequence = self._sequences.get(request_id)
        if sequence is not None:
            sequence.tables = [array("I", table) for table in tables]

    @guarded(True)
    def _offer(self, scheduled: dict[str, int]) -> bool:
        """Offers the full blocks that this step completes, and once those that came from before."""
        if self.offer_again:
            self.offer_again = False
            for sequence in self._sequences.values():
                sequence.stored = 0
        for request_id, count in scheduled.items():
            sequence = self._sequences.get(request_id)
            if sequence is None or not sequence.storing or sequence.epoch != self._epoch:
                continue
            if not sequence.identity.certain:
                continue
            request = sequence.request
            end = confirmed_tokens(request.num_computed_tokens, count, request.num_tokens)
            full = end // self._block_tokens
            # One request that cannot be stored must not keep the others from it.
            if full > sequence.stored and not self._store(sequence, full):
                sequence.storing = False
        return True

    @guarded(False)
    def _store(self, sequence: Sequence, full: int) -> bool:
        first, sequence.stored = sequence.stored, full
        self._append(sequence, full * self._block_tokens)
        self.tally.add("kvbm_offered_blocks", full - first)
        computed = sequence.request.num_computed_tokens
        rows = array("I")
        for window, table in zip(self._windows, sequence.tables, strict=True):
            let_go = blocks_let_go(window, computed, self._block_tokens)
            rows += without(table[first:full], let_go - first)
        if len(rows) != (full - first) * len(self._windows):
            raise ValueError(f"tables too short for {full} blocks")
        self._native.store(sequence.handle, first, rows)
        return True

    def finished_loads(self, output: Any) -> None:
        """`update_connector_output`: whose load failed is never offered anything again."""
        meta = output.kv_connector_worker_meta
        self._end_timing(output, meta)
        if isinstance(meta, KVBMWorkerMetadata):
            self.tally.add("kvbm_failed_loads", len(meta.failed))
            for request_id in meta.failed:
                sequence = self._sequences.get(request_id)
                if sequence is not None:
                    sequence.refused = True
                # Also of one that was aborted in the meantime. The others' stores were dropped with
                # the step's.
                self.offer_again |= self.within_step.failed(request_id)

    @guarded(None)
    def _end_timing(self, output: Any, meta: Any) -> None:
        step = meta.step if isinstance(meta, KVBMWorkerMetadata) else 0
        self._pace.ended(step, output.finished_recving or set())

    # MARK: Ends

    @guarded(None)
    def finished(self, request: Any) -> None:
        """The request is over. A load that was handed out goes on, and is reported."""
        self.within_step.left(request.request_id)
        self._pace.left(request.request_id)
        sequence = self._sequences.pop(request.request_id, None)
        if sequence is not None:
            if self.recorder is not None:
                self._record(sequence, self.recorder)
            self._native.end(sequence.handle)

    @guarded(None)
    def _record(self, sequence: Sequence, recorder: Recorder) -> None:
        """Writes a request down that had a place on the device: its blocks with computed KV."""
        if sequence.found is None:
            return
        request = sequence.request
        # Nothing computes the KV of a last token; steps in flight count more than there is.
        computed = min(request.num_computed_tokens, request.num_tokens - 1)
        count = computed // self._block_tokens
        self._append(sequence, count * self._block_tokens)
        keys = self._native.keys(sequence.handle, 0, count)
        prompt = min(count, request.num_prompt_tokens // self._block_tokens)
        worth = priority_of_all(sequence.wishes.ranges)
        recorder.add(Entry(request.arrival_time, keys, prompt, *sequence.found, worth))

    def reset(self) -> None:
        """What is stored from now on is not exchangeable with what was stored before.

        Requests that exist store nothing more until they are matched anew: they may hold old KV.
        """
        self._epoch = os.urandom(EPOCH_BYTES)
        pool = self._block_pool
        # vLLM's own cache was emptied just before, unless some request held blocks.
        self._stale_local_hits = (
            pool is not None and pool.get_num_free_blocks() < pool.num_gpu_blocks - 1
        )

    def close(self) -> None:
        """Ends every native request."""
        for sequence in self._sequences.values():
            self._native.end(sequence.handle)
        self._sequences.clear()
        self.identities.adapters.close()

    # MARK: Sequences

    def _sequence(self, request: Any) -> Sequence | None:
        """The request's native side, made when it is first needed; None if it is not cached."""
        sequence = self._sequences.get(request.request_id)
        if sequence is not None:
            if sequence.request is request:
                return sequence
            self.finished(sequence.request)
        try:
            identity = self.identities.find(request)
        except Unidentified as reason:
            warn_uncached(str(reason))
            return None
        handle = identity.begin(self._native, self._epoch, request.request_id)
        sequence = Sequence(request, handle, self._epoch, identity)
        sequence.wishes = requested(request, self.tally, self.payer)
        self._sequences[request.request_id] = sequence
        sequence.wishes.tell(self._native, sequence.handle, self._block_tokens)
        return sequence

    def _begin_again(self, sequence: Sequence) -> None:
        """The same request under the epoch of now; nothing of it is known or stored there."""
        self._native.end(sequence.handle)
        name = sequence.request.request_id
        sequence.handle = sequence.identity.begin(self._native, self._epoch, name)
        sequence.epoch = self._epoch
        sequence.wishes.tell(self._native, sequence.handle, self._block_tokens)
        sequence.appended = sequence.stored = 0

    def _append(self, sequence: Sequence, end: int) -> None:
        if end > sequence.appended:
            tokens = array("I", sequence.request.all_token_ids[sequence.appended : end])
            self._native.append(sequence.handle, tokens)
            sequence.appended += len(tokens)
