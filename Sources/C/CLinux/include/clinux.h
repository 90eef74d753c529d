/// What Swift's Glibc module leaves out, one thin function per system call.
///
/// Each returns what the call returns: -1 and `errno` on failure, unless said otherwise.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/types.h>

#include "clinux_machine.h"
#include "clinux_ring.h"

// MARK: Memory
/// A sealable anonymous file of `bytes` bytes (sparse), sealed against shrinking and growing.
int clinux_memfd(const char *name, size_t bytes);
/// Allocates the range's pages or blocks; the file's size is kept when `keep_size` is set.
int clinux_fallocate(int fd, int keep_size, int64_t offset, int64_t length);
/// Gives the range's pages or blocks back; it reads as zeros.
int clinux_punch_hole(int fd, int64_t offset, int64_t length);
/// Keeps a mapping out of forked children.
int clinux_dontfork(void *address, size_t length);

// MARK: Files
/// Opens or makes a private file for reading and writing; `direct` asks for O_DIRECT.
int clinux_open_data(const char *path, int create, int direct);
/// Opens a file for reading; links are not followed; `direct` asks for O_DIRECT.
int clinux_open_readonly(const char *path, int direct);
/// The file system's type, as in statfs(2), or 0.
int64_t clinux_filesystem_type(const char *path);
int clinux_fdatasync(int fd);

// MARK: Processes
int clinux_pidfd_open(pid_t pid);
/// 1 when the process has ended, 0 when not.
int clinux_pidfd_has_ended(int pidfd);
/// The pid and uid of a Unix socket's peer.
int clinux_peer(int socket, pid_t *pid, uid_t *uid);
int clinux_set_thread_name(const char *name);
/// Keeps all signals away from the calling thread.
void clinux_block_signals(void);
/// A text of the calling thread, `clinux_error_capacity` bytes, NUL-terminated; empty at first.
char *clinux_error_text(void);
size_t clinux_error_capacity(void);

// MARK: Sockets
/// Sends one packet with up to 4 descriptors; never raises SIGPIPE.
ssize_t clinux_send(int socket, const void *bytes, size_t count, const int *fds, int fd_count);
/// Receives one packet and up to 4 descriptors (close-on-exec); `*fd_count` is in and out.
/// Descriptors that do not fit are closed.
ssize_t clinux_receive(int socket, void *bytes, size_t capacity, int *fds, int *fd_count,
                       int dont_wait);
/// A SOCK_SEQPACKET Unix socket, close-on-exec.
int clinux_seqpacket(void);

// MARK: Events
#define CLINUX_EPOLLIN 1u
#define CLINUX_EPOLLHUP 16u
int clinux_epoll_create(void);
/// Watches `fd` for input under `token`.
int clinux_epoll_add(int epoll, int fd, uint64_t token);
int clinux_epoll_remove(int epoll, int fd);
/// Waits; writes up to `capacity` tokens and event masks.
int clinux_epoll_wait(int epoll, uint64_t *tokens, uint32_t *events, int capacity,
                      int timeout_ms);
int clinux_eventfd(void);
/// Adds one to an eventfd; never blocks.
void clinux_eventfd_signal(int fd);
/// Empties an eventfd; never blocks.
void clinux_eventfd_drain(int fd);
/// A periodic timer, in milliseconds.
int clinux_timerfd(int period_ms);
/// Reads and drops a timer's count; never blocks.
void clinux_timerfd_drain(int fd);
/// Blocks SIGINT, SIGTERM and SIGHUP for this thread and those it starts, and gives them as input.
int clinux_signalfd(void);
/// The next pending signal, or 0.
int clinux_signalfd_read(int fd);
int clinux_lock_file(int fd);

// MARK: Shared words
static inline uint64_t clinux_load_acquire(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void clinux_store_release(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline uint64_t clinux_load_seq(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static inline void clinux_store_seq(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static inline uint64_t clinux_exchange(uint64_t *word, uint64_t value) {
  return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}
static inline void clinux_pause(void) { __builtin_ia32_pause(); }
