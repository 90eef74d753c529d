/// What a machine is and allows, for checks of it: nothing here is needed to serve.
#pragma once
#include <stdint.h>

/// A limit that is none.
#define CLINUX_UNLIMITED UINT64_MAX

enum clinux_limit {
  CLINUX_LIMIT_LOCKED_BYTES,
  CLINUX_LIMIT_OPEN_FILES,
  CLINUX_LIMIT_FILE_BYTES,
};

/// The soft and the hard limit of this process; CLINUX_UNLIMITED for none.
int clinux_limit(enum clinux_limit which, uint64_t *soft, uint64_t *hard);
/// The kernel's release as in uname(2), NUL-terminated; cut to `capacity`.
int clinux_kernel_release(char *text, int capacity);
/// The version of the C library that runs, as in "2.36".
const char *clinux_glibc_version(void);
/// Bytes of a file system: free to this user, and all of it.
int clinux_free_bytes(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
/// Makes an io_uring and lets it go: 0, or the errno that says why it is not allowed.
int clinux_try_io_uring(void);
