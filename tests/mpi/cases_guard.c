#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/interrupt.h"
#include "tests/mpi_case.h"

enum { VICTIM = 1, TASK = 17, LOOKS = 2000, ODD_EXIT = 3 };

static const uint64_t look_every_ns = 5000000;
static const uint64_t bound_ns = 500000000;

/* The others wait for a rank that never comes; the job has to end all the same. */
static void wait_for_ever(void)
{
    ech_comm *comm = NULL;
    if (ech_comm_create(MPI_COMM_WORLD, ECH_COMM_TIMEOUT_NS, &comm) == ECH_OK) {
        (void)ech_comm_barrier(comm);
    }
    mpi_expect(false, "the job went on");
}

static void busy_with_a_task(void)
{
    ech_guard_phase("round %d", 3);
    ech_guard_enter_task(TASK, "train");
    ech_guard_detail("worker %d", 5);
}

static void a_rank_is_killed(void)
{
    if (ech_mpi_rank() == VICTIM) {
        busy_with_a_task();
        raise(SIGKILL);
    }
    wait_for_ever();
}

static void die_before_mpi(void)
{
    if (ech_guard_box()->rank == VICTIM) {
        raise(SIGKILL);
    }
}

static void a_rank_crashes(void)
{
    if (ech_mpi_rank() == VICTIM) {
        busy_with_a_task();
        ech_guard_leave_task();
        raise(SIGSEGV);
    }
    wait_for_ever();
}

static void a_guard_is_killed(void)
{
    if (ech_mpi_rank() == VICTIM) {
        busy_with_a_task();
        kill(getppid(), SIGKILL);
    }
    wait_for_ever();
}

static void a_rank_aborts(void)
{
    if (ech_mpi_rank() == VICTIM) {
        busy_with_a_task();
        ech_abort(ech_fail(ECH_ERR_NUMERIC, "the loss of worker %d is not finite", 5));
    }
    wait_for_ever();
}

static void a_rank_exits_early(void)
{
    if (ech_mpi_rank() == VICTIM) {
        _exit(EXIT_SUCCESS);
    }
    wait_for_ever();
}

static void a_rank_exits_oddly(void)
{
    if (ech_mpi_rank() == VICTIM) {
        _exit(ODD_EXIT);
    }
    wait_for_ever();
}

static void a_blocking_call_overruns_its_bound(void)
{
    if (ech_mpi_rank() == VICTIM) {
        ech_guard_bound("MPI_Barrier", bound_ns);
        MPI_Barrier(MPI_COMM_SELF);
        ech_guard_unbound();
        ech_guard_bound("MPI_Probe", bound_ns);
        MPI_Probe(0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    wait_for_ever();
}

static void a_second_interrupt_kills(void)
{
    mpi_expect_ok(ech_interrupt_install());
    if (ech_mpi_rank() == VICTIM) {
        kill(getppid(), SIGINT);
        for (int look = 0; look < LOOKS && !ech_interrupt_requested(); look++) {
            ech_clock_sleep_ns(look_every_ns);
        }
        kill(getppid(), SIGINT);
    }
    wait_for_ever();
}

static void sigusr2_kills(void)
{
    if (ech_mpi_rank() == VICTIM) {
        kill(getppid(), SIGUSR2);
    }
    wait_for_ever();
}

static void expect_passed_on(int signal_number)
{
    mpi_expect_ok(ech_interrupt_install());
    mpi_expect(!ech_interrupt_requested(), "interrupted before");
    kill(getppid(), signal_number);
    int look = 0;
    while (look < LOOKS && !ech_interrupt_requested()) {
        ech_clock_sleep_ns(look_every_ns);
        look++;
    }
    mpi_expect(look < LOOKS, "signal %d did not arrive", signal_number);
}

static void sigterm_is_passed_on(void)
{
    expect_passed_on(SIGTERM);
}

static void sigusr1_is_passed_on(void)
{
    expect_passed_on(SIGUSR1);
}

static void sigint_is_passed_on(void)
{
    expect_passed_on(SIGINT);
}

static void tasks_nest(void)
{
    ech_guard_enter_task(TASK, "outer");
    ech_guard_detail("first");
    const ech_guard_task outer = ech_guard_save_task();
    ech_guard_enter_task(TASK + 1, "inner");
    mpi_expect(ech_guard_box()->detail[0] == '\0', "the detail of another task");
    ech_guard_restore_task(&outer);
    mpi_expect(ech_guard_box()->task_id == TASK, "task %d", (int)ech_guard_box()->task_id);
    ech_guard_leave_task();
    mpi_expect(ech_guard_box()->task_id == ECH_BLACK_BOX_NO_TASK, "a task is left");
}

/* A SIGKILL by the suite's own hand would not be noticed faster than the suite's limit: all of
 * these jobs have to end within it, start-up included. */
static const mpi_case guard_cases[] = {
    {"guard_a_rank_is_killed", 3, .seconds = 15, .run = a_rank_is_killed,
     .fails_with = "killed by signal 9 (Killed), in task 17 (train: worker 5), phase round 3"},
    {"guard_a_rank_is_killed_on_two_hosts", 4, .cliques = 2, .seconds = 15, .run = a_rank_is_killed,
     .fails_with = "error: rank 1 on host "},
    {"guard_a_rank_is_killed_before_mpi", 3, .seconds = 15, .before_mpi = die_before_mpi,
     .run = wait_for_ever, .fails_with = "killed by signal 9 (Killed), phase start"},
    /* AddressSanitizer would take the signal and exit. */
    {"guard_a_rank_crashes", 2, .seconds = 15, .run = a_rank_crashes,
     .fails_with = "killed by signal 11 (Segmentation fault), phase round 3",
     .environment = "ASAN_OPTIONS=handle_segv=0"},
    {"guard_a_guard_is_killed", 2, .seconds = 15, .run = a_guard_is_killed,
     .fails_with = "its parent process was killed, in task 17 (train: worker 5), phase round 3"},
    {"guard_a_rank_aborts", 2, .seconds = 15, .run = a_rank_aborts,
     .fails_with = "the loss of worker 5 is not finite, in task 17 (train: worker 5), phase"},
    {"guard_a_rank_exits_early", 2, .seconds = 15, .run = a_rank_exits_early,
     .fails_with = "exited with code 0 before the end of the job"},
    {"guard_a_rank_exits_oddly", 2, .seconds = 15, .run = a_rank_exits_oddly,
     .fails_with = "exited with code 3 before the end of the job"},
    {"guard_a_blocking_call_overruns_its_bound", 2, .seconds = 15,
     .run = a_blocking_call_overruns_its_bound,
     .fails_with = "no return from MPI_Probe within its time limit"},
    {"guard_a_second_interrupt_kills", 2, .seconds = 15, .run = a_second_interrupt_kills,
     .fails_with = "killed by a second SIGINT"},
    {"guard_sigusr2_kills", 2, .seconds = 15, .run = sigusr2_kills,
     .fails_with = "killed by SIGUSR2"},
    {"guard_sigterm_is_passed_on", 2, .seconds = 15, .run = sigterm_is_passed_on},
    {"guard_sigusr1_is_passed_on", 2, .seconds = 15, .run = sigusr1_is_passed_on},
    {"guard_sigint_is_passed_on", 2, .seconds = 15, .run = sigint_is_passed_on},
    {"guard_tasks_nest", 1, .seconds = 15, .run = tasks_nest},
};
MPI_CASES(mpi, guard_cases)
