#define _GNU_SOURCE
#include "clinux_machine.h"

#include "clinux_ring.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

static uint64_t limit_value(rlim_t value) {
  return value == RLIM_INFINITY ? CLINUX_UNLIMITED : (uint64_t)value;
}

int clinux_limit(enum clinux_limit which, uint64_t *soft, uint64_t *hard) {
  struct rlimit limit;
  int resource = which == CLINUX_LIMIT_LOCKED_BYTES ? (int)RLIMIT_MEMLOCK
                 : which == CLINUX_LIMIT_OPEN_FILES ? (int)RLIMIT_NOFILE
                                                    : (int)RLIMIT_FSIZE;
  if (getrlimit(resource, &limit) != 0) return -1;
  *soft = limit_value(limit.rlim_cur);
  *hard = limit_value(limit.rlim_max);
  return 0;
}

int clinux_kernel_release(char *text, int capacity) {
  struct utsname name;
  if (capacity <= 0 || uname(&name) != 0) return -1;
  strncpy(text, name.release, (size_t)capacity - 1);
  text[capacity - 1] = 0;
  return 0;
}

const char *clinux_glibc_version(void) { return gnu_get_libc_version(); }

int clinux_free_bytes(const char *path, uint64_t *free_bytes, uint64_t *total_bytes) {
  struct statvfs status;
  if (statvfs(path, &status) != 0) return -1;
  *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
  *total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
  return 0;
}

int clinux_try_io_uring(void) {
  clinux_ring ring;
  int error = clinux_ring_open(&ring, 1);
  if (error == 0) clinux_ring_close(&ring);
  return error;
}
