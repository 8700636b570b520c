/* One request and its response over AJP/1.3, with the least work that they need. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "limit.h"

/* The largest packet has nine pieces, as httpd reads. */
enum { PIECES = 64 };

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

int limit_prepare(struct link *link, request_rec *r, apr_off_t body)
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

/* Sends all, in one call unless the socket is full. */
static int send_all(int socket, struct iovec *pieces, size_t count)
{
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };

    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            return -1;
        }
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return 0;
}

/* Sends the bytes in `first`, if any, and a packet with up to `room` bytes of the client's body
 * straight from its buckets; then waits for the container. */
static int send_body(request_rec *r, struct link *link, struct iovec first, size_t room,
                     apr_off_t *left)
{
    apr_bucket_brigade *in = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_bucket_brigade *more = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    size_t wanted = *left < (apr_off_t)room ? (size_t)*left : room, length = 0, count = 2;
    struct pollfd readable = { .fd = link->socket, .events = POLLIN };
    struct iovec pieces[PIECES];
    unsigned char header[6];
    int result;

    while (length < wanted) {
        apr_bucket *bucket;
        if (ap_get_brigade(r->input_filters, more, AP_MODE_READBYTES, APR_BLOCK_READ,
                           (apr_off_t)(wanted - length)) != APR_SUCCESS) {
            return -1;
        }
        for (bucket = APR_BRIGADE_FIRST(more); bucket != APR_BRIGADE_SENTINEL(more);
             bucket = APR_BUCKET_NEXT(bucket)) {
            const char *data;
            apr_size_t got;
            if (APR_BUCKET_IS_METADATA(bucket)) {
                continue;
            }
            if (count == PIECES
                || apr_bucket_read(bucket, &data, &got, APR_BLOCK_READ) != APR_SUCCESS) {
                return -1;
            }
            pieces[count++] = (struct iovec){ .iov_base = (void *)data, .iov_len = got };
            length += got;
        }
        APR_BRIGADE_CONCAT(in, more);
    }
    *left -= (apr_off_t)length;
    put_u16(put_u16(put_u16(header, 0x1234), length + 2), length);
    pieces[0] = first;
    pieces[1] = (struct iovec){ .iov_base = header, .iov_len = sizeof(header) };
    result = send_all(link->socket, pieces, count) || poll(&readable, 1, 60000) != 1 ? -1 : 0;
    apr_brigade_destroy(in);
    return result;
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

/* The state of an exchange after the packets that have arrived. */
enum state { MORE, WANTS_BODY, ENDED, BROKEN };

/* Reads the complete packets; `*rest` bytes at the end are left over. */
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

int limit_exchange(request_rec *r, struct link *link, int packet_size)
{
    apr_bucket_brigade *out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    struct iovec request = { .iov_base = link->request, .iov_len = link->request_length };
    struct pollfd readable = { .fd = link->socket, .events = POLLIN };
    apr_off_t left = link->body;
    enum state state = MORE;
    size_t have = 0;

    if (left > 0) {
        if (send_body(r, link, request, (size_t)packet_size - 6, &left)) {
            return -1;
        }
    } else if (send(link->socket, request.iov_base, request.iov_len, MSG_NOSIGNAL)
                   != (ssize_t)request.iov_len
               || poll(&readable, 1, 60000) != 1) {
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
            struct iovec nothing = { .iov_base = NULL, .iov_len = 0 };
            if (send_body(r, link, nothing, wanted, &left)) {
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
