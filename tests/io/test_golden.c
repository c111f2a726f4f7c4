#define _XOPEN_SOURCE 700
/* The child that reads a golden file, where it never answers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "io/golden_priv.h"
#include "tests/support.h"

static char folder[ECH_TEST_PATH_BYTES];
static char pipe_path[ECH_TEST_PATH_BYTES + 8];
static ech_golden *golden;

/* A file whose opening waits for ever: a pipe that nobody writes to. */
static void start(void)
{
    ech_test_make_directory(folder);
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe.h5", folder);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(io_golden, .init = start, .fini = stop, .timeout = 60);

static void expect_end(void)
{
    cr_expect_eq(ech_golden_read_within(pipe_path, UINT64_C(300000000), &golden), ECH_ERR_FORMAT);
    cr_expect_null(golden);
    cr_expect_not_null(strstr(ech_status_message(), "pipe.h5: reading it takes longer than 0.3 s"),
                       "%s", ech_status_message());
}

Test(io_golden, a_child_that_never_answers_is_given_up)
{
    expect_end();
}

static void hear(int signal_number)
{
    (void)signal_number;
}

Test(io_golden, signals_do_not_make_the_wait_endless)
{
    struct sigaction action = {.sa_handler = hear, .sa_flags = SA_RESTART};
    const struct itimerval often = {{0, 20000}, {0, 20000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    expect_end();
    cr_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
}
