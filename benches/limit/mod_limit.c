/* The least that passing a request to an AJP container can cost inside httpd: a handler with one
 * connection per thread, no pool, no settings, no headers passed on, no retry. ci/bench
 * compiles it with apxs and measures it beside the real modules; it has no other use.
 *
 *     <Location "/b">
 *         SetHandler limit
 *         LimitBackend 8009 8192      # port on loopback, size of the packets with a request's body
 *     </Location>
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"
#include "http_config.h"
#include "http_log.h"
#include "http_request.h"

module AP_MODULE_DECLARE_DATA limit_module;
APLOG_USE_MODULE(limit);

static __thread struct link *mine;

static struct link *connected(const struct backend *backend)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct link *link = mine;
    int one = 1;

    while (link && link->port != backend->port) {
        link = link->next;
    }
    if (!link) {
        link = calloc(1, sizeof(*link));
        if (!link) {
            return NULL;
        }
        link->next = mine;
        link->port = backend->port;
        link->socket = -1;
        mine = link;
    }
    if (link->socket >= 0) {
        return link;
    }
    link->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = htons((unsigned short)backend->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(link->socket, (struct sockaddr *)&address, sizeof(address))) {
        close(link->socket);
        link->socket = -1;
        return NULL;
    }
    return link;
}

static int handler(request_rec *r)
{
    const struct backend *backend;
    struct link *link;
    int result;

    if (!r->handler || strcmp(r->handler, "limit")) {
        return DECLINED;
    }
    result = ap_setup_client_block(r, REQUEST_CHUNKED_ERROR);
    if (result != OK) {
        return result;
    }
    backend = ap_get_module_config(r->per_dir_config, &limit_module);
    link = connected(backend);
    if (!link) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    result = limit_prepare(link, r, ap_should_client_block(r) ? r->remaining : 0);
    if (result != OK) {
        return result;
    }
    if (limit_exchange(r, link, backend->packet_size)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, r, "limit: no answer");
        close(link->socket);
        link->socket = -1;
        r->connection->keepalive = AP_CONN_CLOSE;
        return r->sent_bodyct ? DONE : HTTP_BAD_GATEWAY;
    }
    return OK;
}

/* No file is looked for, as with mod_proxy. */
static int translate(request_rec *r)
{
    const struct backend *backend = ap_get_module_config(r->per_dir_config, &limit_module);

    if (!backend->port) {
        return DECLINED;
    }
    r->filename = r->uri;
    return OK;
}

static int map_to_storage(request_rec *r)
{
    return r->filename == r->uri ? OK : DECLINED;
}

static void *create(apr_pool_t *pool, char *directory)
{
    (void)directory;
    return apr_pcalloc(pool, sizeof(struct backend));
}

static const char *set_backend(cmd_parms *command, void *config, const char *port,
                               const char *packet_size)
{
    struct backend *backend = config;

    (void)command;
    backend->port = atoi(port);
    backend->packet_size = atoi(packet_size);
    if (backend->packet_size < 8192 || backend->packet_size > LARGEST_PACKET) {
        return "LimitBackend: packets have 8192 to 65536 bytes";
    }
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("LimitBackend", set_backend, NULL, ACCESS_CONF, "port and packet size"),
    { NULL }
};

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_translate_name(translate, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA limit_module = {
    STANDARD20_MODULE_STUFF, create, NULL, NULL, NULL, commands, register_hooks, 0
};
