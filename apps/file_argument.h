/**
 * @file file_argument.h
 * The command line of a command on one file: FILE and --json, which all of them share, and options
 * of its own.
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

typedef struct {
    const char *takes; /* as help names it: "DATA.h5" */
    const char *doc;
    const struct argp_option *options; /* of its own; NULL: none */
    argp_parser_t parse;               /* of these; its checks come after those of FILE */
} ech_file_command;

/**
 * Parse the command line. A missing file and a second one are refused.
 *
 * @param given  begins with an ech_file_argument; the input of `parse`.
 */
void ech_file_command_parse(const ech_file_command *command, int argc, char **argv, void *given);

#endif
