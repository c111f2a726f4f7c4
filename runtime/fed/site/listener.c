#include "runtime/fed/site/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/site/socket_priv.h"

enum {
    ENDPOINT_BYTES = 256,
    BACKLOG = 1024,
    RECEIVE_MESSAGES = 64, /* of a site, 32 MiB at most; credit keeps it to half of that */
    SEND_MESSAGES = 4 * ECH_WIRE_WINDOW,
    LINGER_MS = 2000,
    ZAP_FRAMES = 16,
    ZAP_EVERY = 32, /* messages */
    USER_BYTES = 24,
};

static const uint64_t tell_every_ns = UINT64_C(1000000000);

struct ech_listener {
    void *context;
    void *router;
    void *zap;
    zmq_msg_t message;
    const ech_public_key *admitted;
    size_t admitted_count;
    uint64_t told_ns;       /* of the last refusal that was told */
    uint64_t refused_count; /* since then */
    uint64_t taken_count;
    char endpoint[ENDPOINT_BYTES];
};

/* ---- who is admitted (ZAP) ---- */

/* "domain", "address", "identity", "mechanism", "credentials" behind version and request. */
typedef struct {
    zmq_msg_t frames[ZAP_FRAMES];
    int count;
} zap_request;

enum { ZAP_VERSION, ZAP_REQUEST, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY };

static bool receive_request(ech_listener *listener, zap_request *request)
{
    request->count = 0;
    int more = 1;
    while (more != 0 && request->count < ZAP_FRAMES) {
        zmq_msg_t *frame = &request->frames[request->count];
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, listener->zap, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            break;
        }
        request->count++;
        more = zmq_msg_more(frame);
    }
    return request->count > 0;
}

static void free_request(zap_request *request)
{
    while (request->count > 0) {
        zmq_msg_close(&request->frames[--request->count]);
    }
}

static void tell_refusal(ech_listener *listener, zap_request *request, const char *key)
{
    listener->refused_count++;
    const uint64_t now_ns = ech_clock_ns();
    if (listener->told_ns > 0 && now_ns - listener->told_ns < tell_every_ns) {
        return;
    }
    ech_log(ECH_LOG_WARNING, "%.*s is refused: its key %s is not admitted (%llu so far unsaid)",
            (int)zmq_msg_size(&request->frames[ZAP_ADDRESS]),
            (const char *)zmq_msg_data(&request->frames[ZAP_ADDRESS]), key,
            (unsigned long long)(listener->refused_count - 1));
    listener->told_ns = now_ns;
    listener->refused_count = 0;
}

/* Number of the key, as the user that its messages then carry; "" if it is not admitted. */
static void find_user(ech_listener *listener, zap_request *request, char user[USER_BYTES])
{
    char key[ECH_KEY_BYTES] = "of no CURVE";
    user[0] = '\0';
    if (request->count > ZAP_KEY && zmq_msg_size(&request->frames[ZAP_KEY]) == ECH_KEY_RAW_BYTES) {
        ech_public_key_from_raw(zmq_msg_data(&request->frames[ZAP_KEY]), key);
    }
    for (size_t i = 0; i < listener->admitted_count; i++) {
        if (strcmp(listener->admitted[i].text, key) == 0) {
            snprintf(user, USER_BYTES, "%zu", i);
            return;
        }
    }
    if (request->count > ZAP_ADDRESS) {
        tell_refusal(listener, request, key);
    }
}

static void answer_zap(ech_listener *listener)
{
    zap_request request;
    while (receive_request(listener, &request)) {
        char user[USER_BYTES];
        find_user(listener, &request, user);
        const char *code = user[0] != '\0' ? "200" : "400";
        zmq_send(listener->zap, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(listener->zap, zmq_msg_data(&request.frames[request.count > 1 ? 1 : 0]),
                 zmq_msg_size(&request.frames[request.count > 1 ? 1 : 0]), ZMQ_SNDMORE);
        zmq_send(listener->zap, code, strlen(code), ZMQ_SNDMORE);
        zmq_send(listener->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(listener->zap, user, strlen(user), ZMQ_SNDMORE);
        zmq_send(listener->zap, "", 0, 0);
        free_request(&request);
    }
}

/* ---- life ---- */

static ech_status set_up(ech_listener *listener, const ech_listener_options *options)
{
    void *router = listener->router;
    ech_status status = ech_socket_set_common(router, options->key);
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_CURVE_SERVER, 1);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_ROUTER_MANDATORY, 1);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_RCVHWM, RECEIVE_MESSAGES);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_SNDHWM, SEND_MESSAGES);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_BACKLOG, BACKLOG);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(router, ZMQ_LINGER, LINGER_MS);
    }
    if (status == ECH_OK && zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, "echelon", 7) != 0) {
        status = ech_socket_fail("ZAP");
    }
    return status;
}

static ech_status bind_port(ech_listener *listener, const char *endpoint)
{
    size_t bytes = sizeof listener->endpoint;
    if (zmq_bind(listener->router, endpoint) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot listen on %s: %s", endpoint,
                        zmq_strerror(zmq_errno()));
    }
    return zmq_getsockopt(listener->router, ZMQ_LAST_ENDPOINT, listener->endpoint, &bytes) == 0
               ? ECH_OK
               : ech_socket_fail("endpoint");
}

static ech_status open_sockets(ech_listener *listener, const ech_listener_options *options)
{
    listener->context = zmq_ctx_new();
    listener->zap = listener->context != NULL ? zmq_socket(listener->context, ZMQ_REP) : NULL;
    listener->router = listener->zap != NULL ? zmq_socket(listener->context, ZMQ_ROUTER) : NULL;
    if (listener->router == NULL) {
        return ech_socket_fail("sockets");
    }
    if (zmq_bind(listener->zap, "inproc://zeromq.zap.01") != 0) {
        return ech_socket_fail("ZAP");
    }
    const ech_status status = set_up(listener, options);
    return status == ECH_OK ? bind_port(listener, options->endpoint) : status;
}

ech_status ech_listener_create(const ech_listener_options *options, ech_listener **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    zmq_msg_init(&(*out)->message);
    (*out)->admitted = options->admitted;
    (*out)->admitted_count = options->admitted_count;
    const ech_status status = open_sockets(*out, options);
    if (status != ECH_OK) {
        const ech_failure failure = ech_failure_keep(status);
        ech_listener_destroy(out);
        return ech_failure_restore(&failure);
    }
    return ECH_OK;
}

void ech_listener_destroy(ech_listener **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_listener *listener = *handle;
    zmq_msg_close(&listener->message);
    ech_socket_close(&listener->router);
    ech_socket_close(&listener->zap);
    ech_socket_end(&listener->context);
    ech_free(listener);
    *handle = NULL;
}

const char *ech_listener_endpoint(const ech_listener *listener)
{
    return listener->endpoint;
}

/* ---- messages ---- */

/* The rest of a message of more parts than ours have. */
static void drain(ech_listener *listener)
{
    while (zmq_msg_more(&listener->message) &&
           zmq_msg_recv(&listener->message, listener->router, ZMQ_DONTWAIT) >= 0) {
    }
}

static bool take_message(ech_listener *listener, ech_heard *out)
{
    const int bytes = zmq_msg_recv(&listener->message, listener->router, ZMQ_DONTWAIT);
    if (bytes < 0) {
        return false;
    }
    const bool sound = bytes <= ECH_ROUTE_BYTES && zmq_msg_more(&listener->message);
    out->route.count = sound ? (uint8_t)bytes : 0;
    memcpy(out->route.bytes, zmq_msg_data(&listener->message), out->route.count);
    if (!sound || zmq_msg_recv(&listener->message, listener->router, ZMQ_DONTWAIT) < 0) {
        drain(listener);
        return false;
    }
    const char *user = zmq_msg_gets(&listener->message, "User-Id");
    out->peer = user != NULL ? (uint32_t)strtoul(user, NULL, 10) : 0;
    out->bytes = zmq_msg_data(&listener->message);
    out->count = zmq_msg_size(&listener->message);
    if (zmq_msg_more(&listener->message)) {
        drain(listener);
        out->bytes = NULL;
        out->count = 0; /* no message of this protocol: it is refused as one */
    }
    return user != NULL;
}

/* Who wants to be let in is heard between the messages of those who are, however many they send. */
static bool take_next(ech_listener *listener, ech_heard *out)
{
    if (!take_message(listener, out)) {
        return false;
    }
    if (++listener->taken_count % ZAP_EVERY == 0) {
        answer_zap(listener);
    }
    return true;
}

ech_status ech_listener_receive(ech_listener *listener, int timeout_ms, ech_heard *out, bool *got)
{
    zmq_pollitem_t items[] = {{.socket = listener->router, .events = ZMQ_POLLIN},
                              {.socket = listener->zap, .events = ZMQ_POLLIN}};
    *got = take_next(listener, out);
    if (*got) {
        return ECH_OK;
    }
    if (zmq_poll(items, 2, timeout_ms) < 0) {
        return zmq_errno() == EINTR ? ECH_OK : ech_socket_fail("poll");
    }
    if ((items[1].revents & ZMQ_POLLIN) != 0) {
        answer_zap(listener);
    }
    if ((items[0].revents & ZMQ_POLLIN) != 0) {
        *got = take_next(listener, out);
    }
    return ECH_OK;
}

ech_status ech_listener_send(ech_listener *listener, const ech_route *route, ech_message *message)
{
    if (zmq_send(listener->router, route->bytes, route->count, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        ech_socket_send(listener->router, message) == 0) {
        return ECH_OK;
    }
    const int reason = zmq_errno();
    return ech_fail(reason == EAGAIN ? ECH_ERR_LIMIT : ECH_ERR_NOT_FOUND,
                    "a message to a site cannot be sent: %s", zmq_strerror(reason));
}
