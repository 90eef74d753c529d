/// One io_uring without liburing: reads, writes and a bell, for the one thread that opened it.
#pragma once
#include <stdint.h>

/// What a ring is made of. All but `fd` is the business of the functions below.
typedef struct {
  int fd;
  uint32_t entry_count;
  uint32_t sq_mask, cq_mask;
  uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
  void *sqes, *cqes;
  void *ring_memory, *sqe_memory;
  uint64_t ring_bytes, sqe_bytes;
} clinux_ring;

enum clinux_ring_operation {
  CLINUX_RING_READ,
  CLINUX_RING_WRITE,
  /// Ends when the descriptor, in place of a file, has something to be read.
  CLINUX_RING_POLL,
};
/// Left to a thread of the kernel at once, where it may block.
#define CLINUX_RING_ASYNC 1u
/// The write counts when the device keeps it.
#define CLINUX_RING_SYNC 2u

/// What is put on a ring. `token` comes back with the result.
typedef struct {
  enum clinux_ring_operation operation;
  unsigned flags;
  int fd;
  void *address;
  uint32_t count;
  int64_t offset;
  uint64_t token;
} clinux_ring_request;

/// A ring for at least `entry_count` operations: 0, or the errno, and then nothing is left open.
/// ENOSYS as well where the kernel's rings lack what is used here (5.7 has it).
int clinux_ring_open(clinux_ring *ring, uint32_t entry_count);
/// Lets a ring go. Nothing may be under way but polls.
void clinux_ring_close(clinux_ring *ring);
/// Puts a request on the ring; the kernel hears of it at the next `enter`. 0 when there is no room.
int clinux_ring_put(clinux_ring *ring, const clinux_ring_request *request);
/// Hands over what was put, and waits for a result when `wait` is set. 0, or the errno.
int clinux_ring_enter(clinux_ring *ring, int wait);
/// Takes up to `capacity` results that are there: bytes moved, or an errno below zero.
int clinux_ring_reap(clinux_ring *ring, uint64_t *tokens, int32_t *results, int capacity);
