#include "runtime/fed/site/dialer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/site/socket_priv.h"

enum {
    NAME_BYTES = 64,
    NEVER = -1,
    CONNECT_MS = 30000,
    LINGER_MS = 1000,
    MESSAGES = 4 * ECH_WIRE_WINDOW,
    BREAKS = ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
};

struct ech_dialer {
    ech_dialer_options options;
    void *context;
    void *dealer;  /* NULL: no connection */
    void *monitor; /* of it */
    zmq_msg_t message;
    unsigned opened; /* connections so far */
};

/* A context makes its threads, which inherit the caller's processors, for its first socket. */
static ech_status start_context(ech_dialer *dialer)
{
    dialer->context = zmq_ctx_new();
    void *first = dialer->context != NULL ? zmq_socket(dialer->context, ZMQ_PAIR) : NULL;
    if (first == NULL) {
        return ech_socket_fail("context");
    }
    ech_socket_close(&first);
    return ECH_OK;
}

ech_status ech_dialer_create(const ech_dialer_options *options, ech_dialer **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->options = *options;
    zmq_msg_init(&(*out)->message);
    const ech_status status = start_context(*out);
    if (status != ECH_OK) {
        ech_dialer_destroy(out);
    }
    return status;
}

static void close_sockets(ech_dialer *dialer)
{
    if (dialer->dealer != NULL) {
        zmq_socket_monitor(dialer->dealer, NULL, 0);
    }
    ech_socket_close(&dialer->monitor);
    ech_socket_close(&dialer->dealer);
}

void ech_dialer_close(ech_dialer *dialer)
{
    if (dialer->dealer != NULL) {
        (void)ech_socket_set(dialer->dealer, ZMQ_LINGER, 0);
    }
    close_sockets(dialer);
}

void ech_dialer_destroy(ech_dialer **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_dialer *dialer = *handle;
    close_sockets(dialer);
    zmq_msg_close(&dialer->message);
    ech_socket_end(&dialer->context);
    ech_private_key_clear(&dialer->options.key);
    ech_free(dialer);
    *handle = NULL;
}

static ech_status set_up(ech_dialer *dialer)
{
    ech_status status = ech_socket_set_common(dialer->dealer, &dialer->options.key);
    if (status == ECH_OK && zmq_setsockopt(dialer->dealer, ZMQ_CURVE_SERVERKEY,
                                           dialer->options.leader.text, ECH_KEY_BYTES) != 0) {
        status = ech_socket_fail("the leader's key");
    }
    if (status == ECH_OK) {
        status = ech_socket_set(dialer->dealer, ZMQ_RECONNECT_IVL, NEVER);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(dialer->dealer, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(dialer->dealer, ZMQ_SNDHWM, MESSAGES);
    }
    /* From the start: a connection that breaks ends by what stands here then. */
    return status == ECH_OK ? ech_socket_set(dialer->dealer, ZMQ_LINGER, LINGER_MS) : status;
}

static ech_status watch(ech_dialer *dialer)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "inproc://connection-%u", dialer->opened);
    if (zmq_socket_monitor(dialer->dealer, name, BREAKS | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0) {
        return ech_socket_fail("monitor");
    }
    dialer->monitor = zmq_socket(dialer->context, ZMQ_PAIR);
    return dialer->monitor != NULL && zmq_connect(dialer->monitor, name) == 0
               ? ECH_OK
               : ech_socket_fail("monitor");
}

ech_status ech_dialer_open(ech_dialer *dialer)
{
    ech_dialer_close(dialer);
    dialer->opened++;
    dialer->dealer = zmq_socket(dialer->context, ZMQ_DEALER);
    if (dialer->dealer == NULL) {
        return ech_socket_fail("socket");
    }
    ech_status status = set_up(dialer);
    if (status == ECH_OK) {
        status = watch(dialer);
    }
    if (status == ECH_OK && zmq_connect(dialer->dealer, dialer->options.endpoint) != 0) {
        status =
            ech_fail(ECH_ERR_CONFIG, "%s: %s", dialer->options.endpoint, zmq_strerror(zmq_errno()));
    }
    if (status != ECH_OK) {
        ech_dialer_close(dialer);
    }
    return status;
}

static ech_dialer_event read_monitor(ech_dialer *dialer)
{
    uint16_t event = 0;
    if (zmq_msg_recv(&dialer->message, dialer->monitor, ZMQ_DONTWAIT) < (int)sizeof event) {
        return ECH_DIALER_NOTHING;
    }
    memcpy(&event, zmq_msg_data(&dialer->message), sizeof event);
    (void)zmq_msg_recv(&dialer->message, dialer->monitor, ZMQ_DONTWAIT);
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? ECH_DIALER_REFUSED : ECH_DIALER_BROKEN;
}

static bool read_message(ech_dialer *dialer, const void **message, size_t *bytes)
{
    if (zmq_msg_recv(&dialer->message, dialer->dealer, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    *message = zmq_msg_data(&dialer->message);
    *bytes = zmq_msg_size(&dialer->message);
    return true;
}

/* What has come through a connection that broke afterwards is read first. */
ech_status ech_dialer_receive(ech_dialer *dialer, int timeout_ms, ech_dialer_event *event,
                              const void **message, size_t *bytes)
{
    zmq_pollitem_t items[] = {{.socket = dialer->dealer, .events = ZMQ_POLLIN},
                              {.socket = dialer->monitor, .events = ZMQ_POLLIN}};
    *event = ECH_DIALER_NOTHING;
    if (read_message(dialer, message, bytes)) {
        *event = ECH_DIALER_MESSAGE;
        return ECH_OK;
    }
    if (zmq_poll(items, 2, timeout_ms) < 0) {
        return zmq_errno() == EINTR ? ECH_OK : ech_socket_fail("poll");
    }
    if ((items[0].revents & ZMQ_POLLIN) != 0 && read_message(dialer, message, bytes)) {
        *event = ECH_DIALER_MESSAGE;
    } else if ((items[1].revents & ZMQ_POLLIN) != 0) {
        *event = read_monitor(dialer);
    }
    return ECH_OK;
}

ech_status ech_dialer_send(ech_dialer *dialer, ech_message *message)
{
    if (ech_socket_send(dialer->dealer, message) == 0) {
        return ECH_OK;
    }
    const int reason = zmq_errno();
    return ech_fail(reason == EAGAIN ? ECH_ERR_LIMIT : ECH_ERR_SYSTEM,
                    "a message to the leader cannot be sent: %s", zmq_strerror(reason));
}
