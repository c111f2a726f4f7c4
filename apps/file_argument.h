/**
 * @file file_argument.h
 * FILE and --json, which the commands on one file share, as a child of their parsers (argp).
 *
 *     static const struct argp_child children[] = {{&ech_file_argument_parser, 0, NULL, 0}, {0}};
 *
 * and at ARGP_KEY_INIT `state->child_inputs[0]` is set to the command's ech_file_argument. A
 * missing file and a second one are refused; the parent's checks at ARGP_KEY_END come after.
 */
#ifndef ECH_APPS_FILE_ARGUMENT_H
#define ECH_APPS_FILE_ARGUMENT_H

#include <argp.h>
#include <stdbool.h>

typedef struct {
    const char *what; /* that is expected: "a data file" */
    const char *file;
    bool json;
} ech_file_argument;

extern const struct argp ech_file_argument_parser;

#endif
