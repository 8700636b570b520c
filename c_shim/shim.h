/* Functions for the macros of httpd that Rust cannot call: logging, buckets and brigades, the lock of a
 * balancer; and for what has another name in another release. bindgen reads this file, with the headers of httpd that src/ffi uses; each function is
 * declared here, once. build.rs has the differences between releases of httpd. */
#ifndef AJP_SHIM_H
#define AJP_SHIM_H

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"
#include "ap_mmn.h"
#include "ap_listen.h"
#include "ap_mpm.h"
#include "ap_provider.h"
#include "http_main.h"
#include "mod_core.h"
#include "mod_proxy.h"
#include "mpm_common.h"
#include "mod_status.h"
#include "util_cfgtree.h"
#include "util_script.h"
#include "apr_buckets.h"
#include "apr_optional.h"
#include "apr_strings.h"
#include "apr_portable.h"
#include "apr_shm.h"
#include "apr_uri.h"

/* Logging. Text is passed as an argument, never as a format. */
int ajp_shim_logs_request(const request_rec *r, int level);
void ajp_shim_log_request(const request_rec *r, int level, const char *text);
void ajp_shim_log_server(const server_rec *s, int level, const char *text);

/* Appends `len` bytes at `data` without copying. The bucket takes over `owner` and gives it to
 * release, exactly once, when the last bucket that shares the bytes is destroyed, on
 * whichever thread that happens. */
typedef void ajp_shim_release(void *owner);
void ajp_shim_append_slice(apr_bucket_brigade *bb, const char *data, apr_size_t len, void *owner,
                           ajp_shim_release *release);
/* Appends `len` bytes at `data`, which stay there until the brigade has been passed on: a filter that
 * keeps the bucket for longer copies them. */
void ajp_shim_append_transient(apr_bucket_brigade *bb, const char *data, apr_size_t len);
void ajp_shim_append_flush(apr_bucket_brigade *bb);
void ajp_shim_append_eos(apr_bucket_brigade *bb);
int ajp_shim_brigade_empty(const apr_bucket_brigade *bb);

/* Moves buckets with at most `at_most` bytes from the front of a brigade to the end of another. */
apr_status_t ajp_shim_move_front(apr_bucket_brigade *from, apr_off_t at_most, apr_bucket_brigade *to);

/* Has httpd's last output filter of a connection send of what it holds as much as the client takes now. */
apr_status_t ajp_shim_push_output(conn_rec *c);

/* Deletes the last bucket of a brigade that has one. */
void ajp_shim_delete_last(apr_bucket_brigade *bb);

/* Walks a brigade: *cursor starts NULL, and is the bucket just reported. A data bucket has
 * been read (so its bytes stay until the brigade is cleaned). */
enum {
    AJP_SHIM_BUCKET_END = 0,   /* no more buckets */
    AJP_SHIM_BUCKET_DATA = 1,
    AJP_SHIM_BUCKET_EOS = 2,
    AJP_SHIM_BUCKET_OTHER = 3, /* metadata that does not matter */
    AJP_SHIM_BUCKET_FAILED = 4 /* reading failed: *status says how */
};
int ajp_shim_next_bucket(apr_bucket_brigade *bb, apr_bucket **cursor, const char **data,
                         apr_size_t *len, apr_status_t *status);

/* Makes the bytes of a bucket that has been read its own, so that they stay where they are until it is
 * deleted, whatever is read behind it. Fills in where they are. */
apr_status_t ajp_shim_own_bucket(apr_bucket *b, apr_pool_t *pool, const char **data, apr_size_t *len);

/* Appends all buckets of `from`, which is empty then. */
void ajp_shim_concat(apr_bucket_brigade *to, apr_bucket_brigade *from);

/* Deletes a bucket, wherever it is. */
void ajp_shim_delete_bucket(apr_bucket *b);

/* Registers the filter that the following two functions use. Once per load of the library. */
void ajp_shim_register_filter(void);

/* Reads from the input filters, waiting for data, and puts it back in front of them: the next reader
 * of the body gets it first. Sets *is_there if it has a byte of the body or the body's end. */
apr_status_t ajp_shim_peek_body(request_rec *r, apr_off_t at_most, int *is_there);

/* Puts the bytes read of the body in front of the input filters, which own the brigade from now on. */
void ajp_shim_put_back(request_rec *r, apr_bucket_brigade *bb);

/* mod_proxy's lock of a balancer, which keeps the threads of a child apart; 0: it is held. */
int ajp_shim_lock_balancer(proxy_balancer *balancer);
void ajp_shim_unlock_balancer(proxy_balancer *balancer);

/* Sets the file name of a request, proxy: and the URL of a balancer's member, and makes it canonical; *status is what came
 * of it. Returns 0, and changes nothing, in an httpd before 2.4.62, in which the URL is canonical already. */
int ajp_shim_canon_url(request_rec *r, char *filename, int *status);

/* ap_proxy_checkproxyblock2, which httpd's trunk calls ap_proxy_checkproxyblock. */
int ajp_shim_checkproxyblock(request_rec *r, proxy_server_conf *conf, const char *hostname,
                             apr_sockaddr_t *addr);

/* Whether something of a response has been handed to httpd's last filter and has not left yet. */
int ajp_shim_has_unsent_output(const conn_rec *c);

#ifdef PROXY_CANONENC_NOENCODEDSLASHENCODING
/* ap_proxy_canonenc_ex, where httpd has it. */
char *ajp_shim_canonenc_ex(apr_pool_t *p, const char *x, int len, enum enctype t, int flags,
                           int proxyreq);
#endif

#endif
