#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/progress.h"
#include "runtime/base/progress_priv.h"
#include "tests/support.h"

enum { TEXT_BYTES = 4096 };

TestSuite(progress, .fini = ech_test_expect_no_leak);

static void expect_text(progress_facts facts, const char *expected)
{
    char text[TEXT_BYTES];
    progress_describe(&facts, text, sizeof text);
    cr_expect_str_eq(text, expected);
}

Test(progress, a_line_tells_round_accuracy_loss_and_time)
{
    expect_text((progress_facts){0, 8, 80, 0.87654, 0.51234, 2.0},
                "round  8/80  accuracy 0.8765  loss 0.5123  2.0 s, 18.0 s left");
    expect_text((progress_facts){0, 80, 80, 0.5, 1.0, 250.0},
                "round 80/80  accuracy 0.5000  loss 1.0000  4 min 10 s, 0.0 s left");
    expect_text((progress_facts){0, 0, 80, 0.1, NAN, 0.3},
                "round  0/80  accuracy 0.1000  loss -  0.3 s");
    expect_text((progress_facts){0, 1, 101, -1.0, NAN, 120.0},
                "round   1/101  accuracy -  loss -  2 min 00 s, 3 h 20 min left");
}

Test(progress, time_left_counts_the_rounds_of_this_run_only)
{
    expect_text((progress_facts){60, 70, 80, 0.5, 1.0, 5.0},
                "round 70/80  accuracy 0.5000  loss 1.0000  5.0 s, 5.0 s left");
}

/* Show three rounds with standard error going to `descriptor`. */
static void show_rounds(int descriptor)
{
    const int before = dup(STDERR_FILENO);
    dup2(descriptor, STDERR_FILENO);
    ech_progress *progress = NULL;
    const ech_status status = ech_progress_create(0, 3, &progress);
    for (uint64_t round = 1; status == ECH_OK && round <= 3; round++) {
        ech_progress_show(
            progress, &(ech_progress_round){
                          .round = round, .evaluated = round == 2, .accuracy = 0.25, .loss = 1.5});
    }
    ech_progress_destroy(&progress);
    dup2(before, STDERR_FILENO);
    close(before);
    cr_assert_eq(status, ECH_OK);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

/* What came through a descriptor that does not block. */
static void read_all(int descriptor, char text[TEXT_BYTES])
{
    size_t used = 0;
    for (ssize_t got = 1; got > 0 && used<TEXT_BYTES - 1; used += got> 0 ? (size_t)got : 0) {
        got = read(descriptor, text + used, TEXT_BYTES - 1 - used);
    }
    text[used] = '\0';
}

Test(progress, a_pipe_gets_a_plain_line_a_round)
{
    int ends[2];
    char text[TEXT_BYTES];
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    show_rounds(ends[1]);
    read_all(ends[0], text);
    cr_expect_eq(count_of(text, "\n"), 3, "%s", text);
    cr_expect_eq(count_of(text, "\r"), 0);
    cr_expect_not_null(strstr(text, "round 1/3  accuracy -  loss 1.5000"));
    cr_expect_not_null(strstr(text, "round 3/3  accuracy 0.2500  loss 1.5000"));
}

Test(progress, a_terminal_gets_one_line_that_is_rewritten)
{
    int outer = -1;
    int inner = -1;
    char text[TEXT_BYTES];
    struct winsize size = {.ws_row = 24, .ws_col = 40};
    cr_assert_eq(openpty(&outer, &inner, NULL, NULL, &size), 0);
    cr_assert_eq(fcntl(outer, F_SETFL, O_NONBLOCK), 0);
    show_rounds(inner);
    read_all(outer, text);
    cr_expect_eq(count_of(text, "\x1b[K\r"), 3, "%s", text);
    cr_expect_eq(count_of(text, "\n"), 1);
    cr_expect_null(strstr(text, "s left"), "the line is wider than the terminal: %s", text);
}
