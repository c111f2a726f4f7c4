#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "apps/command.h"
#include "tests/cli/program.h"
#include "tests/support.h"

static ech_child_result result;

static void end_test(void)
{
    ech_child_result_free(&result);
    ech_test_expect_no_leak();
}

TestSuite(commands, .fini = end_test);

static void run(const char *const *arguments)
{
    ech_child_result_free(&result);
    result = program_run(arguments);
}

static void expect_refused(const char *const *arguments, const char *message)
{
    run(arguments);
    cr_expect_eq(result.exit_code, 2);
    cr_expect_str_eq(result.output, "");
    cr_expect_str_eq(result.errors, message);
}

Test(commands, help_lists_every_command)
{
    run((const char *[]){"--help", NULL});
    cr_expect_eq(result.exit_code, 0);
    cr_expect_str_eq(result.errors, "");
    for (const ech_command *command = ech_commands(); command->name != NULL; command++) {
        cr_expect_not_null(strstr(result.output, command->name), "%s is missing", command->name);
        cr_expect_not_null(strstr(result.output, command->summary), "%s is missing", command->name);
    }
}

Test(commands, every_command_has_help_of_its_own)
{
    for (const ech_command *command = ech_commands(); command->name != NULL; command++) {
        run((const char *[]){command->name, "--help", NULL});
        cr_expect_eq(result.exit_code, 0, "%s --help", command->name);
        char usage[128];
        snprintf(usage, sizeof usage, "Usage: echelon %s", command->name);
        cr_expect_eq(strncmp(result.output, usage, strlen(usage)), 0, "%s --help prints: %s",
                     command->name, result.output);
    }
}

Test(commands, fit_and_scale_print_their_keys)
{
    run((const char *[]){"fit", "--keys", NULL});
    cr_expect_eq(result.exit_code, 0);
    cr_expect_str_eq(result.errors, "");
    cr_expect_not_null(strstr(result.output, "\n  train.lr "), "%s", result.output);
    run((const char *[]){"scale", "--keys", NULL});
    cr_expect_eq(result.exit_code, 0);
    cr_expect_not_null(strstr(result.output, "\n  job.walltime "), "%s", result.output);
    run((const char *[]){"run", "-n", "2", "--keys", NULL});
    cr_expect_eq(result.exit_code, 2, "%s", result.output);
}

Test(commands, the_version_is_told)
{
    run((const char *[]){"--version", NULL});
    cr_expect_eq(result.exit_code, 0);
    cr_expect_eq(strncmp(result.output, "echelon 0.", 10), 0, "%s", result.output);
}

Test(commands, an_unknown_command_is_met_by_its_nearest)
{
    expect_refused(
        (const char *[]){"topoo", NULL},
        "echelon: error: unknown command 'echelon topoo': did you mean 'echelon topo'?\n");
    expect_refused((const char *[]){"frobnicate", NULL},
                   "echelon: error: unknown command 'echelon frobnicate': `echelon --help` lists "
                   "them\n");
    expect_refused((const char *[]){"topo", "shwo", NULL},
                   "echelon: error: unknown command 'echelon topo shwo': did you mean 'echelon "
                   "topo show'?\n");
    expect_refused((const char *[]){NULL},
                   "echelon: error: a command is missing: `echelon --help` lists them\n");
    expect_refused((const char *[]){"topo", NULL},
                   "echelon: error: a command is missing: `echelon topo --help` lists them\n");
}

Test(commands, an_unknown_option_is_bad_usage)
{
    run((const char *[]){"topo", "show", "--wrokers", "4", NULL});
    cr_expect_eq(result.exit_code, 2);
    cr_expect_not_null(strstr(result.errors, "--wrokers"), "%s", result.errors);
}
