/* A slow and lossy link between two network namespaces: two TUN devices, and what is sent into one
 * comes out of the other later, or not at all. Where the kernel has no `tc netem`.
 *
 *   net_link NAME_A NAME_B DELAY_MS LOSS_PER_MILLE BYTES_PER_SECOND
 *
 * Makes both devices, says "ready", and runs until it is killed. SIGUSR1 cuts the link, SIGUSR2
 * mends it. Loss is drawn from a fixed seed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"

enum { ARGUMENTS = 6, PACKET_BYTES = 2048, QUEUE_PACKETS = 4096, POLL_MS = 1, MILLE = 1000 };

typedef struct {
    uint64_t due_ns;
    uint16_t bytes;
    char data[PACKET_BYTES];
} packet;

/* What is on its way in one direction, a ring. */
typedef struct {
    int into;
    packet *packets;
    uint32_t first, count;
    uint64_t free_ns; /* when the line is free for another packet */
} direction;

typedef struct {
    uint64_t delay_ns;
    uint64_t loss_per_mille;
    uint64_t bytes_per_second;
    ech_random stream;
} quality;

static volatile sig_atomic_t is_cut;

static void take_signal(int number)
{
    is_cut = number == SIGUSR1;
}

static int open_tun(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0) {
        fprintf(stderr, "net_link: %s: %s\n", name, strerror(errno));
        exit(EXIT_FAILURE);
    }
    return tun;
}

/* A packet that finds the queue full is lost, as in any router. */
static void take_packets(int from, direction *way, quality *link)
{
    char data[PACKET_BYTES];
    ssize_t bytes = 0;
    while ((bytes = read(from, data, sizeof data)) > 0) {
        const bool is_lost = ech_random_below(&link->stream, MILLE) < link->loss_per_mille;
        if (is_cut != 0 || is_lost || way->count == QUEUE_PACKETS) {
            continue;
        }
        const uint64_t now_ns = ech_clock_ns();
        const uint64_t start_ns = way->free_ns > now_ns ? way->free_ns : now_ns;
        way->free_ns = start_ns + (uint64_t)bytes * 1000000000U / link->bytes_per_second;
        packet *next = &way->packets[(way->first + way->count++) % QUEUE_PACKETS];
        next->due_ns = way->free_ns + link->delay_ns;
        next->bytes = (uint16_t)bytes;
        memcpy(next->data, data, (size_t)bytes);
    }
}

static void deliver(direction *way)
{
    const uint64_t now_ns = ech_clock_ns();
    while (way->count > 0 && way->packets[way->first].due_ns <= now_ns) {
        const packet *oldest = &way->packets[way->first];
        if (is_cut == 0 && write(way->into, oldest->data, oldest->bytes) < 0) {
            return; /* its device is full: later */
        }
        way->first = (way->first + 1) % QUEUE_PACKETS;
        way->count--;
    }
}

int main(int argc, char **argv)
{
    if (argc != ARGUMENTS) {
        fprintf(stderr, "net_link NAME_A NAME_B DELAY_MS LOSS_PER_MILLE BYTES_PER_SECOND\n");
        return 2;
    }
    quality link = {
        .delay_ns = strtoull(argv[3], NULL, 10) * 1000000U,
        .loss_per_mille = strtoull(argv[4], NULL, 10),
        .bytes_per_second = strtoull(argv[5], NULL, 10),
        .stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0),
    };
    static packet queues[2][QUEUE_PACKETS];
    const int ends[] = {open_tun(argv[1]), open_tun(argv[2])};
    direction ways[] = {{.into = ends[1], .packets = queues[0]},
                        {.into = ends[0], .packets = queues[1]}};
    signal(SIGUSR1, take_signal);
    signal(SIGUSR2, take_signal);
    puts("ready");
    fflush(stdout);
    while (true) {
        struct pollfd waits[] = {{.fd = ends[0], .events = POLLIN},
                                 {.fd = ends[1], .events = POLLIN}};
        poll(waits, 2, POLL_MS);
        for (int w = 0; w < 2; w++) {
            take_packets(ends[w], &ways[w], &link);
            deliver(&ways[w]);
        }
    }
}
