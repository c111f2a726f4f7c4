/* A task that dies by a signal ends the job, which says what died where; what was done is kept. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { OUTPUT_BYTES = 1 << 16 };
enum { LIMIT_SECONDS = 60 };

static const char program[] = ECH_BUILD_DIR "/tests/task_crash";
static char folder[ECH_TEST_PATH_BYTES];

static void make_folder(void)
{
    ech_test_make_directory(folder);
}

static void remove_folder(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(crash, .init = make_folder, .fini = remove_folder);

static ech_child_result run(const char *dies)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/memo.h5", folder);
    const char *const all[] = {"mpiexec", "-n", "3", program, path, dies, NULL};
    ech_child_result result;
    const ech_child_options options = {.arguments = all,
                                       .timeout_ns = ech_test_limit_ns(LIMIT_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_assert_not(result.timed_out);
    return result;
}

Test(crash, the_job_names_the_task_and_keeps_what_was_done)
{
    ech_child_result dead = run("die");
    cr_expect_neq(dead.exit_code, 0);
    static const char *const parts[] = {"rank 2", "host", "task 26", "fragile", "signal 11"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        cr_expect_not_null(strstr(dead.errors, parts[i]), "no '%s' in: %s", parts[i], dead.errors);
    }
    ech_child_result_free(&dead);

    ech_child_result again = run(NULL);
    cr_expect_eq(again.exit_code, 0, "%s", again.errors);
    cr_expect_str_eq(again.output, "15 tasks run\n");
    ech_child_result_free(&again);

    ech_child_result third = run(NULL);
    cr_expect_eq(third.exit_code, 0, "%s", third.errors);
    cr_expect_str_empty(third.output);
    ech_child_result_free(&third);
}
