/* The functions of exchange.c for mod_limit.c. */
#ifndef LIMIT_H
#define LIMIT_H

#include "apr_strings.h"
#include "httpd.h"
#include "http_protocol.h"
#include "util_filter.h"

enum { RECEIVE = 256 * 1024, LARGEST_PACKET = 65536, LONGEST_PATH = 1024 };

struct backend {
    int port;
    int packet_size;
};

/* The connection of one thread, which the thread keeps, with its buffers. */
struct link {
    struct link *next; /* to another backend */
    int port;
    int socket;
    size_t request_length; /* of the FORWARD_REQUEST in `request` for `uri` and `body` */
    apr_off_t body;
    char uri[LONGEST_PATH];
    unsigned char request[2 * LONGEST_PATH];
    char received[RECEIVE];
};

/* Makes `link->request` the FORWARD_REQUEST for this path and a body of this length; builds it only
 * if it differs from the one before. Returns OK, or a status. */
int limit_prepare(struct link *link, request_rec *r, apr_off_t body);

/* Sends it, with the body, and passes the response on. Not 0: the connection is broken. */
int limit_exchange(request_rec *r, struct link *link, int packet_size);

#endif
