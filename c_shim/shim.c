/* The part of the module that only C can say: see shim.h. */
#include <string.h>
#include <sys/socket.h>
#include "shim.h"
#include "mod_core.h"
#include "mpm_common.h"
#include "apr_optional.h"
#include "apr_optional_hooks.h"

/* The module record is Rust's (a record in C would be dropped from the library). */
extern module AP_MODULE_DECLARE_DATA proxy_ajp_module;
APLOG_USE_MODULE(proxy_ajp);

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 127)
#define AJP_HAS_CANONENC_EX 1
#endif
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 130)
#define AJP_HAS_ADDRESS_TTL 1
#endif
#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
#error "mod_proxy_ajp_rs needs httpd 2.4.49 or later"
#endif

const char ajp_shim_not_ours[] = "unknown Worker parameter";

/* Set by each load of the library, before anything else runs. */
static const ajp_shim_callbacks *callbacks;
static APR_OPTIONAL_FN_TYPE(set_worker_hc_param) *previous_worker_param;
static ap_filter_rec_t *put_back;

static apr_status_t give_back(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes);

/* --- hooks ------------------------------------------------------------------------------- */

static const char *worker_param(apr_pool_t *p, server_rec *s, proxy_worker *worker,
                                const char *key, const char *value, void *v)
{
    const char *error = callbacks->worker_param(p, s, worker, key, value);
    if (error == ajp_shim_not_ours && previous_worker_param
        && previous_worker_param != worker_param) {
        return previous_worker_param(p, s, worker, key, value, v);
    }
    return error;
}

/* mod_proxy asks for this function in its own pre_config; mod_proxy_hcheck has registered its
 * own in register_hooks. Between the two we put ourselves in front. */
static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    previous_worker_param = APR_RETRIEVE_OPTIONAL_FN(set_worker_hc_param);
    apr_dynamic_fn_register("set_worker_hc_param", (apr_opt_fn_t *)worker_param);
    return OK;
}

static void child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot,
                         mpm_child_status status)
{
    if (status == MPM_CHILD_EXITED) {
        callbacks->child_ended(s, (int)pid);
    }
}

static int status_page(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "ajp-status") != 0) {
        return DECLINED;
    }
    return callbacks->status_page(r);
}

static int status_summary(request_rec *r, int flags)
{
    return callbacks->status_summary(r, flags);
}

void ajp_shim_register_hooks(const ajp_shim_callbacks *cb)
{
    static const char *const before_proxy[] = { "mod_proxy.c", NULL };
    static const char *const before_balancer[] = { "mod_proxy_balancer.c", NULL };
    static const char *const after_cluster[] = { "mod_proxy_cluster.c", NULL };
    static const char *const after_balancer[] = { "mod_proxy_balancer.c", NULL };
    APR_OPTIONAL_FN_TYPE(ajp_handle_cping_cpong) *cping = cb->cping;

    callbacks = cb;
    previous_worker_param = NULL;
    ap_hook_pre_config(pre_config, after_balancer, before_proxy, APR_HOOK_MIDDLE);
    ap_hook_check_config(cb->check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(cb->before_balancer, NULL, before_balancer, APR_HOOK_MIDDLE);
    ap_hook_post_config(cb->post_config, after_balancer, NULL, APR_HOOK_LAST);
    ap_hook_child_init(cb->child_init, after_balancer, NULL, APR_HOOK_LAST);
    ap_hook_child_stopping(cb->child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_MIDDLE);
    proxy_hook_scheme_handler(cb->scheme, NULL, NULL, APR_HOOK_FIRST);
    proxy_hook_canon_handler(cb->canon, NULL, NULL, APR_HOOK_FIRST);
    /* mod_proxy_cluster chooses the members of its own balancers. */
    proxy_hook_pre_request(cb->pre_request, after_cluster, before_balancer, APR_HOOK_FIRST);
    proxy_hook_post_request(cb->post_request, NULL, before_balancer, APR_HOOK_FIRST);
    /* mod_proxy runs this one as an optional hook; it has no function to register it. */
    APR_OPTIONAL_HOOK(proxy, request_status, cb->request_status, NULL, NULL, APR_HOOK_FIRST);
    /* Before every other filter of a request. */
    put_back = ap_register_input_filter("ajp-put-back", give_back, NULL,
                                        (ap_filter_type)(AP_FTYPE_RESOURCE - 1));
    ap_hook_handler(status_page, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, status_summary, NULL, NULL, APR_HOOK_MIDDLE);
    apr_dynamic_fn_register("ajp_handle_cping_cpong", (apr_opt_fn_t *)cping);
}

/* --- directives ---------------------------------------------------------------------------- */

static const char *maintain(cmd_parms *cmd, void *dir, const char *value)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    return error ? error : callbacks->maintain(cmd->pool, cmd->server, value);
}

static const char *reverse(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    return error ? error : callbacks->reverse(cmd->pool, cmd->server, arguments);
}

static const char *env_var(cmd_parms *cmd, void *dir, const char *name, const char *value)
{
    return callbacks->env_var(cmd->pool, cmd->server, name, value);
}

static const char *cert_chain(cmd_parms *cmd, void *dir, int on)
{
    return callbacks->cert_chain(cmd->pool, cmd->server, on);
}

/* Called before mod_proxy's own handler of the same directive, for it was loaded before us; what we
 * leave in the line's arguments is what mod_proxy reads. */
static const char *edit(cmd_parms *cmd, void *dir, const char *arguments)
{
    const ap_directive_t *around = cmd->directive->parent;
    const char *edited = NULL, *error;
    ajp_shim_line line = { cmd->cmd->name, arguments, "", cmd->path != NULL };

    /* As mod_proxy looks for it. */
    if (around && around->args && strncasecmp(around->directive, "<Proxy", 6) == 0) {
        line.section = around->args;
    }
    error = callbacks->edit_line(cmd->pool, cmd->server, &line, &edited);
    if (edited) {
        cmd->directive->args = edited;
    }
    return error;
}

const command_rec ajp_shim_directives[] = {
    AP_INIT_RAW_ARGS("ProxyPass", edit, NULL, RSRC_CONF | ACCESS_CONF, "see mod_proxy"),
    AP_INIT_RAW_ARGS("ProxyPassMatch", edit, NULL, RSRC_CONF | ACCESS_CONF, "see mod_proxy"),
    AP_INIT_RAW_ARGS("BalancerMember", edit, NULL, RSRC_CONF | ACCESS_CONF, "see mod_proxy"),
    AP_INIT_RAW_ARGS("ProxySet", edit, NULL, RSRC_CONF | ACCESS_CONF, "see mod_proxy"),
    AP_INIT_RAW_ARGS("<Proxy", edit, NULL, RSRC_CONF, "see mod_proxy"),
    AP_INIT_RAW_ARGS("<ProxyMatch", edit, NULL, RSRC_CONF, "see mod_proxy"),
    AP_INIT_TAKE1("ProxyAjpMaintain", maintain, NULL, RSRC_CONF,
                  "seconds between two rounds of the housekeeper, 1 to 3600; 0: no rounds"),
    AP_INIT_RAW_ARGS("ProxyAjpReverse", reverse, NULL, RSRC_CONF,
                     "a worker's URL, and where its container dials in: listen=, allow=, "
                     "keyfile=, node=, backlog="),
    AP_INIT_TAKE12("ProxyAjpEnvVar", env_var, NULL, RSRC_CONF,
                   "an environment variable that is sent as an attribute, and a value if it is not set"),
    AP_INIT_FLAG("ProxyAjpCertChain", cert_chain, NULL, RSRC_CONF,
                 "On: the certificates behind the client's own are sent with it"),
    { NULL }
};

/* --- logging ----------------------------------------------------------------------------- */

int ajp_shim_logs_request(const request_rec *r, int level)
{
    return APLOG_R_IS_LEVEL(r, level);
}

void ajp_shim_log_request(const request_rec *r, int level, const char *text)
{
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s", text);
}

void ajp_shim_log_server(const server_rec *s, int level, const char *text)
{
    ap_log_error(APLOG_MARK, level, 0, s, "%s", text);
}

/* --- buckets ----------------------------------------------------------------------------- */

typedef struct {
    apr_bucket_refcount refcount;
    const char *data;
    void *owner;
} slice;

static apr_status_t slice_read(apr_bucket *b, const char **data, apr_size_t *len,
                               apr_read_type_e block)
{
    const slice *bytes = b->data;
    *data = bytes->data + b->start;
    *len = b->length;
    return APR_SUCCESS;
}

static void slice_destroy(void *data)
{
    slice *bytes = data;
    if (apr_bucket_shared_destroy(bytes)) {
        callbacks->release_slice(bytes->owner);
        apr_bucket_free(bytes);
    }
}

/* The bytes are the owner's and outlive every pool, so setting aside costs nothing. */
static const apr_bucket_type_t slice_type = {
    "AJP", 5, APR_BUCKET_DATA,
    slice_destroy,
    slice_read,
    apr_bucket_setaside_noop,
    apr_bucket_shared_split,
    apr_bucket_shared_copy
};

void ajp_shim_append_slice(apr_bucket_brigade *bb, const char *data, apr_size_t len, void *owner)
{
    slice *bytes = apr_bucket_alloc(sizeof(*bytes), bb->bucket_alloc);
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), bb->bucket_alloc);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = bb->bucket_alloc;
    bytes->data = data;
    bytes->owner = owner;
    b = apr_bucket_shared_make(b, bytes, 0, len);
    b->type = &slice_type;
    APR_BRIGADE_INSERT_TAIL(bb, b);
}

void ajp_shim_append_transient(apr_bucket_brigade *bb, const char *data, apr_size_t len)
{
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create(data, len, bb->bucket_alloc));
}

void ajp_shim_append_flush(apr_bucket_brigade *bb)
{
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(bb->bucket_alloc));
}

void ajp_shim_append_eos(apr_bucket_brigade *bb)
{
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
}

int ajp_shim_brigade_empty(const apr_bucket_brigade *bb)
{
    return APR_BRIGADE_EMPTY(bb);
}

/* A response of neither length nor chunks, to HTTP/1.0, ends with its connection: a reset says that
 * it has not. */
static void reset_client(request_rec *r)
{
    conn_rec *c = r->connection;
    apr_socket_t *sock = ap_get_conn_socket(c);
    struct linger at_once = { 1, 0 };
    apr_os_sock_t fd;

    if (c->master || !r->sent_bodyct || r->chunked || r->proto_num >= HTTP_VERSION(1, 1)
        || apr_table_get(r->headers_out, "Content-Length")) {
        return;
    }
    if (sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    c->aborted = 1;
}

void ajp_shim_break_off(request_rec *r)
{
    request_rec *whole = r;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    while (whole->main) {
        whole = whole->main;
    }
    /* mod_sed and LuaOutputFilter drop the error and pass the end on. So those who frame the
     * response are told first. */
    if (r->output_filters != r->proto_output_filters) {
        ap_proxy_backend_broke(r, bb);
        apr_bucket_delete(APR_BRIGADE_LAST(bb));
        (void)ap_pass_brigade(r->proto_output_filters, bb);
        apr_brigade_cleanup(bb);
    }
    /* Unless that was answered with a page for the error, of which the end has been sent. */
    if (!whole->eos_sent) {
        reset_client(whole);
        ap_proxy_backend_broke(r, bb);
        (void)ap_pass_brigade(r->output_filters, bb);
    }
    apr_brigade_destroy(bb);
}

/* The filter acts on what comes whole in one brigade, and is gone after the first in any case. */
void ajp_shim_give_whole(request_rec *r)
{
    ap_filter_t *f;

    for (f = r->output_filters; f; f = f->next) {
        if (f->frec == ap_byterange_filter_handle) {
            /* A piece of another page has that page's filter behind it. */
            if (f->r == r) {
                ap_remove_output_filter(f);
            }
            return;
        }
    }
}

int ajp_shim_next_bucket(apr_bucket_brigade *bb, apr_bucket **cursor, const char **data,
                         apr_size_t *len, apr_status_t *status)
{
    apr_bucket *b = *cursor ? APR_BUCKET_NEXT(*cursor) : APR_BRIGADE_FIRST(bb);

    *data = NULL;
    *len = 0;
    *status = APR_SUCCESS;
    if (b == APR_BRIGADE_SENTINEL(bb)) {
        return AJP_SHIM_BUCKET_END;
    }
    *cursor = b;
    if (APR_BUCKET_IS_EOS(b)) {
        return AJP_SHIM_BUCKET_EOS;
    }
    if (APR_BUCKET_IS_METADATA(b)) {
        return AJP_SHIM_BUCKET_OTHER;
    }
    *status = apr_bucket_read(b, data, len, APR_BLOCK_READ);
    return *status == APR_SUCCESS ? AJP_SHIM_BUCKET_DATA : AJP_SHIM_BUCKET_FAILED;
}

/* --- what was read of a body before there was a reader ----------------------------------------- */

/* Gives what was put back (ctx) to whoever reads, and goes. */
static apr_status_t give_back(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes)
{
    apr_bucket_brigade *kept = f->ctx;
    apr_bucket *end = APR_BRIGADE_SENTINEL(kept), *b, *copy;
    apr_status_t status;

    switch (mode) {
    case AP_MODE_READBYTES:
    case AP_MODE_SPECULATIVE:
        status = apr_brigade_partition(kept, readbytes, &end);
        if (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status)) {
            return status;
        }
        break;
    case AP_MODE_EXHAUSTIVE:
        break;
    case AP_MODE_GETLINE:
        return APR_ENOTIMPL;
    default:
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    /* The end of the body comes with the last of it. */
    while (end != APR_BRIGADE_SENTINEL(kept) && APR_BUCKET_IS_METADATA(end)) {
        end = APR_BUCKET_NEXT(end);
    }
    if (mode == AP_MODE_SPECULATIVE) {
        for (b = APR_BRIGADE_FIRST(kept); b != end; b = APR_BUCKET_NEXT(b)) {
            status = apr_bucket_copy(b, &copy);
            if (status != APR_SUCCESS) {
                return status;
            }
            APR_BRIGADE_INSERT_TAIL(bb, copy);
        }
        return APR_SUCCESS;
    }
    while ((b = APR_BRIGADE_FIRST(kept)) != end) {
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(bb, b);
    }
    if (APR_BRIGADE_EMPTY(kept)) {
        ap_remove_input_filter(f);
    }
    return APR_SUCCESS;
}

void ajp_shim_put_back(request_rec *r, apr_bucket_brigade *bb)
{
    ap_add_input_filter_handle(put_back, bb, r, r->connection);
}

apr_status_t ajp_shim_peek_body(request_rec *r, apr_off_t at_most, int *is_there)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_bucket_brigade *kept = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_bucket *b;
    apr_status_t status = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ,
                                         at_most);

    if (status != APR_SUCCESS) {
        return status;
    }
    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        /* -1: a length that reading it will show; it is no end of a body, so it has bytes. */
        *is_there |= APR_BUCKET_IS_EOS(b) || AP_BUCKET_IS_ERROR(b) || (!APR_BUCKET_IS_METADATA(b) && b->length != 0);
    }
    if (!*is_there) {
        apr_brigade_destroy(bb);
        apr_brigade_destroy(kept);
        return APR_SUCCESS;
    }
    /* A filter may use the memory of its buckets again. */
    status = ap_save_brigade(NULL, &kept, &bb, r->pool);
    if (status == APR_SUCCESS) {
        ajp_shim_put_back(r, kept);
    }
    return status;
}

/* --- balancers --------------------------------------------------------------------------- */

int ajp_shim_lock_balancer(proxy_balancer *balancer)
{
    return PROXY_THREAD_LOCK(balancer);
}

void ajp_shim_unlock_balancer(proxy_balancer *balancer)
{
    (void)PROXY_THREAD_UNLOCK(balancer);
}

/* --- fields and functions that differ between releases ------------------------------------- */

char *ajp_shim_canonenc(request_rec *r, const char *path)
{
#ifdef AJP_HAS_CANONENC_EX
    core_dir_config *d = ap_get_core_module_config(r->per_dir_config);
    int flags = d->allow_encoded_slashes && !d->decode_encoded_slashes
                ? PROXY_CANONENC_NOENCODEDSLASHENCODING : 0;
    return ap_proxy_canonenc_ex(r->pool, path, (int)strlen(path), enc_path, flags, r->proxyreq);
#else
    return ap_proxy_canonenc(r->pool, path, (int)strlen(path), enc_path, 0, r->proxyreq);
#endif
}

int ajp_shim_address_ttl(const proxy_worker *worker)
{
#ifdef AJP_HAS_ADDRESS_TTL
    return worker->s->address_ttl_set ? worker->s->address_ttl : -1;
#else
    return -1;
#endif
}

const char *ajp_shim_worker_name(const proxy_worker *worker)
{
#ifdef AJP_HAS_NAME_EX
    return worker->s->name_ex;
#else
    return worker->s->name;
#endif
}
