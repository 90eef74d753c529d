#include "cprotection.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <unistd.h>

#define TAG_BYTES 16

static EVP_CIPHER *cipher;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch_cipher(void) {
  // No configuration of the machine's OpenSSL: this one is linked in, and loads nothing.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
  cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static EVP_CIPHER_CTX *context(cprotection_gcm *gcm) { return (EVP_CIPHER_CTX *)gcm; }

cprotection_gcm *cprotection_begin(int is_sealing, const uint8_t *key, const uint8_t *nonce) {
  pthread_once(&once, fetch_cipher);
  EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
  // 12 bytes are the length of a nonce unless another is asked for.
  if (context && EVP_CipherInit_ex2(context, cipher, key, nonce, is_sealing, NULL) == 1) {
    return (cprotection_gcm *)context;
  }
  EVP_CIPHER_CTX_free(context);
  return NULL;
}

int cprotection_associate(cprotection_gcm *gcm, const void *bytes, size_t count) {
  int done = 0;
  if (!gcm || count > INT_MAX) return 0;
  return EVP_CipherUpdate(context(gcm), NULL, &done, bytes, (int)count) == 1;
}

int cprotection_update(cprotection_gcm *gcm, const void *source, void *target, size_t count) {
  int done = 0;
  if (!gcm || count > INT_MAX) return 0;
  if (count == 0) return 1;
  return EVP_CipherUpdate(context(gcm), target, &done, source, (int)count) == 1 &&
         done == (int)count;
}

int cprotection_seal(cprotection_gcm *gcm, uint8_t *tag) {
  int done = 0;
  uint8_t rest[TAG_BYTES];
  if (!gcm) return 0;
  int is_done =
      EVP_CipherFinal_ex(context(gcm), rest, &done) == 1 &&
      EVP_CIPHER_CTX_ctrl(context(gcm), EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
  EVP_CIPHER_CTX_free(context(gcm));
  return is_done;
}

int cprotection_open(cprotection_gcm *gcm, const uint8_t *tag) {
  int done = 0;
  uint8_t rest[TAG_BYTES];
  if (!gcm) return 0;
  int is_sound =
      EVP_CIPHER_CTX_ctrl(context(gcm), EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, (void *)tag) == 1 &&
      EVP_CipherFinal_ex(context(gcm), rest, &done) == 1;
  EVP_CIPHER_CTX_free(context(gcm));
  return is_sound;
}

void cprotection_abandon(cprotection_gcm *gcm) { EVP_CIPHER_CTX_free(context(gcm)); }

int cprotection_random(void *bytes, size_t count) { return getentropy(bytes, count) == 0; }

void cprotection_forget(void *bytes, size_t count) { OPENSSL_cleanse(bytes, count); }
