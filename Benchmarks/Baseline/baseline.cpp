#include "cbaseline.h"

#include <malloc.h>

#include <list>
#include <unordered_map>
#include <vector>

namespace {
struct Hash {
  // Keys are hashes already.
  size_t operator()(const baseline_key &key) const { return key.low; }
};
struct Equal {
  bool operator()(const baseline_key &a, const baseline_key &b) const {
    return a.high == b.high && a.low == b.low;
  }
};
}  // namespace

struct baseline_block {
  baseline_key key;
  uint32_t slot;
  uint32_t pin_count;
  // Where it is in the order; of meaning while it is not pinned.
  std::list<baseline_block *>::iterator place;
};

struct baseline_pool {
  std::unordered_map<baseline_key, baseline_block, Hash, Equal> blocks;
  // Released longest ago first.
  std::list<baseline_block *> order;
  std::vector<uint32_t> free_slots;
};

baseline_pool *baseline_new(size_t capacity) {
  auto *pool = new baseline_pool;
  pool->blocks.reserve(capacity);
  pool->free_slots.reserve(capacity);
  for (size_t slot = capacity; slot > 0; slot--) pool->free_slots.push_back(slot - 1);
  return pool;
}

void baseline_free(baseline_pool *pool) { delete pool; }

size_t baseline_match(baseline_pool *pool, const baseline_key *keys, size_t count,
                      baseline_block **blocks) {
  for (size_t index = 0; index < count; index++) {
    auto found = pool->blocks.find(keys[index]);
    if (found == pool->blocks.end()) return index;
    baseline_block &block = found->second;
    if (block.pin_count++ == 0) pool->order.erase(block.place);
    blocks[index] = &block;
  }
  return count;
}

void baseline_release(baseline_pool *pool, baseline_block **blocks, size_t count) {
  while (count > 0) {
    baseline_block *block = blocks[--count];
    if (--block->pin_count == 0) block->place = pool->order.insert(pool->order.end(), block);
  }
}

size_t baseline_allocate(baseline_pool *pool, uint32_t *slots, size_t count) {
  for (size_t index = 0; index < count; index++) {
    if (!pool->free_slots.empty()) {
      slots[index] = pool->free_slots.back();
      pool->free_slots.pop_back();
      continue;
    }
    if (pool->order.empty()) return index;
    baseline_block *victim = pool->order.front();
    pool->order.pop_front();
    slots[index] = victim->slot;
    const baseline_key key = victim->key;
    pool->blocks.erase(key);
  }
  return count;
}

size_t baseline_allocated_bytes(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void baseline_register(baseline_pool *pool, const baseline_key *keys, const uint32_t *slots,
                       size_t count, baseline_block **blocks) {
  for (size_t index = 0; index < count; index++) {
    baseline_block block{keys[index], slots[index], 1, {}};
    blocks[index] = &pool->blocks.emplace(keys[index], block).first->second;
  }
}
