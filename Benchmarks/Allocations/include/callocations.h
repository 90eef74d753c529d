/// Counts the allocations of a process that it is linked into, by standing before glibc's.
#pragma once
#include <stddef.h>

/// Calls of malloc, calloc, realloc and their aligned kin since the process began.
size_t allocations_count(void);
