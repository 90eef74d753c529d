/// SHA-256 by libcrypto's low-level interface, which costs a third of EVP's for short inputs.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The digest of up to three byte ranges, one after the other. A null range must have count 0.
void csha256(const void *a, size_t a_count, const void *b, size_t b_count, const void *c,
             size_t c_count, uint8_t digest[32]);
