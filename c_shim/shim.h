/* What C and Rust of this module say to each other. bindgen reads this file: each function and
 * type is declared here, once. C does what only macros can do: the hook table, logging, buckets,
 * and fields that came or went between httpd's releases. Everything else is Rust. */
#ifndef AJP_SHIM_H
#define AJP_SHIM_H

#include "httpd.h"
#include "http_config.h"
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
#include "mod_proxy.h"
#include "mod_status.h"
#include "util_script.h"
#include "apr_buckets.h"
#include "apr_optional.h"
#include "apr_strings.h"
#include "apr_portable.h"
#include "apr_shm.h"
#include "apr_uri.h"

/* A line of one of mod_proxy's directives. */
typedef struct {
    const char *directive;
    const char *arguments;
    /* The arguments of the <Proxy> or <ProxyMatch> around it; "" without one. */
    const char *section;
    /* A section around it says the path. */
    int has_path;
} ajp_shim_line;

/* Rust's side of every hook. Each entry is a guarded function and never NULL. */
typedef struct {
    int (*check_config)(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
    /* post_config, before mod_proxy_balancer shares its members. */
    int (*before_balancer)(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
    int (*post_config)(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
    void (*child_init)(apr_pool_t *pchild, server_rec *s);
    void (*child_stopping)(apr_pool_t *pchild, int graceful);
    /* In the parent: this child has ended. */
    void (*child_ended)(server_rec *s, int pid);
    int (*canon)(request_rec *r, char *url);
    int (*scheme)(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                  const char *proxyname, apr_port_t proxyport);
    int (*pre_request)(proxy_worker **worker, proxy_balancer **balancer, request_rec *r,
                       proxy_server_conf *conf, char **url);
    int (*post_request)(proxy_worker *worker, proxy_balancer *balancer, request_rec *r,
                        proxy_server_conf *conf);
    int (*request_status)(int *status, request_rec *r);
    /* NULL: set. AJP_SHIM_NOT_OURS: not a key of ours. Else the error text. */
    const char *(*worker_param)(apr_pool_t *p, server_rec *s, proxy_worker *worker,
                                const char *key, const char *value);
    /* Sets *edited to the arguments that mod_proxy is to read (in pool p); NULL: as they are.
     * The result is NULL, or an error text. */
    const char *(*edit_line)(apr_pool_t *p, server_rec *s, const ajp_shim_line *line,
                             const char **edited);
    /* ProxyAjpMaintain. NULL: set. Else the error text. */
    const char *(*maintain)(apr_pool_t *p, server_rec *s, const char *value);
    /* ProxyAjpReverse. NULL: set. Else the error text. */
    const char *(*reverse)(apr_pool_t *p, server_rec *s, const char *arguments);
    /* ProxyAjpEnvVar; value may be NULL. NULL: set. Else the error text. */
    const char *(*env_var)(apr_pool_t *p, server_rec *s, const char *name, const char *value);
    /* ProxyAjpCertChain. NULL: set. Else the error text. */
    const char *(*cert_chain)(apr_pool_t *p, server_rec *s, int on);
    apr_status_t (*cping)(apr_socket_t *sock, request_rec *r, apr_interval_time_t timeout);
    /* SetHandler ajp-status. */
    int (*status_page)(request_rec *r);
    /* A part of mod_status's page; flags AP_STATUS_*. */
    int (*status_summary)(request_rec *r, int flags);
    /* Gives back the owner of a bucket's bytes: see ajp_shim_append_slice. */
    void (*release_slice)(void *owner);
} ajp_shim_callbacks;

/* What worker_param returns for a key that is not ours (compared by address). */
extern const char ajp_shim_not_ours[];

/* Registers every hook and optional function of the module. `callbacks` must outlive the module. */
void ajp_shim_register_hooks(const ajp_shim_callbacks *callbacks);

/* The module's directives, for its record. */
extern const command_rec ajp_shim_directives[];

/* Logging. Text is passed as an argument, never as a format. */
int ajp_shim_logs_request(const request_rec *r, int level);
void ajp_shim_log_request(const request_rec *r, int level, const char *text);
void ajp_shim_log_server(const server_rec *s, int level, const char *text);

/* Appends `len` bytes at `data` without copying. The bucket takes over `owner` and gives it to
 * release_slice, exactly once, when the last bucket that shares the bytes is destroyed, on
 * whichever thread that happens. */
void ajp_shim_append_slice(apr_bucket_brigade *bb, const char *data, apr_size_t len, void *owner);
/* Appends `len` bytes at `data`, which stay there until the brigade has been passed on: who keeps
 * the bucket longer than that copies them. */
void ajp_shim_append_transient(apr_bucket_brigade *bb, const char *data, apr_size_t len);
void ajp_shim_append_flush(apr_bucket_brigade *bb);
void ajp_shim_append_eos(apr_bucket_brigade *bb);
int ajp_shim_brigade_empty(const apr_bucket_brigade *bb);

/* Ends a response that has broken off, so that it cannot look complete: HTTP/1 has no last chunk, and
 * the connection is closed; HTTP/2 resets the stream. Where nothing has been sent yet, a page for
 * 502 is. */
void ajp_shim_break_off(request_rec *r);

/* Keeps httpd from cutting ranges out of this request's response. */
void ajp_shim_give_whole(request_rec *r);

/* Walks a brigade: *cursor starts NULL, and is the bucket just told about. A data bucket has
 * been read (so its bytes stay until the brigade is cleaned). */
enum {
    AJP_SHIM_BUCKET_END = 0,   /* no more buckets */
    AJP_SHIM_BUCKET_DATA = 1,
    AJP_SHIM_BUCKET_EOS = 2,
    AJP_SHIM_BUCKET_OTHER = 3, /* metadata of no interest */
    AJP_SHIM_BUCKET_FAILED = 4 /* reading failed: *status says how */
};
int ajp_shim_next_bucket(apr_bucket_brigade *bb, apr_bucket **cursor, const char **data,
                         apr_size_t *len, apr_status_t *status);

/* Reads from the input filters, waiting for it, and puts what came back in front of them: the next to
 * read the body gets it first. Sets *is_there once that has a byte of the body or its end. */
apr_status_t ajp_shim_peek_body(request_rec *r, apr_off_t at_most, int *is_there);

/* Puts what was read of the body in front of the input filters; the brigade is theirs from now on. */
void ajp_shim_put_back(request_rec *r, apr_bucket_brigade *bb);

/* ap_proxy_canonenc_ex with AllowEncodedSlashes of this request; NULL: a bad escape. */
char *ajp_shim_canonenc(request_rec *r, const char *path);

/* mod_proxy's lock of a balancer, which keeps the threads of a child apart; 0: it is held. */
int ajp_shim_lock_balancer(proxy_balancer *balancer);
void ajp_shim_unlock_balancer(proxy_balancer *balancer);

/* Whole milliseconds to wait in mod_proxy's units; fields that not every 2.4 has. */
int ajp_shim_address_ttl(const proxy_worker *worker); /* seconds; -1: for ever */
const char *ajp_shim_worker_name(const proxy_worker *worker);

/* The length of the array behind it. */
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 124)
#define AJP_HAS_NAME_EX 1
enum { AJP_SHIM_WORKER_NAME_SIZE = sizeof(((proxy_worker_shared *)0)->name_ex) };
#else
enum { AJP_SHIM_WORKER_NAME_SIZE = sizeof(((proxy_worker_shared *)0)->name) };
#endif

#endif
