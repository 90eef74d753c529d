/// Hints to the processor that Swift has no words for.
#pragma once

/// Begins to bring the cache line of an address near, to be read or written soon. Never faults.
static inline void chint_prefetch(const void *address) { __builtin_prefetch(address); }
