#define XXH_INLINE_ALL
#include "cxxh3.h"

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>
#include <xxhash.h>

#define SECRET_BYTES 192
#define STRIPE_BYTES 64
/// Stripes between two scramblings: with each the secret moves on by 8 bytes.
#define BLOCK_STRIPES ((SECRET_BYTES - STRIPE_BYTES) / 8)
#define SCRAMBLE_OFFSET (SECRET_BYTES - STRIPE_BYTES)
#define LAST_OFFSET (SECRET_BYTES - STRIPE_BYTES - 7)
#define MERGE_OFFSET 11
#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline))

// Whether processor and system keep 256-bit registers, and AVX2 is there.
static int probe_avx2(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6) return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

static int has_avx2(void) {
  // 0: unknown. Several threads may find out at once, and find the same.
  static int known;
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == 0) {
    answer = probe_avx2() ? 2 : 1;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  return answer == 2;
}

// MARK: One stripe, one scrambling

typedef struct {
  __m128i part[4];
} sums128;

INLINE void stripe128(sums128 *sums, const uint8_t *secret, const uint8_t *source,
                      uint8_t *target, const int is_streamed) {
  for (int i = 0; i < 4; i++) {
    __m128i data = _mm_loadu_si128((const __m128i *)source + i);
    if (target && is_streamed) _mm_stream_si128((__m128i *)target + i, data);
    if (target && !is_streamed) _mm_storeu_si128((__m128i *)target + i, data);
    __m128i mixed = _mm_xor_si128(data, _mm_loadu_si128((const __m128i *)secret + i));
    __m128i product = _mm_mul_epu32(mixed, _mm_shuffle_epi32(mixed, _MM_SHUFFLE(0, 3, 0, 1)));
    __m128i swapped = _mm_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));
    sums->part[i] = _mm_add_epi64(sums->part[i], _mm_add_epi64(product, swapped));
  }
}

INLINE void scramble128(sums128 *sums, const uint8_t *secret) {
  const __m128i prime = _mm_set1_epi32((int)XXH_PRIME32_1);
  for (int i = 0; i < 4; i++) {
    __m128i sum = sums->part[i];
    sum = _mm_xor_si128(sum, _mm_srli_epi64(sum, 47));
    sum = _mm_xor_si128(sum, _mm_loadu_si128((const __m128i *)secret + i));
    __m128i low = _mm_mul_epu32(sum, prime);
    __m128i high = _mm_mul_epu32(_mm_shuffle_epi32(sum, _MM_SHUFFLE(0, 3, 0, 1)), prime);
    sums->part[i] = _mm_add_epi64(low, _mm_slli_epi64(high, 32));
  }
}

typedef struct {
  __m256i part[2];
} sums256;

AVX2 INLINE void stripe256(sums256 *sums, const uint8_t *secret, const uint8_t *source,
                           uint8_t *target, const int is_streamed) {
  for (int i = 0; i < 2; i++) {
    __m256i data = _mm256_loadu_si256((const __m256i *)source + i);
    if (target && is_streamed) _mm256_stream_si256((__m256i *)target + i, data);
    if (target && !is_streamed) _mm256_storeu_si256((__m256i *)target + i, data);
    __m256i mixed = _mm256_xor_si256(data, _mm256_loadu_si256((const __m256i *)secret + i));
    __m256i product =
        _mm256_mul_epu32(mixed, _mm256_shuffle_epi32(mixed, _MM_SHUFFLE(0, 3, 0, 1)));
    __m256i swapped = _mm256_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));
    sums->part[i] = _mm256_add_epi64(sums->part[i], _mm256_add_epi64(product, swapped));
  }
}

AVX2 INLINE void scramble256(sums256 *sums, const uint8_t *secret) {
  const __m256i prime = _mm256_set1_epi32((int)XXH_PRIME32_1);
  for (int i = 0; i < 2; i++) {
    __m256i sum = sums->part[i];
    sum = _mm256_xor_si256(sum, _mm256_srli_epi64(sum, 47));
    sum = _mm256_xor_si256(sum, _mm256_loadu_si256((const __m256i *)secret + i));
    __m256i low = _mm256_mul_epu32(sum, prime);
    __m256i high = _mm256_mul_epu32(_mm256_shuffle_epi32(sum, _MM_SHUFFLE(0, 3, 0, 1)), prime);
    sums->part[i] = _mm256_add_epi64(low, _mm256_slli_epi64(high, 32));
  }
}

// MARK: Runs

// The same for both widths. Far strides are beyond what a processor fetches by itself.
#define RUNS(SUMS, STRIPE, SCRAMBLE)                                                      \
  SUMS sums;                                                                              \
  memcpy(&sums, copy->sums, sizeof sums);                                                 \
  const uint8_t *secret = copy->secret;                                                   \
  uint32_t place = copy->place;                                                           \
  uint64_t left = copy->stripes_left;                                                     \
  const int is_far = source_stride != (ptrdiff_t)run_bytes && run_bytes <= FETCHED_BYTES; \
  for (size_t run = 0; run < run_count; run++) {                                          \
    const uint8_t *from = source + (ptrdiff_t)run * source_stride;                        \
    uint8_t *to = has_target ? target + (ptrdiff_t)run * target_stride : NULL;            \
    if (is_far && run + FETCHED_RUNS < run_count) {                                       \
      const uint8_t *next = from + FETCHED_RUNS * source_stride;                          \
      for (size_t at = 0; at < run_bytes; at += 64) __builtin_prefetch(next + at);        \
    }                                                                                     \
    size_t count = run_bytes / STRIPE_BYTES;                                              \
    const int is_last = count == left;                                                    \
    left -= count;                                                                        \
    if (is_last) count--;                                                                 \
    while (count > 0) {                                                                   \
      size_t part = BLOCK_STRIPES - place < count ? BLOCK_STRIPES - place : count;        \
      const uint8_t *key = secret + 8 * place;                                            \
      for (size_t i = 0; i < part; i++) {                                                 \
        STRIPE(&sums, key + 8 * i, from, to, is_streamed);                                \
        from += STRIPE_BYTES;                                                             \
        if (has_target) to += STRIPE_BYTES;                                               \
      }                                                                                   \
      count -= part;                                                                      \
      place += (uint32_t)part;                                                            \
      if (place == BLOCK_STRIPES) {                                                       \
        SCRAMBLE(&sums, secret + SCRAMBLE_OFFSET);                                        \
        place = 0;                                                                        \
      }                                                                                   \
    }                                                                                     \
    if (is_last) STRIPE(&sums, secret + LAST_OFFSET, from, to, is_streamed);              \
  }                                                                                       \
  memcpy(copy->sums, &sums, sizeof sums);                                                 \
  copy->place = place;                                                                    \
  copy->stripes_left = left

#define FETCHED_RUNS 4
#define FETCHED_BYTES 1024

#define PARAMETERS                                                                     \
  cxxh3_copy *copy, uint8_t *target, ptrdiff_t target_stride, const uint8_t *source,   \
      ptrdiff_t source_stride, size_t run_bytes, size_t run_count

INLINE void runs128(PARAMETERS, const int has_target, const int is_streamed) {
  RUNS(sums128, stripe128, scramble128);
}

AVX2 INLINE void runs256(PARAMETERS, const int has_target, const int is_streamed) {
  RUNS(sums256, stripe256, scramble256);
}

#define ARGUMENTS copy, target, target_stride, source, source_stride, run_bytes, run_count

static void copy128(PARAMETERS) { runs128(ARGUMENTS, 1, 0); }
static void stream128(PARAMETERS) { runs128(ARGUMENTS, 1, 1); }
AVX2 static void copy256(PARAMETERS) { runs256(ARGUMENTS, 1, 0); }
AVX2 static void stream256(PARAMETERS) { runs256(ARGUMENTS, 1, 1); }
AVX2 static void sum256(PARAMETERS) { runs256(ARGUMENTS, 0, 0); }

typedef void (*copy_function)(PARAMETERS);

// Streaming needs targets that are aligned to a register.
static copy_function function_of(const cxxh3_copy *copy, const void *target, ptrdiff_t stride,
                                 ptrdiff_t other_stride) {
  const int is_wide = copy->level == CXXH3_BEST && has_avx2();
  const uintptr_t places = (uintptr_t)target | (uintptr_t)stride | (uintptr_t)other_stride;
  if (copy->is_streamed && places % 32 == 0) return is_wide ? stream256 : stream128;
  return is_wide ? copy256 : copy128;
}

void cxxh3_copy_begin(cxxh3_copy *copy, size_t byte_count, uint64_t seed, int is_streamed,
                      enum cxxh3_level level) {
  const uint64_t sums[8] = XXH3_INIT_ACC;
  memcpy(copy->sums, sums, sizeof sums);
  XXH3_initCustomSecret_scalar(copy->secret, seed);
  copy->byte_count = byte_count;
  copy->stripes_left = byte_count / STRIPE_BYTES;
  copy->place = 0;
  copy->is_streamed = is_streamed;
  copy->level = level;
}

void cxxh3_copy_runs(cxxh3_copy *copy, void *target, ptrdiff_t target_stride, const void *source,
                     ptrdiff_t source_stride, size_t run_bytes, size_t run_count) {
  function_of(copy, target, target_stride, 0)(copy, target, target_stride, source, source_stride,
                                              run_bytes, run_count);
}

void cxxh3_copy_grid(cxxh3_copy *copies, size_t copy_count, const cxxh3_grid *grid) {
  uint8_t *target = grid->target;
  const uint8_t *source = grid->source;
  if (copy_count == 0) return;
  copy_function function =
      function_of(copies, target, grid->target_run_stride, grid->target_copy_stride);
  for (size_t run = 0; run < grid->run_count; run++) {
    for (size_t i = 0; i < copy_count; i++) {
      function(&copies[i], target + (ptrdiff_t)i * grid->target_copy_stride, 0,
               source + (ptrdiff_t)i * grid->source_copy_stride, 0, grid->run_bytes, 1);
    }
    target += grid->target_run_stride;
    source += grid->source_run_stride;
  }
}

uint64_t cxxh3_copy_end(cxxh3_copy *copy) {
  // What was streamed is there before anybody is told so.
  if (copy->is_streamed) _mm_sfence();
  return XXH3_mergeAccs(copy->sums, copy->secret + MERGE_OFFSET,
                        copy->byte_count * XXH_PRIME64_1);
}

uint64_t cxxh3_64_plain(const void *bytes, size_t count, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}

uint64_t cxxh3_64(const void *bytes, size_t count, uint64_t seed) {
  // Multiples of a stripe are what heads are made of; the authors' code does the rest.
  if (count < CXXH3_COPY_BYTES_MIN || count % STRIPE_BYTES != 0 || !has_avx2()) {
    return cxxh3_64_plain(bytes, count, seed);
  }
  cxxh3_copy copy;
  cxxh3_copy_begin(&copy, count, seed, 0, CXXH3_BEST);
  sum256(&copy, NULL, 0, bytes, (ptrdiff_t)count, count, 1);
  return cxxh3_copy_end(&copy);
}
