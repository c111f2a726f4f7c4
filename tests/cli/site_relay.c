#define _GNU_SOURCE
#include "tests/cli/site_relay.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"

enum { CONNECTIONS_MAX = 64, PIECE_BYTES = 16384, BACKLOG = 64, POLL_MS = 2, BURST_MS = 20 };

/* Two sockets; what comes from one goes to the other. */
typedef struct {
    int ends[2];
    uint64_t budget[2]; /* bytes that may still pass from each */
} connection;

static connection connections[CONNECTIONS_MAX];
static int connection_count;
static volatile sig_atomic_t must_cut;

static void note_cut(int number)
{
    (void)number;
    must_cut = 1;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int listen_on(int port)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(listener, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(listener, BACKLOG), 0);
    return listener;
}

static void drop(int index)
{
    close(connections[index].ends[0]);
    close(connections[index].ends[1]);
    connections[index] = connections[--connection_count];
}

static void take_connection(int listener, int leader_port)
{
    const struct sockaddr_in address = loopback(leader_port);
    const int site = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    const int leader = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (site < 0 || leader < 0 || connection_count == CONNECTIONS_MAX ||
        connect(leader, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(site);
        close(leader);
        return;
    }
    connections[connection_count++] = (connection){.ends = {site, leader}};
}

static bool pass_on(connection *one, int from, int capture, uint64_t rate)
{
    static char piece[PIECE_BYTES];
    uint64_t room = rate == 0 ? PIECE_BYTES : one->budget[from];
    room = room < PIECE_BYTES ? room : PIECE_BYTES;
    if (room == 0) {
        return true;
    }
    const ssize_t got = recv(one->ends[from], piece, room, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    one->budget[from] -= rate == 0 ? 0 : (uint64_t)got;
    return write(capture, piece, (size_t)got) == got &&
           send(one->ends[1 - from], piece, (size_t)got, MSG_NOSIGNAL) == got;
}

/* What a direction may pass grows with time, up to a burst. */
static void grant(uint64_t rate, uint64_t elapsed_ns)
{
    for (int i = 0; i < connection_count; i++) {
        for (int end = 0; end < 2; end++) {
            uint64_t *budget = &connections[i].budget[end];
            *budget += rate * elapsed_ns / 1000000000U;
            const uint64_t most = rate * BURST_MS / 1000U;
            *budget = *budget < most ? *budget : most;
        }
    }
}

static void turn(const site_relay_options *options, int listener, int capture)
{
    struct pollfd waits = {.fd = listener, .events = POLLIN};
    if (poll(&waits, 1, POLL_MS) > 0) {
        take_connection(listener, options->leader_port);
    }
    if (must_cut != 0) {
        must_cut = 0;
        while (connection_count > 0) {
            drop(0);
        }
    }
    for (int i = connection_count - 1; i >= 0; i--) {
        bool alive = true;
        for (int round = 0; round < 16 && alive; round++) {
            alive = pass_on(&connections[i], 0, capture, options->bytes_per_second) &&
                    pass_on(&connections[i], 1, capture, options->bytes_per_second);
        }
        if (!alive) {
            drop(i);
        }
    }
}

static void run(const site_relay_options *options, int listener)
{
    const int capture =
        open(options->capture, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    uint64_t last_ns = ech_clock_ns();
    signal(SIGUSR1, note_cut);
    while (capture >= 0 && getppid() != 1) {
        turn(options, listener, capture);
        const uint64_t now_ns = ech_clock_ns();
        grant(options->bytes_per_second, now_ns - last_ns);
        last_ns = now_ns;
    }
}

pid_t site_relay_start(const site_relay_options *options)
{
    const int listener = listen_on(options->port);
    const pid_t relay = fork();
    cr_assert_geq(relay, 0);
    if (relay == 0) {
        run(options, listener);
        _exit(EXIT_SUCCESS);
    }
    close(listener);
    return relay;
}

void site_relay_cut(pid_t relay)
{
    kill(relay, SIGUSR1);
}

void site_relay_stop(pid_t relay)
{
    kill(relay, SIGKILL);
    waitpid(relay, NULL, 0);
}
