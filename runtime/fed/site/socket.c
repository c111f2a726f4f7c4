#include <errno.h>

#include "runtime/fed/site/socket_priv.h"

enum {
    HEARTBEAT_MS = 5000,
    HEARTBEAT_TIMEOUT_MS = 30000,
    HANDSHAKE_MS = 30000,
    CURVE_BYTES = 33, /* that an encrypted message has more (RFC 26) */
};

ech_status ech_socket_fail(const char *what)
{
    return ech_fail(ECH_ERR_SYSTEM, "libzmq: %s: %s", what, zmq_strerror(zmq_errno()));
}

ech_status ech_socket_set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 ? ECH_OK
                                                                     : ech_socket_fail("option");
}

static ech_status set_keys(void *socket, const ech_private_key *key)
{
    const size_t bytes = ECH_KEY_BYTES;
    return zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, key->secret, bytes) == 0 &&
                   zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, key->public_key.text, bytes) == 0
               ? ECH_OK
               : ech_socket_fail("keys");
}

ech_status ech_socket_set_common(void *socket, const ech_private_key *key)
{
    const int64_t largest = ECH_WIRE_HEADER_BYTES + ECH_WIRE_PAYLOAD_MAX + CURVE_BYTES;
    ech_status status = set_keys(socket, key);
    if (status == ECH_OK && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0) {
        status = ech_socket_fail("largest message");
    }
    if (status == ECH_OK) {
        status = ech_socket_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    }
    if (status == ECH_OK) {
        status = ech_socket_set(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    }
    return status == ECH_OK ? ech_socket_set(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
                            : status;
}

/* Of libzmq's thread, when the bytes are on their way. */
static void let_go(void *bytes, void *message)
{
    (void)bytes;
    ech_message *held = message;
    ech_message_release(&held);
}

int ech_socket_send(void *socket, ech_message *message)
{
    size_t count = 0;
    zmq_msg_t sent;
    void *bytes = ech_message_bytes(message, &count);
    if (zmq_msg_init_data(&sent, bytes, count, let_go, ech_message_hold(message)) != 0) {
        ech_message *held = message;
        ech_message_release(&held);
        return -1;
    }
    if (zmq_msg_send(&sent, socket, ZMQ_DONTWAIT) >= 0) {
        return 0;
    }
    const int reason = zmq_errno();
    zmq_msg_close(&sent);
    errno = reason;
    return -1;
}

void ech_socket_close(void **socket)
{
    if (*socket != NULL) {
        zmq_close(*socket);
        *socket = NULL;
    }
}

void ech_socket_end(void **context)
{
    if (*context != NULL) {
        zmq_ctx_term(*context);
        *context = NULL;
    }
}
