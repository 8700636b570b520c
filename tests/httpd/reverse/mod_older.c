/* What the version of this module before its listeners were APR's to close has left in httpd: see
 * httpd/reverse/upgrade.rs. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include "apr_strings.h"
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"

typedef struct {
    int count;
    struct {
        char name[64];
        int fd;
        int in_use;
    } at[128];
} listener_table;

/* A table of a version yet to come. */
static const apr_uint32_t of_the_future[] = { 99, 3, 0, 1, 2 };

static int listening_at(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 16) != 0) {
        return -1;
    }
    return fd;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    listener_table *table;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    table = ap_retained_data_create("mod_proxy_ajp_rs listeners 1", sizeof(*table));
    apr_snprintf(table->at[0].name, 64, "127.0.0.1:%d", PORT);
    table->at[0].fd = listening_at(PORT);
    /* Not as it is noted: somebody else's by now. */
    apr_snprintf(table->at[1].name, 64, "127.0.0.1:1");
    table->at[1].fd = listening_at(OTHER_PORT);
    table->count = 2;
    apr_pool_userdata_set(apr_pmemdup(plog, of_the_future, sizeof(of_the_future)),
                          "mod_proxy_ajp_rs listeners", NULL, plog);
    return table->at[0].fd < 0 || table->at[1].fd < 0 ? 500 : OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA proxy_ajp_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
