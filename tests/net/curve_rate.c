/* Bare libzmq with CURVE, to compare sites with: one process sends messages of the size of a chunk,
 * another receives them.
 *
 *   curve_rate receive ENDPOINT MESSAGES    binds, and prints GB/s from the first message to the
 * last curve_rate send ENDPOINT MESSAGES
 *
 * The keys are fixed: they protect nothing here. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "runtime/base/clock.h"

enum { MESSAGE_BYTES = 256 << 10, ARGUMENTS = 4, KEY_BYTES = 41, WINDOW = 32 };

static const char server_public[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
static const char server_secret[] = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

static void check(int failed, const char *what)
{
    if (failed != 0) {
        fprintf(stderr, "curve_rate: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(EXIT_FAILURE);
    }
}

static void receive_all(void *socket, const char *endpoint, long count)
{
    static char message[MESSAGE_BYTES];
    const int on = 1;
    uint64_t start_ns = 0;
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on), "server");
    check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server_secret, KEY_BYTES), "key");
    check(zmq_bind(socket, endpoint), endpoint);
    for (long i = 0; i < count; i++) {
        check(zmq_recv(socket, message, sizeof message, 0) < 0, "receive");
        start_ns = i == 0 ? ech_clock_ns() : start_ns;
    }
    const double seconds = ech_clock_seconds(ech_clock_ns() - start_ns);
    printf("%.3f\n", (double)(count - 1) * MESSAGE_BYTES / seconds / 1e9);
}

static void send_all(void *socket, const char *endpoint, long count)
{
    static char message[MESSAGE_BYTES];
    char own_public[KEY_BYTES];
    char own_secret[KEY_BYTES];
    memset(message, 'x', sizeof message);
    check(zmq_curve_keypair(own_public, own_secret), "keys");
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_public, KEY_BYTES), "key");
    check(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own_public, KEY_BYTES), "key");
    check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own_secret, KEY_BYTES), "key");
    check(zmq_connect(socket, endpoint), endpoint);
    for (long i = 0; i < count; i++) {
        check(zmq_send(socket, message, sizeof message, 0) < 0, "send");
    }
}

int main(int argc, char **argv)
{
    const int window = WINDOW;
    if (argc != ARGUMENTS) {
        fprintf(stderr, "curve_rate receive|send ENDPOINT MESSAGES\n");
        return 2;
    }
    const int receives = strcmp(argv[1], "receive") == 0;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, receives ? ZMQ_PULL : ZMQ_PUSH);
    check(zmq_setsockopt(socket, ZMQ_SNDHWM, &window, sizeof window), "window");
    check(zmq_setsockopt(socket, ZMQ_RCVHWM, &window, sizeof window), "window");
    if (receives) {
        receive_all(socket, argv[2], strtol(argv[3], NULL, 10));
    } else {
        send_all(socket, argv[2], strtol(argv[3], NULL, 10));
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}
