#define _GNU_SOURCE
#include "runtime/fed/redis_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/redis_link_priv.h"

/* Of the time to reach a server, what its part of the handshake may take once it is connected: a
 * Redis without TLS waits for more of what looks to it like half a command. */
enum { HANDSHAKE_PART = 6 };

struct ech_redis_link {
    int socket; /* does not block */
    uint64_t limit_ns;
    ech_redis_tls *tls; /* NULL: plain */
};

/* ---- what waits and what fails ---- */

ech_status ech_redis_link_wait(int socket, short events, uint64_t deadline_ns)
{
    static const uint64_t millisecond_ns = 1000000;
    for (;;) {
        const uint64_t now = ech_clock_ns();
        const uint64_t left = now < deadline_ns ? deadline_ns - now : 0;
        struct pollfd ready = {.fd = socket, .events = events};
        const int count = poll(&ready, 1, (int)((left + millisecond_ns - 1) / millisecond_ns));
        if (count > 0) {
            return ECH_OK;
        }
        if (count < 0 && errno != EINTR) {
            return ech_redis_link_fail(errno);
        }
        if (left == 0) {
            return ech_fail(ECH_ERR_TIMEOUT, "no answer in time");
        }
    }
}

ech_status ech_redis_link_fail(int error)
{
    if (error == 0) {
        return ech_fail(ECH_ERR_SYSTEM, "the server closed the connection");
    }
    if (error == EPIPE || error == ECONNRESET) {
        return ech_fail(ECH_ERR_SYSTEM, "the server closed the connection (%s)", strerror(error));
    }
    return ech_fail(ECH_ERR_SYSTEM, "%s", strerror(error));
}

/* ---- reaching it ---- */

static ech_status wait_connected(int socket, uint64_t deadline_ns)
{
    int error = 0;
    socklen_t size = sizeof error;
    ech_status status = ech_redis_link_wait(socket, POLLOUT, deadline_ns);
    if (status == ECH_OK && getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    return status == ECH_OK && error != 0 ? ech_redis_link_fail(error) : status;
}

static ech_status connect_to(const struct addrinfo *to, uint64_t deadline_ns, int *out)
{
    const int on = 1;
    const int made =
        socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol);
    if (made < 0) {
        return ech_redis_link_fail(errno);
    }
    ech_status status = ECH_OK;
    if (connect(made, to->ai_addr, to->ai_addrlen) != 0) {
        status =
            errno == EINPROGRESS ? wait_connected(made, deadline_ns) : ech_redis_link_fail(errno);
    }
    /* Requests are small, and each one is waited for. */
    if (status == ECH_OK && setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        status = ech_redis_link_fail(errno);
    }
    if (status != ECH_OK) {
        close(made);
        return status;
    }
    *out = made;
    return ECH_OK;
}

/* One address of several that is silent leaves time for the others. */
static ech_status connect_any(const ech_redis_address *address, uint64_t deadline_ns, int *out)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int code = getaddrinfo(address->host, address->port, &wanted, &found);
    if (code != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "%s",
                        code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    }
    uint64_t untried = 0;
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
        untried++;
    }
    ech_status status = ECH_ERR_SYSTEM;
    for (const struct addrinfo *each = found; each != NULL && status != ECH_OK;
         each = each->ai_next, untried--) {
        const uint64_t now = ech_clock_ns();
        const uint64_t left = now < deadline_ns ? deadline_ns - now : 0;
        status = connect_to(each, now + left / untried, out);
    }
    freeaddrinfo(found);
    return status;
}

ech_status ech_redis_link_open(const ech_redis_link_options *options, ech_redis_link **out)
{
    const uint64_t deadline_ns = ech_clock_ns() + options->limit_ns;
    ech_redis_link *link = ech_calloc(1, sizeof *link);
    *out = NULL;
    if (link == NULL) {
        return ECH_ERR_MEMORY;
    }
    link->socket = -1;
    link->limit_ns = options->limit_ns;
    ech_status status = connect_any(options->address, deadline_ns, &link->socket);
    if (status == ECH_OK && options->address->tls) {
        const uint64_t handshake_ns = ech_clock_ns() + options->limit_ns / HANDSHAKE_PART;
        status =
            ech_redis_tls_open(link->socket, options,
                               handshake_ns < deadline_ns ? handshake_ns : deadline_ns, &link->tls);
    }
    if (status != ECH_OK) {
        ech_redis_link_close(&link);
    }
    *out = link;
    return status;
}

void ech_redis_link_close(ech_redis_link **link)
{
    if (*link == NULL) {
        return;
    }
    ech_redis_tls_close(&(*link)->tls);
    if ((*link)->socket >= 0) {
        close((*link)->socket);
    }
    ech_free(*link);
    *link = NULL;
}

/* ---- bytes ---- */

/* After a call on the socket that said -1: ECH_OK once it is worth another one. */
static ech_status wait_again(const ech_redis_link *link, short events, int error)
{
    if (error == EINTR) {
        return ECH_OK;
    }
    if (error != EAGAIN) {
        return ech_redis_link_fail(error);
    }
    return ech_redis_link_wait(link->socket, events, ech_clock_ns() + link->limit_ns);
}

static ech_status send_plain(const ech_redis_link *link, const char *data, size_t bytes)
{
    ech_status status = ECH_OK;
    for (size_t at = 0; at < bytes && status == ECH_OK;) {
        const ssize_t sent = send(link->socket, data + at, bytes - at, MSG_NOSIGNAL);
        at += sent > 0 ? (size_t)sent : 0;
        status = sent < 0 ? wait_again(link, POLLOUT, errno) : ECH_OK;
    }
    return status;
}

static ech_status receive_plain(const ech_redis_link *link, void *into, size_t bytes,
                                size_t *received)
{
    for (;;) {
        const ssize_t got = recv(link->socket, into, bytes, 0);
        if (got > 0) {
            *received = (size_t)got;
            return ECH_OK;
        }
        const ech_status status =
            got == 0 ? ech_redis_link_fail(0) : wait_again(link, POLLIN, errno);
        if (status != ECH_OK) {
            return status;
        }
    }
}

ech_status ech_redis_link_send(ech_redis_link *link, const void *data, size_t bytes)
{
    return link->tls != NULL ? ech_redis_tls_send(link->tls, data, bytes)
                             : send_plain(link, data, bytes);
}

ech_status ech_redis_link_receive(ech_redis_link *link, void *into, size_t bytes, size_t *received)
{
    return link->tls != NULL ? ech_redis_tls_receive(link->tls, into, bytes, received)
                             : receive_plain(link, into, bytes, received);
}
