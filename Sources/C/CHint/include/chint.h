/// What processors can do and Swift has no words for.
#pragma once

#include <stdint.h>

/// Begins to bring the cache line of an address near, to be read or written soon. Never faults.
static inline void chint_prefetch(const void *address) { __builtin_prefetch(address); }

/// Which of sixteen bytes, given as two little-endian words, are equal to one: a bit for each.
static inline uint32_t chint_equal_bytes(uint64_t low, uint64_t high, uint8_t byte) {
#ifdef __SSE2__
  typedef char bytes __attribute__((vector_size(16)));
  typedef uint64_t words __attribute__((vector_size(16)));
  const words all = {low, high};
  const words wanted = {byte * 0x0101010101010101u, byte * 0x0101010101010101u};
  return (uint32_t)__builtin_ia32_pmovmskb128((bytes)all == (bytes)wanted);
#else
  uint32_t mask = 0;
  for (int place = 0; place < 16; place++) {
    const uint64_t word = place < 8 ? low : high;
    mask |= (uint32_t)((uint8_t)(word >> (8 * (place % 8))) == byte) << place;
  }
  return mask;
#endif
}
