/* See shim.h. */
#include "shim.h"

/* The module record is Rust's (a record in C would be dropped from the library). */
extern module AP_MODULE_DECLARE_DATA proxy_ajp_module;
APLOG_USE_MODULE(proxy_ajp);

static ap_filter_rec_t *put_back;

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
    ajp_shim_release *release;
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
        bytes->release(bytes->owner);
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

void ajp_shim_append_slice(apr_bucket_brigade *bb, const char *data, apr_size_t len, void *owner,
                           ajp_shim_release *release)
{
    slice *bytes = apr_bucket_alloc(sizeof(*bytes), bb->bucket_alloc);
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), bb->bucket_alloc);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = bb->bucket_alloc;
    bytes->data = data;
    bytes->owner = owner;
    bytes->release = release;
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

apr_status_t ajp_shim_move_front(apr_bucket_brigade *from, apr_off_t at_most, apr_bucket_brigade *to)
{
    apr_bucket *end, *b;
    apr_status_t status = apr_brigade_partition(from, at_most, &end);

    if (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status)) {
        return status;
    }
    while ((b = APR_BRIGADE_FIRST(from)) != end) {
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(to, b);
    }
    return APR_SUCCESS;
}

apr_status_t ajp_shim_push_output(conn_rec *c)
{
    ap_filter_t *last = c->output_filters;

    while (last->next != NULL) {
        last = last->next;
    }
    return last->frec->filter_func.out_func(last, NULL);
}

void ajp_shim_delete_last(apr_bucket_brigade *bb)
{
    apr_bucket_delete(APR_BRIGADE_LAST(bb));
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

apr_status_t ajp_shim_own_bucket(apr_bucket *b, apr_pool_t *pool, const char **data, apr_size_t *len)
{
    apr_status_t status = apr_bucket_setaside(b, pool);

    return status == APR_SUCCESS ? apr_bucket_read(b, data, len, APR_BLOCK_READ) : status;
}

void ajp_shim_concat(apr_bucket_brigade *to, apr_bucket_brigade *from)
{
    APR_BRIGADE_CONCAT(to, from);
}

void ajp_shim_delete_bucket(apr_bucket *b)
{
    apr_bucket_delete(b);
}

/* --- bytes of a body that were read before it had a reader ------------------------------- */

/* Passes the bytes that were put back (ctx) to the reader, and removes itself. */
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
    /* The end of the body comes with its last bytes. */
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

void ajp_shim_register_filter(void)
{
    /* Before every other filter of a request. */
    put_back = ap_register_input_filter("ajp-put-back", give_back, NULL,
                                        (ap_filter_type)(AP_FTYPE_RESOURCE - 1));
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
        /* -1: reading the bucket will show its length; it is not the end of a body, so it has bytes. */
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

/* --- differences between releases of httpd ----------------------------------------------- */

/* httpd resolves all functions when it loads a module. A function that the oldest httpd (2.4.49) does not have is a
 * weak reference: an httpd without it then loads the library, and check_config says that it is too old. */
#ifdef PROXY_CANONENC_NOENCODEDSLASHENCODING
#pragma weak ap_proxy_canonenc_ex

char *ajp_shim_canonenc_ex(apr_pool_t *p, const char *x, int len, enum enctype t, int flags,
                           int proxyreq)
{
    return ap_proxy_canonenc_ex(p, x, len, t, flags, proxyreq);
}
#endif

/* Since 2.4.62, mod_proxy makes the URL of a balancer canonical once a member has been chosen; before, when it gets the
 * URL. The function is exported, but in no public header. */
int ap_proxy_canon_url(request_rec *r);
#pragma weak ap_proxy_canon_url

int ajp_shim_canon_url(request_rec *r, char *filename, int *status)
{
    if (!ap_proxy_canon_url) {
        return 0;
    }
    r->filename = filename;
    *status = ap_proxy_canon_url(r);
    return 1;
}

int ajp_shim_checkproxyblock(request_rec *r, proxy_server_conf *conf, const char *hostname,
                             apr_sockaddr_t *addr)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120724, 0)
    return ap_proxy_checkproxyblock(r, conf, hostname, addr);
#else
    return ap_proxy_checkproxyblock2(r, conf, hostname, addr);
#endif
}

int ajp_shim_has_unsent_output(const conn_rec *c)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120724, 0)
    return ap_filter_should_yield(c->output_filters);
#else
    return c->data_in_output_filters;
#endif
}
