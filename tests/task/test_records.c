/* Records of tasks: none is lost, and each says what happened. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/task/pool/spill.h"
#include "tests/support.h"
#include "tests/task/records.h"

enum { THREADS = 3, SPILLED = 5000, PIECE_MAX = 300, TEXT_BYTES = 4096 };

TestSuite(records, .fini = ech_test_expect_no_leak);

static const ech_executor_options threads = {.kind = ECH_EXECUTOR_THREADS, .ranks = THREADS};

Test(records, none_is_lost_while_the_first_rank_looks_away)
{
    uint64_t missing = 0;
    cr_expect_eq(records_of_busy_leaders(&threads, &missing), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(missing, 0, "%llu are missing", (unsigned long long)missing);
}

/* The run goes on; how many are lost is told, by each rank. */
Test(records, a_loss_for_want_of_a_file_is_told)
{
    static char text[TEXT_BYTES];
    uint64_t missing = 0;
    unsigned long long told = 0;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, RLIM_INFINITY}), 0);
    cr_redirect_stderr();
    cr_expect_eq(records_of_busy_leaders(&threads, &missing), ECH_OK, "%s", ech_status_message());
    fflush(stderr);
    FILE *errors = cr_get_redirected_stderr();
    const size_t length = fread(text, 1, sizeof text - 1, errors);
    text[length] = '\0';
    cr_expect_gt(missing, 0);
    cr_expect_not_null(strstr(text, "cannot write a file for task records in "), "%s", text);
    for (const char *at = text; (at = strstr(at, "warning: ")) != NULL; at++) {
        unsigned long long count = 0;
        told += sscanf(at, "warning: %llu task records are lost", &count) == 1 ? count : 0;
    }
    cr_expect_eq(told, missing, "%llu are missing, but: %s", (unsigned long long)missing, text);
}

Test(records, retries_elsewhere_and_lateness_are_recorded)
{
    cr_expect_eq(records_of_attempts(&threads), ECH_OK, "%s", ech_status_message());
}

/* Pieces of all sizes, so that it runs empty now and then. */
Test(records, what_is_spilled_comes_back_in_order)
{
    ech_spill *spill = NULL;
    ech_task_record piece[PIECE_MAX];
    uint64_t put = 0;
    uint64_t taken = 0;
    cr_assert_eq(ech_spill_create(NULL, &spill), ECH_OK, "%s", ech_status_message());
    for (size_t size = 1; put < SPILLED; size = (7 * size + 1) % PIECE_MAX) {
        memset(piece, 0, sizeof piece);
        for (size_t i = 0; i < size; i++) {
            piece[i].task = put++;
        }
        cr_assert_eq(ech_spill_put(spill, piece, size), ECH_OK);
        cr_assert_eq(ech_spill_count(spill), put - taken);
        const size_t count = size % 3 == 0 ? put - taken : (put - taken) / 2;
        const size_t most = count < PIECE_MAX ? count : PIECE_MAX;
        cr_assert_eq(ech_spill_take(spill, piece, most), ECH_OK);
        for (size_t i = 0; i < most; i++) {
            cr_assert_eq(piece[i].task, taken++);
        }
    }
    ech_spill_destroy(&spill);
    cr_expect_eq(ech_spill_count(spill), 0);
}

Test(records, a_folder_that_is_not_there_is_replaced)
{
    ech_spill *spill = NULL;
    cr_expect_eq(ech_spill_create("/nowhere", &spill), ECH_OK, "%s", ech_status_message());
    ech_spill_destroy(&spill);
    setenv("TMPDIR", "/not/there/either", 1);
    cr_expect_eq(ech_spill_create("/nowhere", &spill), ECH_ERR_FILE);
    cr_expect_null(spill);
    cr_expect_not_null(strstr(ech_status_message(), "/not/there/either"), "%s",
                       ech_status_message());
}
