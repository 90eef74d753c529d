// Loaded into a node before all else: reads of whole slots take as many microseconds longer as the
// file named by SLOW_READS says at that moment.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static void delay(size_t count) {
  const char *path = getenv("SLOW_READS");
  FILE *file = path != NULL && count > 4096 ? fopen(path, "r") : NULL;
  if (file == NULL) return;
  int microseconds = 0;
  if (fscanf(file, "%d", &microseconds) == 1 && microseconds > 0) usleep(microseconds);
  fclose(file);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
  ssize_t (*next)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
  delay(count);
  return next(fd, bytes, count, offset);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  ssize_t (*next)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
  delay(count);
  return next(fd, bytes, count, offset);
}
