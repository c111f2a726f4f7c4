#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

Test(status, every_code_has_a_name_of_its_own)
{
    for (int i = 0; i < ECH_STATUS_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            cr_expect_str_neq(ech_status_string((ech_status)i), ech_status_string((ech_status)j));
        }
    }
    cr_expect_str_eq(ech_status_string(ECH_STATUS_COUNT), "unknown status");
}

Test(status, bad_input_exits_with_2_and_an_early_stop_with_75)
{
    cr_expect_eq(ech_status_exit_code(ECH_OK), 0);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_CONFIG), 2);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_FORMAT), 2);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_INTERRUPTED), 75);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_MPI), 1);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_MEMORY), 1);
}

Test(status, a_message_grows_in_front)
{
    cr_expect_eq(ech_fail(ECH_ERR_FILE, "%s: %d", "a.yaml", 7), ECH_ERR_FILE);
    cr_expect_eq(ech_fail_context(ECH_ERR_CONFIG, "round %d", 3), ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(), "round 3: a.yaml: 7");
    ech_status_clear();
    cr_expect_str_eq(ech_status_message(), "");
}

Test(status, a_message_too_long_is_cut)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ech_fail(ECH_ERR_FILE, "%s", text);
    cr_expect_eq(strlen(ech_status_message()), 1023);
    ech_fail_context(ECH_ERR_FILE, "y");
    cr_expect_eq(strlen(ech_status_message()), 1023);
    ech_fail_context(ECH_ERR_FILE, "%s", text);
    cr_expect_eq(strlen(ech_status_message()), 1023);
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    ech_fail(ECH_ERR_FILE, "elsewhere");
    return NULL;
}

Test(status, messages_belong_to_their_thread)
{
    pthread_t thread;
    ech_fail(ECH_ERR_FILE, "here");
    cr_assert_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    cr_expect_str_eq(ech_status_message(), "here");
}

/* What `ech_log` writes to standard error. */
static void capture_log(ech_log_level level, const char *message, char *text, size_t bytes)
{
    int ends[2];
    const int before = dup(STDERR_FILENO);
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    ech_log(level, "%s", message);
    dup2(before, STDERR_FILENO);
    const ssize_t got = read(ends[0], text, bytes - 1);
    text[got > 0 ? got : 0] = '\0';
    close(before);
    close(ends[0]);
    close(ends[1]);
}

Test(log, a_line_tells_rank_and_level)
{
    char text[4096];
    capture_log(ECH_LOG_WARNING, "careful", text, sizeof text);
    cr_expect_str_eq(text, "echelon: warning: careful\n");
    ech_log_set_rank(3);
    capture_log(ECH_LOG_ERROR, "broken", text, sizeof text);
    cr_expect_str_eq(text, "echelon[rank 3]: error: broken\n");
    ech_log_set_rank(-1);
    capture_log(ECH_LOG_INFO, "plain", text, sizeof text);
    cr_expect_str_eq(text, "echelon: plain\n");
}

Test(log, levels_above_the_limit_are_silent)
{
    char text[4096];
    capture_log(ECH_LOG_DEBUG, "detail", text, sizeof text);
    cr_expect_str_eq(text, "");
    ech_log_set_level(ECH_LOG_DEBUG);
    capture_log(ECH_LOG_DEBUG, "detail", text, sizeof text);
    cr_expect_str_eq(text, "echelon: debug: detail\n");
    ech_log_set_level(ECH_LOG_ERROR);
    capture_log(ECH_LOG_WARNING, "careful", text, sizeof text);
    cr_expect_str_eq(text, "");
}

Test(log, a_line_too_long_is_cut_and_still_ends)
{
    char message[4000];
    char text[8192];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    capture_log(ECH_LOG_INFO, message, text, sizeof text);
    cr_expect_gt(strlen(text), 1000);
    cr_expect_lt(strlen(text), sizeof message);
    cr_expect_eq(text[strlen(text) - 1], '\n');
}

Test(clock, time_goes_on_and_sleeping_takes_at_least_what_was_asked)
{
    const uint64_t start_ns = ech_clock_ns();
    const uint64_t cpu_ns = ech_clock_thread_cpu_ns();
    ech_clock_sleep_ns(20000000);
    cr_expect_geq(ech_clock_ns() - start_ns, 20000000);
    cr_expect_lt(ech_clock_thread_cpu_ns() - cpu_ns, 20000000);
    cr_expect_gt(ech_clock_wall_ns(), UINT64_C(1600000000) * 1000000000);
    cr_expect_eq(ech_clock_seconds(1500000000), 1.5);
}

Test(status, a_kept_failure_comes_back_after_others)
{
    ech_fail(ECH_ERR_FILE, "the cause");
    const ech_failure cause = ech_failure_keep(ECH_ERR_FILE);
    ech_fail(ECH_ERR_MPI, "a consequence");
    cr_expect_eq(ech_failure_restore(&cause), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(), "the cause");
}
