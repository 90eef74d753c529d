/// libcurl, found when a program runs: nothing is linked, and a machine without it works.
///
/// The numbers below are libcurl's own, part of its binary interface and never changed since the
/// release that brought them. 7.68 (2020) has all that is used here.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A loaded library. One is enough for a process; it stays loaded.
typedef struct ccurl ccurl;
typedef struct ccurl_easy ccurl_easy;
typedef struct ccurl_multi ccurl_multi;
typedef struct ccurl_list ccurl_list;

/// Receives `size * count` bytes; returns how many it took: any other number ends the transfer.
typedef size_t (*ccurl_receiver)(char *bytes, size_t size, size_t count, void *context);

enum ccurl_option {
  CCURL_WRITEDATA = 10001,
  CCURL_URL = 10002,
  CCURL_ERRORBUFFER = 10010,
  CCURL_POSTFIELDS = 10015,
  CCURL_USERAGENT = 10018,
  CCURL_LOW_SPEED_LIMIT = 19,
  CCURL_LOW_SPEED_TIME = 20,
  CCURL_HTTPHEADER = 10023,
  CCURL_HEADERDATA = 10029,
  CCURL_SSLVERSION = 32,
  CCURL_CUSTOMREQUEST = 10036,
  CCURL_NOBODY = 44,
  CCURL_POST = 47,
  CCURL_FOLLOWLOCATION = 52,
  CCURL_SSL_VERIFYPEER = 64,
  CCURL_CAINFO = 10065,
  CCURL_HTTPGET = 80,
  CCURL_SSL_VERIFYHOST = 81,
  CCURL_HTTP_VERSION = 84,
  CCURL_BUFFERSIZE = 98,
  CCURL_NOSIGNAL = 99,
  CCURL_PRIVATE = 10103,
  CCURL_POSTFIELDSIZE_LARGE = 30120,
  CCURL_TIMEOUT_MS = 155,
  CCURL_CONNECTTIMEOUT_MS = 156,
  CCURL_PROTOCOLS = 181,
  CCURL_TCP_KEEPALIVE = 213,
  CCURL_UPLOAD_BUFFERSIZE = 280,
  /// Since 7.87: an attempt that timed out does not wait for a name server.
  CCURL_QUICK_EXIT = 322,
};

enum ccurl_multi_option { CCURL_MULTI_MAXCONNECTS = 6 };

enum ccurl_code {
  CCURL_OK = 0,
  CCURL_UNSUPPORTED_PROTOCOL = 1,
  CCURL_WRITE_ERROR = 23,
  CCURL_OPERATION_TIMEDOUT = 28,
  CCURL_PEER_FAILED_VERIFICATION = 60,
  CCURL_SSL_CACERT_BADFILE = 77,
};

enum { CCURL_HTTP_1_1 = 2, CCURL_TLS_1_2 = 6, CCURL_ONLY_HTTP_AND_HTTPS = 3 };
enum { CCURL_ERROR_BYTES = 256 };

/// Loads a library by its file name; NULL, and why in `reason`, when it is not there or too old.
const ccurl *ccurl_open(const char *file, char *reason, size_t reason_capacity);
/// As in "libcurl/7.88.1 OpenSSL/3.0.15".
const char *ccurl_version(const ccurl *curl);

ccurl_easy *ccurl_easy_new(const ccurl *curl);
void ccurl_easy_free(const ccurl *curl, ccurl_easy *easy);
/// Forgets all options; connections and names stay.
void ccurl_easy_reset(const ccurl *curl, ccurl_easy *easy);
int ccurl_set_number(const ccurl *curl, ccurl_easy *easy, enum ccurl_option option, int64_t value);
int ccurl_set_pointer(const ccurl *curl, ccurl_easy *easy, enum ccurl_option option,
                      const void *value);
/// Who receives a body and, line by line, a head.
int ccurl_set_receivers(const ccurl *curl, ccurl_easy *easy, ccurl_receiver body,
                        ccurl_receiver head, void *context);
/// A code as text.
const char *ccurl_text(const ccurl *curl, int code);

/// `list` with one more line, copied; NULL without memory.
ccurl_list *ccurl_list_add(const ccurl *curl, ccurl_list *list, const char *line);
void ccurl_list_free(const ccurl *curl, ccurl_list *list);

ccurl_multi *ccurl_multi_new(const ccurl *curl);
void ccurl_multi_free(const ccurl *curl, ccurl_multi *multi);
int ccurl_multi_set_number(const ccurl *curl, ccurl_multi *multi, enum ccurl_multi_option option,
                           int64_t value);
int ccurl_multi_add(const ccurl *curl, ccurl_multi *multi, ccurl_easy *easy);
int ccurl_multi_remove(const ccurl *curl, ccurl_multi *multi, ccurl_easy *easy);
/// Does what can be done without waiting.
int ccurl_multi_perform(const ccurl *curl, ccurl_multi *multi);
/// Waits for something to do, `timeout_ms` at most.
int ccurl_multi_poll(const ccurl *curl, ccurl_multi *multi, int timeout_ms);
/// Ends the wait of another thread; the one function here that any thread may call.
int ccurl_multi_wakeup(const ccurl *curl, ccurl_multi *multi);
/// The context of a transfer that ended, and its code; NULL when there is none.
void *ccurl_multi_ended(const ccurl *curl, ccurl_multi *multi, int *code);
