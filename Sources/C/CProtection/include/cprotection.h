/// AES-256-GCM by libcrypto's EVP interface, in pieces; and random bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// One seal or its opening. NULL means that there is none; every function then answers 0.
typedef struct cprotection_gcm cprotection_gcm;

/// Begins with a key of 32 bytes and a nonce of 12; NULL when there is no memory for it.
cprotection_gcm *cprotection_begin(int is_sealing, const uint8_t *key, const uint8_t *nonce);

/// Adds bytes that are authenticated and not encrypted; before the first that are. 1 when done.
int cprotection_associate(cprotection_gcm *gcm, const void *bytes, size_t count);

/// Encrypts or decrypts bytes; `target` may be `source`. 1 when done.
int cprotection_update(cprotection_gcm *gcm, const void *source, void *target, size_t count);

/// Ends a seal and gives its tag of 16 bytes. 1 when done. `gcm` is gone either way.
int cprotection_seal(cprotection_gcm *gcm, uint8_t *tag);

/// Ends an opening: 1 when the tag is that of the bytes. `gcm` is gone either way.
int cprotection_open(cprotection_gcm *gcm, const uint8_t *tag);

/// Ends without either.
void cprotection_abandon(cprotection_gcm *gcm);

/// Fills at most 256 bytes with what nobody can guess. 1 when done.
int cprotection_random(void *bytes, size_t count);

/// Overwrites a secret in a way that no compiler leaves out.
void cprotection_forget(void *bytes, size_t count);
