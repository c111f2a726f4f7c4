/* The Criterion suite of a layer's MPI cases: each is started by mpiexec, with its time limit. */
#define _GNU_SOURCE
#include <criterion/alloc.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/limits.h"

enum { CASES_MAX = 128, TEXT_BYTES = 128, OUTPUT_BYTES = 1 << 18, LIST_SECONDS = 20 };

typedef struct {
    char name[TEXT_BYTES];
    int ranks;
    int cliques;
    int seconds;
    char environment[TEXT_BYTES]; /* "-": none */
    char fails_with[TEXT_BYTES];  /* "-": it has to succeed */
} listed_case;

static void read_line(const char *line, listed_case *one)
{
    const int fields =
        sscanf(line, "%127[^\t]\t%d\t%d\t%d\t%127[^\t]\t%127[^\n]", one->name, &one->ranks,
               &one->cliques, &one->seconds, one->environment, one->fails_with);
    cr_assert_eq(fields, 6, "not a line of the list: %s", line);
}

static size_t read_list(listed_case *cases)
{
    size_t count = 0;
    ech_child_result list = {0};
    const char *const arguments[] = {ECH_MPI_CASE_PROGRAM, "--list", ECH_MPI_CASE_LAYER, NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .timeout_ns = ech_test_limit_ns(LIST_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    cr_assert_eq(ech_child_run(&options, &list), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(list.exit_code, 0, "the list of cases cannot be read");
    char *rest = list.output;
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL && count < CASES_MAX;
         line = strtok_r(NULL, "\n", &rest)) {
        read_line(line, &cases[count++]);
    }
    ech_child_result_free(&list);
    return count;
}

static void print_output(const ech_child_result *result)
{
    fprintf(stderr, "%s%s", result->output != NULL ? result->output : "",
            result->errors != NULL ? result->errors : "");
}

static void judge(const listed_case *one, const ech_child_result *result)
{
    const bool has_to_fail = strcmp(one->fails_with, "-") != 0;
    const bool succeeded = result->exit_code == 0;
    if (result->timed_out || succeeded == has_to_fail) {
        print_output(result);
    }
    cr_assert_not(result->timed_out, "%s: not done after %u s", one->name,
                  (unsigned)one->seconds * ech_test_slowness());
    cr_assert_neq(succeeded, has_to_fail, "%s: exit code %d, signal %d", one->name,
                  result->exit_code, result->signal);
    if (has_to_fail && strstr(result->errors, one->fails_with) == NULL) {
        print_output(result);
        cr_assert_fail("%s: it did not print '%s'", one->name, one->fails_with);
    }
}

static void free_list(struct criterion_test_params *params)
{
    cr_free(params->params);
}

ParameterizedTestParameters(mpi_cases, runs)
{
    listed_case *cases = cr_calloc(CASES_MAX, sizeof *cases); /* the tests are other processes */
    const size_t count = read_list(cases);
    return cr_make_param_array(listed_case, cases, count, free_list);
}

ParameterizedTest(listed_case *one, mpi_cases, runs)
{
    char ranks[TEXT_BYTES];
    char cliques[TEXT_BYTES];
    snprintf(ranks, sizeof ranks, "%d", one->ranks);
    snprintf(cliques, sizeof cliques, "MPIR_CVAR_NUM_CLIQUES=%d", one->cliques);
    const bool has_environment = strcmp(one->environment, "-") != 0;
    const char *const arguments[] = {"mpiexec",          "-n",      ranks, ECH_MPI_CASE_PROGRAM,
                                     ECH_MPI_CASE_LAYER, one->name, NULL};
    const char *const environment[] = {cliques, has_environment ? one->environment : NULL, NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .environment = environment,
                                       .timeout_ns = ech_test_limit_ns((unsigned)one->seconds),
                                       .output_bytes_max = OUTPUT_BYTES};
    ech_child_result result = {0};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    judge(one, &result);
    ech_child_result_free(&result);
}
