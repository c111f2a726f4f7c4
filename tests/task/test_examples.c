/* The examples, on every executor, and what they must print: the sweep by the same loop in Python,
 * the sum as pi^2/6 - 1/N + 1/(2 N^2), rounded. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { OUTPUT_BYTES = 1 << 16, ARGUMENTS_MAX = 8, NUMBERS = 1000 };
enum { LIMIT_SECONDS = 60 };

TestSuite(examples, .fini = ech_test_expect_no_leak);

/* Numbers, not pointers: each test runs in a process of its own, loaded elsewhere. */
static size_t kinds[] = {0, 1, 2};
static const char *const names[] = {"serial", "threads", "mpi"};

#define ON_EVERY_EXECUTOR(test)                                                                    \
    ParameterizedTestParameters(examples, test)                                                    \
    {                                                                                              \
        return cr_make_param_array(size_t, kinds, sizeof kinds / sizeof kinds[0]);                 \
    }                                                                                              \
    ParameterizedTest(size_t *kind, examples, test, .fini = ech_test_expect_no_leak)

/* `argument` may be NULL; the caller frees the result. */
static ech_child_result run(const char *program, const char *argument, const char *executor)
{
    char path[ECH_TEST_PATH_BYTES];
    const char *all[ARGUMENTS_MAX] = {NULL};
    size_t count = 0;
    snprintf(path, sizeof path, ECH_BUILD_DIR "/examples/%s", program);
    if (strcmp(executor, "mpi") == 0) {
        all[count++] = "mpiexec";
        all[count++] = "-n";
        all[count++] = "3";
    }
    all[count++] = path;
    if (argument != NULL) {
        all[count++] = argument;
    }
    all[count] = executor;
    ech_child_result result;
    const ech_child_options options = {.arguments = all,
                                       .timeout_ns = ech_test_limit_ns(LIMIT_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    return result;
}

static void expect_output(const char *program, const char *executor, const char *expected)
{
    ech_child_result result = run(program, NULL, executor);
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    cr_expect_str_eq(result.output, expected);
    ech_child_result_free(&result);
}

ON_EVERY_EXECUTOR(parameter_sweep)
{
    expect_output("parameter_sweep", names[*kind], "step 0.108 is the best: 8 iterations\n");
}

ON_EVERY_EXECUTOR(tree_reduction)
{
    expect_output("tree_reduction", names[*kind], "1.644933113174365\n");
}

static void expect_all_numbers(const char *directory)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/all.txt", directory);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    int number = 0;
    for (int i = 1; i <= NUMBERS; i++) {
        cr_assert_eq(fscanf(file, "%d", &number), 1);
        cr_assert_eq(number, i);
    }
    cr_expect_eq(fscanf(file, "%d", &number), EOF);
    fclose(file);
}

ON_EVERY_EXECUTOR(shell_pipeline)
{
    char directory[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(directory);
    ech_child_result result = run("shell_pipeline", directory, names[*kind]);
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    expect_all_numbers(directory);
    ech_child_result_free(&result);
    ech_test_remove_directory(directory);
}

ON_EVERY_EXECUTOR(a_command_that_fails_is_named)
{
    ech_child_result result = run("shell_pipeline", "/nowhere", names[*kind]);
    cr_expect_neq(result.exit_code, 0);
    cr_expect_not_null(strstr(result.errors, "/nowhere"), "%s", result.errors);
    ech_child_result_free(&result);
}

Test(examples, each_is_under_80_lines)
{
    static const char *const programs[] = {"parameter_sweep", "tree_reduction", "shell_pipeline"};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        ech_test_shell(ECH_SOURCE_DIR "/apps/examples", "test $(wc -l <%s.c) -lt 80", programs[i]);
    }
}
