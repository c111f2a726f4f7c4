/* What a site can make its leader hold besides the model and the sums: at most 64 MiB, whatever it
 * sends, and however little it takes. The site is a process of its own. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/site/chunk.h"
#include "tests/fed/exact_support.h"
#include "tests/fed/hub_support.h"
#include "tests/limits.h"

enum {
    VALUES = 1 << 24, /* 64 MiB: eight times what may be under way */
    FLOOD = 512,      /* messages of the largest size, 256 MiB */
    TURN_MS = 5,
    IDLE_TURNS = 100,
    ENDPOINT_BYTES = 256,
    CHUNK_BYTES = ECH_WIRE_CHUNK_BYTES + ECH_CHUNK_HEAD_BYTES,
};

static const size_t most_bytes = (size_t)64 << 20;
enum { LIMIT_SECONDS = 20 };

/* What the site has to know. */
typedef struct {
    char endpoint[ENDPOINT_BYTES];
    ech_private_key key;
    ech_public_key leader;
} invitation;

static ech_test_hub leader;
static int to_site[2], to_leader[2];
static pid_t site;
static size_t before_bytes, peak_bytes;

/* ---- the site ---- */

static void tell_leader(void)
{
    cr_assert_eq(write(to_leader[1], "!", 1), 1);
}

static bool is_welcome(ech_dialer *dialer)
{
    ech_dialer_event event = ECH_DIALER_NOTHING;
    const void *message = NULL;
    size_t bytes = 0;
    ech_wire_frame frame;
    return ech_dialer_receive(dialer, TURN_MS, &event, &message, &bytes) == ECH_OK &&
           event == ECH_DIALER_MESSAGE && ech_wire_decode(message, bytes, &frame) == ECH_OK &&
           frame.type == ECH_WIRE_WELCOME;
}

static ech_dialer *join(void)
{
    invitation got;
    cr_assert_eq(read(to_site[0], &got, sizeof got), (ssize_t)sizeof got);
    leader.site_key = got.key;
    leader.leader_key.public_key = got.leader;
    ech_dialer *dialer = ech_test_dialer(&leader, got.endpoint);
    ech_test_join(dialer, "boulder", 0);
    while (!is_welcome(dialer)) {
    }
    tell_leader();
    return dialer;
}

/* Until the leader is no more. */
static void stay(void)
{
    char nothing = 0;
    (void)!read(to_site[0], &nothing, 1);
    _exit(0);
}

/* Joins, and reads nothing more. */
static void take_nothing(void)
{
    (void)join();
    stay();
}

/* Sends as much as its own library takes; tells when that is full, and when all has left. */
static void flood(void)
{
    static uint8_t payload[ECH_WIRE_PAYLOAD_MAX];
    const ech_wire_frame frame = {
        .type = ECH_WIRE_BEAT, .payload = payload, .payload_bytes = sizeof payload};
    bool is_full = false;
    ech_dialer *dialer = join();
    for (int i = 0; i < FLOOD; i++) {
        while (ech_test_send(dialer, &frame) == ECH_ERR_LIMIT) {
            if (!is_full) {
                tell_leader();
            }
            is_full = true;
            ech_clock_sleep_ns(UINT64_C(1000000));
        }
    }
    tell_leader();
    stay();
}

/* Before the leader has threads. */
static void fork_site(void (*run)(void))
{
    cr_assert(pipe(to_site) == 0 && pipe(to_leader) == 0);
    site = fork();
    cr_assert_geq(site, 0);
    if (site == 0) {
        close(to_site[1]);
        run();
    }
}

/* ---- the leader ---- */

static size_t held_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.arena + info.hblkhd;
}

static void look(void)
{
    const size_t bytes = held_bytes();
    peak_bytes = bytes > peak_bytes ? bytes : peak_bytes;
}

/* Until the site tells something. @param serves  take what it sends meanwhile. */
static void await_site(bool serves)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    struct pollfd told = {.fd = to_leader[0], .events = POLLIN};
    char letter = 0;
    while (poll(&told, 1, serves ? 0 : TURN_MS) == 0) {
        cr_assert_lt(ech_clock_ns(), until_ns, "the site says nothing");
        if (serves) {
            cr_assert_eq(ech_hub_wait(leader.hub, TURN_MS), ECH_OK);
        }
        look();
    }
    cr_assert_eq(read(to_leader[0], &letter, 1), 1);
}

static void look_for_a_while(bool serves)
{
    for (int turn = 0; turn < IDLE_TURNS; turn++) {
        if (serves) {
            cr_assert_eq(ech_hub_wait(leader.hub, TURN_MS), ECH_OK);
        } else {
            ech_clock_sleep_ns(TURN_MS * UINT64_C(1000000));
        }
        look();
    }
}

static void start_leader(void)
{
    invitation sent = {0};
    ech_memory_reuse();
    ech_test_hub_start(&leader, ech_test_layout_of(VALUES));
    sent.key = leader.site_key;
    sent.leader = leader.leader_key.public_key;
    snprintf(sent.endpoint, sizeof sent.endpoint, "%s", ech_hub_endpoint(leader.hub));
    before_bytes = held_bytes();
    cr_assert_eq(write(to_site[1], &sent, sizeof sent), (ssize_t)sizeof sent);
    await_site(true);
}

static void expect_bounded(void)
{
    look();
    cr_expect_leq(peak_bytes - before_bytes, most_bytes, "%zu bytes", peak_bytes - before_bytes);
    kill(site, SIGKILL);
    waitpid(site, NULL, 0);
    ech_test_hub_stop(&leader);
    ech_test_expect_no_leak();
}

Test(site_memory, a_site_that_takes_nothing_is_sent_its_credit)
{
    fork_site(take_nothing);
    start_leader();
    ech_test_hub_begin(&leader);
    look_for_a_while(true);
    cr_expect_eq(ech_hub_part_of(leader.hub, 0).wire_down, ECH_WIRE_WINDOW * CHUNK_BYTES);
    expect_bounded();
}

Test(site_memory, a_site_that_sends_without_credit_waits)
{
    fork_site(flood);
    start_leader();
    ech_test_hub_begin(&leader);
    await_site(false);
    look_for_a_while(false);
    await_site(true);
    expect_bounded();
}
