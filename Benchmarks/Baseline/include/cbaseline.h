/// A block pool as it is first written: a hash table of nodes, and a list for eviction.
/// What the pool's figures are held against; no part of the product uses it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// 128 bits, two words.
typedef struct baseline_key {
  uint64_t high;
  uint64_t low;
} baseline_key;

typedef struct baseline_pool baseline_pool;
/// A resident block. Valid until it is evicted.
typedef struct baseline_block baseline_block;

/// A pool of `capacity` free slots, with its table reserved; free it with `baseline_free`.
baseline_pool *baseline_new(size_t capacity);
void baseline_free(baseline_pool *pool);

/// Pins the longest resident prefix of the keys; returns its length.
size_t baseline_match(baseline_pool *pool, const baseline_key *keys, size_t count,
                      baseline_block **blocks);

/// Gives a pin back for each block, from the last to the first.
void baseline_release(baseline_pool *pool, baseline_block **blocks, size_t count);

/// Takes slots, evicting the blocks that were released longest ago. Returns how many it could take.
size_t baseline_allocate(baseline_pool *pool, uint32_t *slots, size_t count);

/// Enters blocks under their keys, pinned once.
void baseline_register(baseline_pool *pool, const baseline_key *keys, const uint32_t *slots,
                       size_t count, baseline_block **blocks);

/// Bytes that the allocator has given out and not had back.
size_t baseline_allocated_bytes(void);

#ifdef __cplusplus
}
#endif
