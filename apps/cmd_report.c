#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "apps/command.h"
#include "apps/report/report.h"
#include "io/service.h"

enum { KEY_NO_PUBLISHED = 256 };

static error_t parse(int key, char *text, struct argp_state *state)
{
    ech_report_request *given = state->input;
    switch (key) {
    case 'o':
        given->directory = text;
        return 0;
    case KEY_NO_PUBLISHED:
        given->published = false;
        return 0;
    case ARGP_KEY_ARGS:
        given->paths = (const char *const *)(state->argv + state->next);
        given->path_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no run record given");
        return EINVAL;
    case ARGP_KEY_END:
        if (given->directory == NULL) {
            argp_error(state, "--out DIR is missing: where to write the report");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"out", 'o', "DIR", 0, "write report.html and the pictures there", 0},
    {"no-published", KEY_NO_PUBLISHED, NULL, 0,
     "leave out the results of others, which are drawn where the runs repeat their experiments", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "RUN.h5...",
    .doc = "Draw run records: one page DIR/report.html that compares the runs, and beside it each "
           "picture as SVG and its numbers as CSV.",
};

int ech_cmd_report(int argc, char **argv)
{
    ech_report_request given = {.published = true};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return ech_status_exit_code(ECH_ERR_CONFIG);
    }
    ech_io *io = NULL;
    ech_status status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = ech_report_write(io, &given);
    }
    ech_io_destroy(&io);
    if (status == ECH_OK) {
        printf("%s/report.html\n", given.directory);
    }
    return ech_command_exit_input(status);
}
