#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/event.h"
#include "tests/limits.h"

enum { WAITERS = 3, LOOKS = 4000 };

static const uint64_t look_every_ns = 1000000;
enum { LONG_SECONDS = 20 };
static const uint64_t short_ns = 20000000;

static ech_event *event; /* shared with the children of a test */

static void map_event(void)
{
    event = mmap(NULL, sizeof *event, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(event, MAP_FAILED);
}

TestSuite(mpi_event, .init = map_event);

/* A process that waits and exits with 0 if it was woken. */
static pid_t start_waiter(void)
{
    const pid_t child = fork();
    if (child == 0) {
        const uint32_t ticket = ech_event_prepare(event);
        _exit(ech_event_wait(event, ticket, ech_test_limit_ns(LONG_SECONDS)) ? 0 : 1);
    }
    cr_assert_gt(child, 0);
    return child;
}

static void wait_for_waiters(uint32_t count)
{
    for (int look = 0; look < LOOKS && atomic_load(&event->waiters) != count; look++) {
        ech_clock_sleep_ns(look_every_ns);
    }
    cr_assert_eq(atomic_load(&event->waiters), count);
}

Test(mpi_event, a_wait_that_nobody_ends_runs_out)
{
    const uint32_t ticket = ech_event_prepare(event);
    const uint64_t begin_ns = ech_clock_ns();
    cr_expect_not(ech_event_wait(event, ticket, short_ns));
    cr_expect_geq(ech_clock_ns() - begin_ns, short_ns);
    cr_expect_eq(atomic_load(&event->waiters), 0);
}

Test(mpi_event, a_notify_after_the_ticket_ends_the_wait_at_once)
{
    const uint32_t ticket = ech_event_prepare(event);
    ech_event_notify(event, 1);
    cr_expect(ech_event_wait(event, ticket, ech_test_limit_ns(LONG_SECONDS)));
}

Test(mpi_event, a_notify_without_waiters_changes_nothing)
{
    const uint32_t before = atomic_load(&event->sequence);
    ech_event_notify(event, ECH_EVENT_ALL);
    cr_expect_eq(atomic_load(&event->sequence), before);
}

Test(mpi_event, a_cancelled_announcement_is_gone)
{
    (void)ech_event_prepare(event);
    ech_event_cancel(event);
    cr_expect_eq(atomic_load(&event->waiters), 0);
}

Test(mpi_event, one_notify_wakes_all_processes)
{
    pid_t children[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        children[i] = start_waiter();
    }
    wait_for_waiters(WAITERS);
    ech_event_notify(event, ECH_EVENT_ALL);
    for (int i = 0; i < WAITERS; i++) {
        int state = 0;
        cr_assert_eq(waitpid(children[i], &state, 0), children[i]);
        cr_expect(WIFEXITED(state) && WEXITSTATUS(state) == 0, "waiter %d: %d", i, state);
    }
    cr_expect_eq(atomic_load(&event->waiters), 0);
}
