/**
 * @file program.h
 * Runs the real `echelon` for the suites of the command line.
 */
#ifndef ECH_TESTS_CLI_PROGRAM_H
#define ECH_TESTS_CLI_PROGRAM_H

#include <stddef.h>

#include "runtime/base/child.h"

enum { PROGRAM_ARGUMENTS_MAX = 40 };

/** Let the programs of this process run for so long instead of a minute (tests/limits.h). */
void program_limit(unsigned seconds);

/** Run `echelon` with arguments ended by NULL, for at most a minute; the caller frees the result.
 */
ech_child_result program_run(const char *const *arguments);

/** The same with "NAME=value" texts added to the environment, ended by NULL. */
ech_child_result program_run_environment(const char *const *environment,
                                         const char *const *arguments);

/** The same under `mpiexec -n ranks`. */
ech_child_result program_run_ranks(unsigned ranks, const char *const *arguments);

/** The same with "NAME=value" texts added to the environment, ended by NULL; NULL: none. */
ech_child_result program_run_job(unsigned ranks, const char *const *environment,
                                 const char *const *arguments);

/** The number behind a key of a JSON text, "bytes.wire.up": the first `up` behind the first `wire`
 *  behind the first `bytes`. Ends the test where there is none. */
double program_number(const char *json, const char *keys);

/** Lines in a text; one without its line feed counts too. */
size_t program_count_lines(const char *text);

#endif
