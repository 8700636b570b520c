/* An lbmethod of the name `byrequests` that is not httpd's, for tests: the last member gets all requests. */
#include "httpd.h"
#include "http_config.h"
#include "ap_provider.h"
#include "mod_proxy.h"

static proxy_worker *last(proxy_balancer *balancer, request_rec *r)
{
    return APR_ARRAY_IDX(balancer->workers, balancer->workers->nelts - 1, proxy_worker *);
}

static apr_status_t nothing(proxy_balancer *balancer, server_rec *s)
{
    return APR_SUCCESS;
}

static const proxy_balancer_method byrequests = {
    "byrequests", &last, NULL, &nothing, &nothing, NULL
};

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, PROXY_LBMETHOD, byrequests.name, "0", &byrequests);
}

module AP_MODULE_DECLARE_DATA test_lbmethod_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
