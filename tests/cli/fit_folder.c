#include "tests/cli/fit_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/program.h"
#include "tests/cli/tiny_data.h"

enum { RANKS_IF_UNSAID = 2 };

static char folder[ECH_TEST_PATH_BYTES];
static char config_path[ECH_TEST_PATH_BYTES];

void fit_folder_start(const char *config_text)
{
    char data_path[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "fit.yaml", config_text, config_path);
    tiny_data_make(folder, data_path);
}

void fit_folder_stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

const char *fit_folder(void)
{
    return folder;
}

const char *fit_folder_config(void)
{
    return config_path;
}

ech_child_result fit_folder_run(const fit_run *run)
{
    char out_path[FIT_PATH_BYTES];
    snprintf(out_path, sizeof out_path, "%s/%s", folder, run->out != NULL ? run->out : "out");
    const char *arguments[PROGRAM_ARGUMENTS_MAX] = {"fit", config_path, "--out", out_path,
                                                    run->resume ? "--resume" : "--overwrite"};
    size_t count = 5;
    for (size_t i = 0; i < FIT_SETS_MAX && run->sets[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = run->sets[i];
    }
    const char *environment[] = {run->environment, NULL};
    return program_run_job(run->ranks > 0 ? run->ranks : RANKS_IF_UNSAID, environment, arguments);
}

void fit_read_hash(const ech_child_result *result, char hash[FIT_HASH_BYTES])
{
    static const char label[] = "model xxh128 ";
    cr_assert_eq(result->exit_code, 0, "%s", result->errors);
    const char *line = strstr(result->output, label);
    cr_assert_not_null(line, "no model hash in: %s%s", result->output, result->errors);
    snprintf(hash, FIT_HASH_BYTES, "%s", line + strlen(label));
    cr_assert_eq(strlen(hash), FIT_HASH_BYTES - 1);
}

void fit_folder_hash(const fit_run *run, char hash[FIT_HASH_BYTES])
{
    ech_child_result result = fit_folder_run(run);
    fit_read_hash(&result, hash);
    ech_child_result_free(&result);
}

void fit_folder_expect_one_model(const fit_run *runs, size_t count, char first[FIT_HASH_BYTES])
{
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&runs[0], first);
    for (size_t i = 1; i < count; i++) {
        fit_folder_hash(&runs[i], hash);
        cr_expect_str_eq(hash, first, "run %zu (%s) gave another model", i,
                         runs[i].sets[0] != NULL ? runs[i].sets[0] : "no settings");
    }
}

void fit_folder_expect_refused(const fit_run *run, const char *expected)
{
    ech_child_result refused = fit_folder_run(run);
    cr_expect_eq(refused.exit_code, 2, "%s: exit code %d: %s",
                 run->sets[0] != NULL ? run->sets[0] : "no settings", refused.exit_code,
                 refused.errors);
    cr_expect_not_null(strstr(refused.errors, expected), "'%s' is not in: %s", expected,
                       refused.errors);
    ech_child_result_free(&refused);
}
