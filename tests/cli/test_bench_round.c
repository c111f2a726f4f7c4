#define _POSIX_C_SOURCE 200809L
/* `echelon bench round` starts its ranks itself, and is the round of `fit` without epochs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cli/program.h"
#include "tests/support.h"

TestSuite(bench_round, .fini = ech_test_expect_no_leak, .timeout = 300);

static ech_child_result run_ok(const char *const *arguments)
{
    ech_child_result result = program_run(arguments);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    return result;
}

Test(bench_round, both_variants_return_every_workers_whole_update)
{
    static const struct {
        const char *arguments[14];
        unsigned ranks;
    } variants[] = {
        {{"bench", "round", "--model", "smallnet", "--workers", "5", "--variant", "processes",
          "--rounds", "2", "--json"},
         5},
        {{"bench", "round", "--model", "smallnet", "--workers", "5", "--ranks", "2", "--rounds",
          "2", "--json"},
         2},
    };
    char *hashes[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        ech_child_result result = run_ok(variants[i].arguments);
        const double update_bytes = program_number(result.output, "values") * sizeof(float);
        cr_expect_eq((unsigned)program_number(result.output, "ranks"), variants[i].ranks);
        cr_expect_eq(program_number(result.output, "logical_up"), 2 * 5 * update_bytes);
        cr_expect_eq(program_number(result.output, "logical_down"), 2 * 5 * update_bytes);
        cr_expect_gt(program_number(result.output, "bytes_per_second"), 0.0);
        cr_expect_gt(program_number(result.output, "pss_bytes"), 0.0);
        hashes[i] = strstr(result.output, "model_xxh128");
        hashes[i] = hashes[i] != NULL ? strdup(hashes[i]) : NULL;
        ech_child_result_free(&result);
    }
    cr_assert_not_null(hashes[0]);
    cr_expect_str_eq(hashes[0], hashes[1]);
    free(hashes[0]);
    free(hashes[1]);
}

/* Slurm gives a batch script the variables of a task. */
Test(bench_round, a_batch_script_is_no_launcher)
{
    static const char *const environment[] = {"SLURM_PROCID=0", NULL};
    static const char *const arguments[] = {"bench",     "round", "--model",   "tinynet",
                                            "--workers", "2",     "--variant", "processes",
                                            "--rounds",  "1",     NULL};
    ech_child_result result = program_run_environment(environment, arguments);
    cr_expect_eq(result.exit_code, 0, "%d: %s", result.exit_code, result.errors);
    ech_child_result_free(&result);
}

Test(bench_round, a_launcher_with_another_number_of_ranks_is_refused)
{
    static const char *const arguments[] = {
        "bench", "round", "--model", "tinynet", "--workers", "3", "--variant", "processes", NULL};
    ech_child_result result = program_run_ranks(2, arguments);
    cr_expect_eq(result.exit_code, 2, "%d: %s", result.exit_code, result.errors);
    cr_expect_not_null(strstr(result.errors, "expected a rank a worker, 3, got 2"), "%s",
                       result.errors);
    ech_child_result_free(&result);
}
