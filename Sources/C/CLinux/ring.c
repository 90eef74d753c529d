#define _GNU_SOURCE
#include "clinux_ring.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Newer than the oldest headers that this is built with.
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

static const uint32_t features_needed =
    IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL;

static int setup(uint32_t entry_count, struct io_uring_params *params) {
  // With one issuer results are made while it waits, and nobody else is interrupted for them.
  const uint32_t flags[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0};
  for (int i = 0; i < 2; i++) {
    memset(params, 0, sizeof *params);
    params->flags = flags[i] | IORING_SETUP_CLAMP;
    int fd = (int)syscall(SYS_io_uring_setup, entry_count, params);
    if (fd >= 0 || errno != EINVAL) return fd;
  }
  return -1;
}

static int map(clinux_ring *ring, const struct io_uring_params *params) {
  uint64_t sq_bytes = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
  uint64_t cq_bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
  ring->ring_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
  ring->sqe_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
  int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
  ring->ring_memory =
      mmap(NULL, ring->ring_bytes, protection, flags, ring->fd, IORING_OFF_SQ_RING);
  if (ring->ring_memory == MAP_FAILED) return errno;
  ring->sqe_memory = mmap(NULL, ring->sqe_bytes, protection, flags, ring->fd, IORING_OFF_SQES);
  if (ring->sqe_memory == MAP_FAILED) {
    int error = errno;
    munmap(ring->ring_memory, ring->ring_bytes);
    return error;
  }
  return 0;
}

int clinux_ring_open(clinux_ring *ring, uint32_t entry_count) {
  struct io_uring_params params;
  memset(ring, 0, sizeof *ring);
  ring->fd = setup(entry_count, &params);
  if (ring->fd < 0) return errno;
  int error = (params.features & features_needed) == features_needed ? map(ring, &params) : ENOSYS;
  if (error != 0) {
    close(ring->fd);
    return error;
  }
  char *base = ring->ring_memory;
  ring->entry_count = params.sq_entries;
  ring->sq_mask = *(uint32_t *)(base + params.sq_off.ring_mask);
  ring->cq_mask = *(uint32_t *)(base + params.cq_off.ring_mask);
  ring->sq_head = (uint32_t *)(base + params.sq_off.head);
  ring->sq_tail = (uint32_t *)(base + params.sq_off.tail);
  ring->cq_head = (uint32_t *)(base + params.cq_off.head);
  ring->cq_tail = (uint32_t *)(base + params.cq_off.tail);
  ring->cqes = base + params.cq_off.cqes;
  ring->sqes = ring->sqe_memory;
  uint32_t *order = (uint32_t *)(base + params.sq_off.array);
  for (uint32_t i = 0; i < params.sq_entries; i++) order[i] = i;
  return 0;
}

void clinux_ring_close(clinux_ring *ring) {
  munmap(ring->sqe_memory, ring->sqe_bytes);
  munmap(ring->ring_memory, ring->ring_bytes);
  close(ring->fd);
}

int clinux_ring_put(clinux_ring *ring, const clinux_ring_request *request) {
  uint32_t tail = *ring->sq_tail;
  if (tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) >= ring->entry_count) return 0;
  struct io_uring_sqe *sqe = (struct io_uring_sqe *)ring->sqes + (tail & ring->sq_mask);
  memset(sqe, 0, sizeof *sqe);
  sqe->fd = request->fd;
  sqe->user_data = request->token;
  if (request->flags & CLINUX_RING_ASYNC) sqe->flags = IOSQE_ASYNC;
  if (request->operation == CLINUX_RING_POLL) {
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->poll32_events = POLLIN;
  } else {
    sqe->opcode = request->operation == CLINUX_RING_READ ? IORING_OP_READ : IORING_OP_WRITE;
    sqe->addr = (uint64_t)(uintptr_t)request->address;
    sqe->len = request->count;
    sqe->off = (uint64_t)request->offset;
    if (request->flags & CLINUX_RING_SYNC) sqe->rw_flags = RWF_DSYNC;
  }
  __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
  return 1;
}

int clinux_ring_enter(clinux_ring *ring, int wait) {
  uint32_t count = *ring->sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
  long taken = syscall(SYS_io_uring_enter, ring->fd, count, wait ? 1 : 0, IORING_ENTER_GETEVENTS,
                       NULL, 0);
  return taken < 0 ? errno : 0;
}

int clinux_ring_reap(clinux_ring *ring, uint64_t *tokens, int32_t *results, int capacity) {
  uint32_t head = *ring->cq_head;
  uint32_t there = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - head;
  int count = there < (uint32_t)capacity ? (int)there : capacity;
  for (int i = 0; i < count; i++) {
    const struct io_uring_cqe *cqe =
        (struct io_uring_cqe *)ring->cqes + ((head + (uint32_t)i) & ring->cq_mask);
    tokens[i] = cqe->user_data;
    results[i] = cqe->res;
  }
  __atomic_store_n(ring->cq_head, head + (uint32_t)count, __ATOMIC_RELEASE);
  return count;
}
