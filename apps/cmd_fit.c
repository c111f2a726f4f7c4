#include <argp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/command.h"
#include "apps/fit/fit_enter.h"
#include "apps/fit/fit_job.h"
#include "apps/fit/fit_line.h"
#include "apps/fit_options.h"

enum { KEY_KEYS = 256 };

static void print_keys(void)
{
    size_t count = 0;
    const ech_option_section *sections = ech_fit_sections(&count);
    ech_options_print(stdout, sections, count);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case KEY_KEYS:
        print_keys();
        exit(EXIT_SUCCESS); /* as --help does */
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {.name = "keys", .key = KEY_KEYS, .doc = "print all keys of a configuration, and exit"},
    {0},
};

int ech_cmd_fit(int argc, char **argv)
{
    const struct argp_child children[] = {{ech_fit_line_parser(), 0, NULL, 0}, {0}};
    const struct argp parser = {.options = options, .parser = parse_option, .children = children};
    ech_fit_line line;
    ech_fit_line_init(&line);
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    return ech_command_end_job(ech_fit_enter(&line.arguments, ech_fit_job_run));
}
