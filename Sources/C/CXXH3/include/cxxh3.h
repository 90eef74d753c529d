/// XXH3 by its authors' header, compiled into this target: no library at run time.
///
/// Functions and not inline ones: compiled by the C compiler they run at memory's speed, and at a
/// fifth of that where Swift's importer compiles them into each caller. Long inputs take AVX2 where
/// the processor has it; results are the same.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// XXH3-64 of `count` bytes with a seed.
uint64_t cxxh3_64(const void *bytes, size_t count, uint64_t seed);

/// The same by its authors' code alone: what the other ways are held against.
uint64_t cxxh3_64_plain(const void *bytes, size_t count, uint64_t seed);

/// What every run that is copied under a checksum must be a multiple of.
#define CXXH3_RUN_UNIT 64u
/// Fewer bytes than these are not copied under a checksum: XXH3 has other ways for short inputs.
#define CXXH3_COPY_BYTES_MIN 256u

/// How instructions are chosen.
enum cxxh3_level {
  /// By the processor.
  CXXH3_BEST,
  /// Those that every x86-64 has; for tests.
  CXXH3_BASELINE,
};

/// A checksum that is made while its bytes are copied, from the registers that they pass through:
/// it vouches for what was written, whatever else happens to source or target meanwhile.
///
/// 1. `begin`. 2. `runs`, until all bytes were copied, in order. 3. `end` gives the XXH3-64 of them
/// all. Every member is private. Copies nothing twice and allocates nothing.
typedef struct {
  uint64_t sums[8];
  uint8_t secret[192];
  uint64_t byte_count;
  uint64_t stripes_left;
  /// Of the block of 16 stripes.
  uint32_t place;
  int is_streamed;
  enum cxxh3_level level;
} cxxh3_copy;

/// Begins a copy of `byte_count` bytes in all: at least CXXH3_COPY_BYTES_MIN, and a multiple of
/// CXXH3_RUN_UNIT. With `is_streamed` they go past the caches where the target allows that.
void cxxh3_copy_begin(cxxh3_copy *copy, size_t byte_count, uint64_t seed, int is_streamed,
                      enum cxxh3_level level);
/// Copies `run_count` runs of `run_bytes`, a multiple of CXXH3_RUN_UNIT, each a stride after the
/// one before it. Source and target do not overlap; any alignment.
void cxxh3_copy_runs(cxxh3_copy *copy, void *target, ptrdiff_t target_stride, const void *source,
                     ptrdiff_t source_stride, size_t run_bytes, size_t run_count);

/// Equal runs of several copies.
typedef struct {
  void *target;
  const void *source;
  /// From a copy to the next one.
  ptrdiff_t target_copy_stride, source_copy_stride;
  /// From a run to the next one of the same copy.
  ptrdiff_t target_run_stride, source_run_stride;
  /// A multiple of CXXH3_RUN_UNIT.
  size_t run_bytes;
  size_t run_count;
} cxxh3_grid;

/// Copies run after run, and of each the part of all copies: in a source where copies alternate
/// bytes are read in their order. The copies were begun alike.
void cxxh3_copy_grid(cxxh3_copy *copies, size_t copy_count, const cxxh3_grid *grid);
/// The checksum, after the last run.
uint64_t cxxh3_copy_end(cxxh3_copy *copy);
