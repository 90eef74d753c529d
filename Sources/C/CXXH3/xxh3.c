#define XXH_INLINE_ALL
#include "cxxh3.h"
#include <xxhash.h>

uint64_t cxxh3_64(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}
