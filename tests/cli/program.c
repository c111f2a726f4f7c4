#define _POSIX_C_SOURCE 200809L
#include "tests/cli/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/limits.h"

enum { OUTPUT_BYTES = 1 << 20 };

static unsigned limit_seconds = 60;

void program_limit(unsigned seconds)
{
    limit_seconds = seconds;
}

static ech_child_result run(const char *const *environment, const char *const *arguments)
{
    ech_child_result result;
    const ech_child_options options = {
        .arguments = arguments,
        .environment = environment,
        .timeout_ns = ech_test_limit_ns(limit_seconds),
        .output_bytes_max = OUTPUT_BYTES,
    };
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_assert_not(result.timed_out, "still running at the limit: %s", result.errors);
    return result;
}

static void append(const char **all, size_t used, const char *const *arguments)
{
    size_t count = 0;
    while (arguments[count] != NULL) {
        cr_assert_lt(used + count, PROGRAM_ARGUMENTS_MAX);
        all[used + count] = arguments[count];
        count++;
    }
    all[used + count] = NULL;
}

ech_child_result program_run_environment(const char *const *environment,
                                         const char *const *arguments)
{
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {ECH_BUILD_DIR "/bin/echelon"};
    append(all, 1, arguments);
    return run(environment, all);
}

ech_child_result program_run(const char *const *arguments)
{
    return program_run_environment(NULL, arguments);
}

ech_child_result program_run_ranks(unsigned ranks, const char *const *arguments)
{
    return program_run_job(ranks, NULL, arguments);
}

ech_child_result program_run_job(unsigned ranks, const char *const *environment,
                                 const char *const *arguments)
{
    char count[16];
    snprintf(count, sizeof count, "%u", ranks);
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {"mpiexec", "-n", count,
                                                  ECH_BUILD_DIR "/bin/echelon"};
    append(all, 4, arguments);
    return run(environment, all);
}

double program_number(const char *json, const char *keys)
{
    const char *at = json;
    for (const char *key = keys; *key != '\0';) {
        char label[64];
        const size_t length = strcspn(key, ".");
        snprintf(label, sizeof label, "\"%.*s\":", (int)length, key);
        at = strstr(at, label);
        cr_assert_not_null(at, "no %s in %s", keys, json);
        at += strlen(label);
        key += length + (key[length] == '.');
    }
    return strtod(at, NULL);
}

size_t program_count_lines(const char *text)
{
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; lines++) {
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return lines;
}
