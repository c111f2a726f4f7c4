#define _POSIX_C_SOURCE 200809L
/* One start of a job, whose launcher is a shell here: what is understood of its ranks' words. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "apps/run/attempt.h"

static ech_attempt attempt;

static void run_shell(const char *script)
{
    const sigset_t signals = ech_attempt_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    const char *const arguments[] = {"sh", "-c", script, NULL};
    attempt = (ech_attempt){0};
    cr_assert_eq(ech_attempt_run(arguments, &attempt), ECH_OK, "%s", ech_status_message());
}

/* A launcher that has passed a signal on may end with 0 itself. */
Test(attempt, a_job_that_says_that_it_stopped_did_so)
{
    run_shell("echo 'echelon: warning: stopped after round 3 of 9' >&2");
    cr_expect(attempt.stopped && !attempt.stopping);
    cr_expect_eq(attempt.exit_code, EXIT_SUCCESS);
    run_shell("echo 'echelon: warning: stopped while round 4 waited for its sites' >&2; exit 3");
    cr_expect(attempt.stopped);
    cr_expect_eq(attempt.exit_code, 3);
    run_shell("echo 'echelon: warning: round 2 is slow, it has not stopped' >&2");
    cr_expect_not(attempt.stopped);
}

Test(attempt, a_death_is_the_first_that_a_rank_tells)
{
    run_shell("echo 'echelon: error: rank 1 on host n0: killed by signal 9' >&2; "
              "echo 'echelon: error: rank 0 on host n0: gave up' >&2; kill -9 $$");
    cr_expect_str_eq(attempt.death, "rank 1 on host n0: killed by signal 9");
    cr_expect_eq(attempt.exit_code, 128 + SIGKILL);
    run_shell("echo 'echelon: error: config.yaml:3: rank: expected a number' >&2; exit 1");
    cr_expect_str_eq(attempt.death, "");
    cr_expect_eq(attempt.exit_code, EXIT_FAILURE);
}
