#include "ccurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  global_default = 3,
  version_first = 0,
  feature_ssl = 4,
  oldest_version = 0x074400,
  option_write_function = 20011,
  option_header_function = 20079,
  info_private = 0x100000 + 21,
  message_done = 1,
};

// The beginning of curl_version_info_data, which later releases only add to.
struct version_info {
  int age;
  const char *version;
  unsigned version_number;
  const char *host;
  int features;
};

// CURLMsg.
struct message {
  int kind;
  ccurl_easy *easy;
  union {
    void *anything;
    int code;
  } data;
};

struct ccurl {
  int (*global_init)(long flags);
  struct version_info *(*version_info)(int age);
  char *(*version)(void);
  ccurl_easy *(*easy_init)(void);
  void (*easy_cleanup)(ccurl_easy *);
  void (*easy_reset)(ccurl_easy *);
  int (*easy_setopt)(ccurl_easy *, int, ...);
  int (*easy_getinfo)(ccurl_easy *, int, ...);
  const char *(*easy_strerror)(int);
  ccurl_list *(*slist_append)(ccurl_list *, const char *);
  void (*slist_free_all)(ccurl_list *);
  ccurl_multi *(*multi_init)(void);
  int (*multi_cleanup)(ccurl_multi *);
  int (*multi_setopt)(ccurl_multi *, int, ...);
  int (*multi_add_handle)(ccurl_multi *, ccurl_easy *);
  int (*multi_remove_handle)(ccurl_multi *, ccurl_easy *);
  int (*multi_perform)(ccurl_multi *, int *);
  int (*multi_poll)(ccurl_multi *, void *, unsigned, int, int *);
  int (*multi_wakeup)(ccurl_multi *);
  struct message *(*multi_info_read)(ccurl_multi *, int *);
};

// In the order of the table above, which is nothing but pointers to functions.
static const char *const names[] = {
    "curl_global_init",       "curl_version_info",   "curl_version",
    "curl_easy_init",         "curl_easy_cleanup",   "curl_easy_reset",
    "curl_easy_setopt",       "curl_easy_getinfo",   "curl_easy_strerror",
    "curl_slist_append",      "curl_slist_free_all", "curl_multi_init",
    "curl_multi_cleanup",     "curl_multi_setopt",   "curl_multi_add_handle",
    "curl_multi_remove_handle", "curl_multi_perform", "curl_multi_poll",
    "curl_multi_wakeup",      "curl_multi_info_read",
};

_Static_assert(sizeof(struct ccurl) == sizeof names / sizeof *names * sizeof(void *),
               "a name for each function");

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

static int fill(void *library, ccurl *curl, char *reason, size_t capacity) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *symbol = dlsym(library, names[i]);
    if (!symbol) {
      snprintf(reason, capacity, "libcurl has no %s", names[i]);
      return -1;
    }
    memcpy((char *)curl + i * sizeof symbol, &symbol, sizeof symbol);
  }
  const struct version_info *info = curl->version_info(version_first);
  if (!info || info->version_number < oldest_version || !(info->features & feature_ssl)) {
    snprintf(reason, capacity, "libcurl %s is too old or has no TLS", info ? info->version : "?");
    return -1;
  }
  if (curl->global_init(global_default) != 0) {
    snprintf(reason, capacity, "libcurl %s cannot be started", info->version);
    return -1;
  }
  return 0;
}

const ccurl *ccurl_open(const char *file, char *reason, size_t reason_capacity) {
  // Not every release may be started by two threads at once.
  pthread_mutex_lock(&opening);
  ccurl *curl = NULL;
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(reason, reason_capacity, "%s", dlerror());
  } else if (!(curl = calloc(1, sizeof *curl))) {
    snprintf(reason, reason_capacity, "no memory");
  } else if (fill(library, curl, reason, reason_capacity) != 0) {
    free(curl);
    curl = NULL;
  }
  pthread_mutex_unlock(&opening);
  return curl;
}

const char *ccurl_version(const ccurl *curl) { return curl->version(); }

ccurl_easy *ccurl_easy_new(const ccurl *curl) { return curl->easy_init(); }

void ccurl_easy_free(const ccurl *curl, ccurl_easy *easy) { curl->easy_cleanup(easy); }

void ccurl_easy_reset(const ccurl *curl, ccurl_easy *easy) { curl->easy_reset(easy); }

int ccurl_set_number(const ccurl *curl, ccurl_easy *easy, enum ccurl_option option,
                     int64_t value) {
  // Options above 30000 take curl_off_t, which is a long where this is built for.
  return curl->easy_setopt(easy, (int)option, (long)value);
}

int ccurl_set_pointer(const ccurl *curl, ccurl_easy *easy, enum ccurl_option option,
                      const void *value) {
  return curl->easy_setopt(easy, (int)option, value);
}

int ccurl_set_receivers(const ccurl *curl, ccurl_easy *easy, ccurl_receiver body,
                        ccurl_receiver head, void *context) {
  int code = curl->easy_setopt(easy, option_write_function, body);
  if (code == 0) code = curl->easy_setopt(easy, option_header_function, head);
  if (code == 0) code = curl->easy_setopt(easy, CCURL_WRITEDATA, context);
  if (code == 0) code = curl->easy_setopt(easy, CCURL_HEADERDATA, context);
  return code ? code : curl->easy_setopt(easy, CCURL_PRIVATE, context);
}

const char *ccurl_text(const ccurl *curl, int code) { return curl->easy_strerror(code); }

ccurl_list *ccurl_list_add(const ccurl *curl, ccurl_list *list, const char *line) {
  return curl->slist_append(list, line);
}

void ccurl_list_free(const ccurl *curl, ccurl_list *list) { curl->slist_free_all(list); }

ccurl_multi *ccurl_multi_new(const ccurl *curl) { return curl->multi_init(); }

void ccurl_multi_free(const ccurl *curl, ccurl_multi *multi) { curl->multi_cleanup(multi); }

int ccurl_multi_set_number(const ccurl *curl, ccurl_multi *multi, enum ccurl_multi_option option,
                           int64_t value) {
  return curl->multi_setopt(multi, (int)option, (long)value);
}

int ccurl_multi_add(const ccurl *curl, ccurl_multi *multi, ccurl_easy *easy) {
  return curl->multi_add_handle(multi, easy);
}

int ccurl_multi_remove(const ccurl *curl, ccurl_multi *multi, ccurl_easy *easy) {
  return curl->multi_remove_handle(multi, easy);
}

int ccurl_multi_perform(const ccurl *curl, ccurl_multi *multi) {
  int running = 0;
  return curl->multi_perform(multi, &running);
}

int ccurl_multi_poll(const ccurl *curl, ccurl_multi *multi, int timeout_ms) {
  return curl->multi_poll(multi, NULL, 0, timeout_ms, NULL);
}

int ccurl_multi_wakeup(const ccurl *curl, ccurl_multi *multi) { return curl->multi_wakeup(multi); }

void *ccurl_multi_ended(const ccurl *curl, ccurl_multi *multi, int *code) {
  int left = 0;
  struct message *message;
  while ((message = curl->multi_info_read(multi, &left))) {
    if (message->kind != message_done) continue;
    void *context = NULL;
    // The message is gone with the next call, so its code is taken first.
    *code = message->data.code;
    if (curl->easy_getinfo(message->easy, info_private, &context) == 0 && context) return context;
  }
  return NULL;
}
