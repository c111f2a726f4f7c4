#include <stdatomic.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/event.h"
#include "runtime/mpi/window.h"
#include "tests/mpi_case.h"

enum { TURNS = 20000, RANKS = 3 };

static const uint64_t wait_ns = 1000000000;
static const uint64_t sleep_ns = 2000000000;
static const uint64_t free_of_charge_ns = 100000000;

typedef struct {
    ech_event event;
    _Alignas(64) _Atomic uint32_t turn;
    _Alignas(64) _Atomic uint32_t time_outs;
} ring;

typedef struct {
    ech_machine *machine;
    ech_window *window;
    ring *shared;
} fixture;

static fixture make_fixture(void)
{
    fixture made = {0};
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &made.machine));
    mpi_expect_ok(ech_window_create(made.machine, "event", sizeof(ring), false, &made.window));
    made.shared = ech_window_base(made.window);
    return made;
}

static void free_fixture(fixture *made)
{
    ech_window_destroy(&made->window);
    ech_machine_destroy(&made->machine);
}

static void wait_for_turn(ring *shared, uint32_t turn)
{
    while (atomic_load_explicit(&shared->turn, memory_order_acquire) < turn) {
        const uint32_t ticket = ech_event_prepare(&shared->event);
        if (atomic_load_explicit(&shared->turn, memory_order_acquire) >= turn) {
            ech_event_cancel(&shared->event);
        } else if (!ech_event_wait(&shared->event, ticket, wait_ns)) {
            atomic_fetch_add(&shared->time_outs, 1);
        }
    }
}

/* A wake that is missed shows as a wait that lasts its whole second. */
static void no_wake_is_missed(void)
{
    fixture made = make_fixture();
    const uint32_t rank = (uint32_t)ech_machine_rank(made.machine);
    for (uint32_t turn = rank; turn < TURNS; turn += RANKS) {
        wait_for_turn(made.shared, turn);
        atomic_store_explicit(&made.shared->turn, turn + 1, memory_order_release);
        ech_event_notify(&made.shared->event, ECH_EVENT_ALL);
    }
    wait_for_turn(made.shared, TURNS);
    mpi_expect_ok(ech_comm_barrier(ech_machine_comm(made.machine)));
    const uint32_t waiters = atomic_load(&made.shared->event.waiters);
    /* A machine that is busy elsewhere may hold a rank for a second, but not again and again. */
    const uint32_t time_outs = atomic_load(&made.shared->time_outs);
    mpi_expect(waiters == 0, "%u waiters are left", waiters);
    mpi_expect(time_outs < 3, "%u waits timed out", time_outs);
    free_fixture(&made);
}

static void a_sleeper_uses_no_processor_time(void)
{
    fixture made = make_fixture();
    const uint64_t begin_ns = ech_clock_thread_cpu_ns();
    const uint32_t ticket = ech_event_prepare(&made.shared->event);
    mpi_expect(!ech_event_wait(&made.shared->event, ticket, sleep_ns), "nobody woke it");
    const uint64_t used_ns = ech_clock_thread_cpu_ns() - begin_ns;
    mpi_expect(used_ns < free_of_charge_ns, "%.3f s", ech_clock_seconds(used_ns));
    free_fixture(&made);
}

static const mpi_case event_cases[] = {
    {"event_no_wake_is_missed", RANKS, .seconds = 60, .run = no_wake_is_missed},
    {"event_a_sleeper_uses_no_processor_time", 2, .seconds = 20,
     .run = a_sleeper_uses_no_processor_time},
};
MPI_CASES(mpi, event_cases)
