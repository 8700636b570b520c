/* The least that passing a request to an AJP container can cost inside httpd: a handler with one
 * connection per thread, no pool, no settings, no headers passed on, no second try. ci/bench
 * compiles it with apxs and measures it beside the real modules; it is of no other use.
 *
 *     <Location "/b">
 *         SetHandler limit
 *         LimitBackend 8009 8192      # port on loopback, size of the packets with a request's body
 *     </Location>
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_strings.h"
#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

module AP_MODULE_DECLARE_DATA limit_module;
APLOG_USE_MODULE(limit);

enum { RECEIVE = 256 * 1024, LARGEST_PACKET = 65536, LONGEST_PATH = 1024 };

struct backend {
    int port;
    int packet_size;
};

/* What a thread keeps between requests. */
struct link {
    int port;
    int socket;
    size_t request_length; /* of the FORWARD_REQUEST in `request` for `uri` and `body` */
    apr_off_t body;
    char uri[LONGEST_PATH];
    /* The request, and room behind it for the first packet of its body. */
    unsigned char request[2 * LONGEST_PATH + LARGEST_PACKET];
    unsigned char packet[LARGEST_PACKET];
    char received[RECEIVE];
};

static __thread struct link *mine;

static unsigned u16_at(const char *at)
{
    return (unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static unsigned char *put_u16(unsigned char *at, size_t number)
{
    at[0] = (unsigned char)(number >> 8);
    at[1] = (unsigned char)number;
    return at + 2;
}

static unsigned char *put_string(unsigned char *at, const char *text)
{
    size_t length = strlen(text);
    at = put_u16(at, length);
    memcpy(at, text, length + 1);
    return at + length + 1;
}

/* The request for this path, built only if it is not the one before once more. */
static int prepare(struct link *link, request_rec *r, apr_off_t body)
{
    unsigned char *at = link->request + 4;

    if (link->request_length && link->body == body && !strcmp(link->uri, r->uri)) {
        return OK;
    }
    if (strlen(r->uri) >= LONGEST_PATH) {
        return HTTP_REQUEST_URI_TOO_LARGE;
    }
    strcpy(link->uri, r->uri);
    link->body = body;
    *at++ = 0x02;
    *at++ = body ? 0x04 : 0x02;
    at = put_string(at, "HTTP/1.1");
    at = put_string(at, r->uri);
    at = put_string(at, "127.0.0.1");
    at = put_u16(at, 0xFFFF);
    at = put_string(at, "localhost");
    at = put_u16(at, 80);
    *at++ = 0x00;
    at = put_u16(at, body ? 1 : 0);
    if (body) {
        at = put_u16(at, 0xA008);
        at = put_string(at, apr_off_t_toa(r->pool, body));
    }
    *at++ = 0xFF;
    link->request_length = (size_t)(at - link->request);
    put_u16(link->request, 0x1234);
    put_u16(link->request + 2, link->request_length - 4);
    return OK;
}

static struct link *connected(const struct backend *backend)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int one = 1;

    if (!mine) {
        mine = calloc(1, sizeof(*mine));
        if (!mine) {
            return NULL;
        }
        mine->socket = -1;
    }
    if (mine->socket >= 0 && mine->port == backend->port) {
        return mine;
    }
    if (mine->socket >= 0) {
        close(mine->socket);
    }
    mine->port = backend->port;
    mine->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = htons((unsigned short)backend->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(mine->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(mine->socket, (struct sockaddr *)&address, sizeof(address))) {
        close(mine->socket);
        mine->socket = -1;
        return NULL;
    }
    return mine;
}

static int send_all(int socket, const unsigned char *from, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(socket, from, length, MSG_NOSIGNAL);
        if (sent < 0) {
            return -1;
        }
        from += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* Puts a packet with up to `room` bytes of the client's body at `at`; its length, or less than 0. */
static long body_packet(request_rec *r, unsigned char *at, size_t room, apr_off_t *left)
{
    size_t wanted = *left < (apr_off_t)room ? (size_t)*left : room, length = 0;

    while (length < wanted) {
        long got = ap_get_client_block(r, (char *)at + 6 + length, wanted - length);
        if (got <= 0) {
            return -1;
        }
        length += (size_t)got;
    }
    *left -= (apr_off_t)length;
    put_u16(at, 0x1234);
    put_u16(at + 2, length + 2);
    put_u16(at + 4, length);
    return (long)length + 6;
}

/* Content-Length, the one header that is passed on; the container sends it by its code. */
static void take_head(request_rec *r, const char *payload)
{
    const char *at = payload + 3;
    unsigned count;

    at += 2 + u16_at(at) + 1;
    for (count = u16_at(at), at += 2; count > 0; count--) {
        unsigned name = u16_at(at);
        at += name >= 0xA000 ? 2 : 2 + name + 1;
        if (name == 0xA003) {
            ap_set_content_length(r, (apr_off_t)apr_atoi64(at + 2));
        }
        at += 2 + u16_at(at) + 1;
    }
    ap_set_content_type(r, "text/plain");
}

/* Where an exchange stands after the packets that have come. */
enum state { MORE, WANTS_BODY, ENDED, BROKEN };

/* Takes the whole packets that are there; what is left of them is `*rest` bytes at the end. */
static enum state take_packets(request_rec *r, char *from, size_t have, apr_bucket_brigade *out,
                               unsigned *wanted, size_t *rest)
{
    enum state state = MORE;

    while (have >= 5 && have >= 4 + u16_at(from + 2)) {
        char *payload = from + 4;
        size_t length = 4 + u16_at(from + 2);
        switch (payload[0]) {
        case 0x03:
            APR_BRIGADE_INSERT_TAIL(out, apr_bucket_transient_create(
                payload + 3, u16_at(payload + 1), out->bucket_alloc));
            break;
        case 0x04:
            take_head(r, payload);
            break;
        case 0x05:
            state = ENDED;
            break;
        case 0x06:
            *wanted = u16_at(payload + 1);
            state = WANTS_BODY;
            break;
        default:
            return BROKEN;
        }
        from += length;
        have -= length;
    }
    *rest = have;
    return state;
}

static int exchange(request_rec *r, struct link *link, int packet_size)
{
    apr_bucket_brigade *out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_off_t left = link->body;
    size_t have = 0, length = link->request_length;
    struct pollfd readable = { .fd = link->socket, .events = POLLIN };
    enum state state = MORE;

    if (left > 0) {
        long body = body_packet(r, link->request + length, (size_t)packet_size - 6, &left);
        if (body < 0) {
            return -1;
        }
        length += (size_t)body;
    }
    if (send_all(link->socket, link->request, length) || poll(&readable, 1, 60000) != 1) {
        return -1;
    }
    while (state != ENDED) {
        unsigned wanted = 0;
        size_t rest = 0;
        ssize_t got = recv(link->socket, link->received + have, RECEIVE - have, 0);
        if (got <= 0) {
            return -1;
        }
        have += (size_t)got;
        state = take_packets(r, link->received, have, out, &wanted, &rest);
        if (state == ENDED) {
            APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(out->bucket_alloc));
        } else if (state == WANTS_BODY) {
            long body = wanted > LARGEST_PACKET - 6
                ? -1 : body_packet(r, link->packet, wanted, &left);
            if (body < 0 || send_all(link->socket, link->packet, (size_t)body)
                || poll(&readable, 1, 60000) != 1) {
                return -1;
            }
        } else if (state == BROKEN) {
            return -1;
        }
        if (!APR_BRIGADE_EMPTY(out)) {
            if (ap_pass_brigade(r->output_filters, out) != APR_SUCCESS) {
                return -1;
            }
            apr_brigade_cleanup(out);
        }
        memmove(link->received, link->received + have - rest, rest);
        have = rest;
    }
    return 0;
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
    result = prepare(link, r, ap_should_client_block(r) ? r->remaining : 0);
    if (result != OK) {
        return result;
    }
    if (exchange(r, link, backend->packet_size)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, r, "limit: no answer");
        close(link->socket);
        link->socket = -1;
        r->connection->keepalive = AP_CONN_CLOSE;
        return r->sent_bodyct ? DONE : HTTP_BAD_GATEWAY;
    }
    return OK;
}

/* There is no file to look for, as behind mod_proxy. */
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
