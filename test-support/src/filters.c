/* Filters that behave like those of some modules, for tests. */
#include <errno.h>

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "util_filter.h"
#include "apr_buckets.h"

/* Delivers nothing, forever. */
static apr_status_t nothing(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                            apr_read_type_e block, apr_off_t bytes)
{
    return APR_SUCCESS;
}

/* Delivers nothing a dozen times, and then removes itself. */
static apr_status_t hesitating(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                               apr_read_type_e block, apr_off_t bytes)
{
    int *left = f->ctx;

    if (!left) {
        f->ctx = left = apr_palloc(f->r->pool, sizeof(*left));
        *left = 12;
    }
    if ((*left)-- > 0) {
        return APR_SUCCESS;
    }
    ap_remove_input_filter(f);
    return ap_get_brigade(f->next, bb, mode, block, bytes);
}

/* Reports once, for the second brigade, that the client is gone, although it is there. */
static apr_status_t fail_second(ap_filter_t *f, apr_bucket_brigade *bb, apr_status_t status)
{
    if (f->ctx) {
        ap_remove_output_filter(f);
        return status;
    }
    f->ctx = f;
    return ap_pass_brigade(f->next, bb);
}

static apr_status_t reset(ap_filter_t *f, apr_bucket_brigade *bb)
{
    return fail_second(f, bb, ECONNRESET);
}

static apr_status_t broken_pipe(ap_filter_t *f, apr_bucket_brigade *bb)
{
    return fail_second(f, bb, EPIPE);
}

/* Replaces the response's body with the file that X-Sendfile names, as mod_xsendfile does. */
static apr_status_t sendfile(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    const char *name = apr_table_get(r->headers_out, "X-Sendfile");
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv;

    if (f->ctx) {
        apr_brigade_cleanup(bb);
        return APR_SUCCESS;
    }
    if (!name) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    f->ctx = f;
    apr_table_unset(r->headers_out, "X-Sendfile");
    apr_brigade_cleanup(bb);
    rv = apr_file_open(&file, name, APR_READ | APR_BINARY, APR_OS_DEFAULT, r->pool);
    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&info, APR_FINFO_NORM, file);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    ap_set_content_length(r, info.size);
    apr_brigade_insert_file(bb, file, 0, info.size, r->pool);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

static void register_hooks(apr_pool_t *p)
{
    ap_register_input_filter("NOTHING", nothing, NULL, AP_FTYPE_RESOURCE);
    ap_register_input_filter("HESITATING", hesitating, NULL, AP_FTYPE_RESOURCE);
    ap_register_output_filter("RESET", reset, NULL, AP_FTYPE_RESOURCE);
    ap_register_output_filter("BROKEN_PIPE", broken_pipe, NULL, AP_FTYPE_RESOURCE);
    ap_register_output_filter("SENDFILE", sendfile, NULL, AP_FTYPE_CONTENT_SET);
}

module AP_MODULE_DECLARE_DATA test_filters_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
