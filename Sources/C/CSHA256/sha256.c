#define OPENSSL_SUPPRESS_DEPRECATED
#include "csha256.h"
#include <openssl/sha.h>

void csha256(const void *a, size_t a_count, const void *b, size_t b_count, const void *c,
             size_t c_count, uint8_t digest[32]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  if (a_count) SHA256_Update(&context, a, a_count);
  if (b_count) SHA256_Update(&context, b, b_count);
  if (c_count) SHA256_Update(&context, c, c_count);
  SHA256_Final(digest, &context);
}
