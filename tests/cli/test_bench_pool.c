/* `echelon bench pool`: what it counts must add up, wherever its tasks run. */
#include <criterion/criterion.h>

#include "tests/cli/program.h"
#include "tests/support.h"

enum { TASKS = 2000, PENDING_BYTES_MAX = 256 };

TestSuite(bench_pool, .fini = ech_test_expect_no_leak, .timeout = 120);

#define MEASURE "bench", "pool", "--tasks", "2000", "--payload", "24", "--json"

static void expect_sound(ech_child_result *result, int ranks, int hosts)
{
    cr_assert_eq(result->exit_code, 0, "%s", result->errors);
    const char *json = result->output;
    const double records = program_number(json, "records");
    cr_expect_eq((int)program_number(json, "tasks"), TASKS);
    cr_expect_eq((int)program_number(json, "ranks"), ranks);
    cr_expect_eq((int)program_number(json, "hosts"), hosts);
    cr_expect_geq(records, 2 * TASKS);
    cr_expect_eq(program_number(json, "records_of_other_ranks"), ranks > 1 ? records : 0.0);
    cr_expect_gt(program_number(json, "tasks_per_second"), 0.0);
    cr_expect_gt(program_number(json, "latency_us_p50"), 0.0);
    cr_expect_geq(program_number(json, "latency_us_p99"), program_number(json, "latency_us_p50"));
    cr_expect_gt(program_number(json, "latency_sleep_us_p50"), 0.0);
    cr_expect_gt(program_number(json, "peak_rss_bytes"), 0.0);
    ech_child_result_free(result);
}

Test(bench_pool, on_ranks_of_one_host_other_ranks_run_all_tasks)
{
    static const char *const arguments[] = {MEASURE, NULL};
    ech_child_result result = program_run_ranks(2, arguments);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    cr_expect_gt(program_number(result.output, "futex_us"), 0.0);
    expect_sound(&result, 2, 1);
}

Test(bench_pool, between_hosts_other_ranks_run_all_tasks)
{
    static const char *const environment[] = {"MPIR_CVAR_NUM_CLIQUES=2", NULL};
    static const char *const arguments[] = {MEASURE, NULL};
    ech_child_result result = program_run_job(4, environment, arguments);
    expect_sound(&result, 4, 2);
}

Test(bench_pool, on_threads_and_in_one_thread)
{
    static const char *const threads[] = {MEASURE, "--executor", "threads", "--threads", "2", NULL};
    static const char *const serial[] = {MEASURE, "--executor", "serial", NULL};
    ech_child_result result = program_run(threads);
    expect_sound(&result, 2, 1);
    result = program_run(serial);
    expect_sound(&result, 1, 1);
}

/* Blocks of many tasks: of these, few are not filled. */
Test(bench_pool, a_pending_task_takes_256_bytes)
{
    static const char *const arguments[] = {"bench",      "pool",   "--tasks", "100000",
                                            "--executor", "serial", "--json",  NULL};
    ech_child_result result = program_run(arguments);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    cr_expect_leq(program_number(result.output, "bytes_per_pending_task"), PENDING_BYTES_MAX);
    ech_child_result_free(&result);
}
