/**
 * @file arguments.h
 * Values of command-line options, read the same way by every command. Each call ends the process
 * through `argp_error` (a line that names the option and what was expected, exit code 2) when the
 * text is not one. Not collective.
 */
#ifndef ECH_APPS_ARGUMENTS_H
#define ECH_APPS_ARGUMENTS_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/scale/script.h"
#include "kernels/engine.h"

enum { ECH_ARGUMENT_SETS_MAX = 256 };

/**
 * The whole number in `text`, from `least` to `most`.
 *
 * @param name  the option's, without dashes.
 * @param most  INT64_MAX: no bound to tell of.
 */
int64_t ech_argument_number(struct argp_state *state, const char *name, const char *text,
                            int64_t least, int64_t most);

/** The number in `text`, above 0. */
double ech_argument_positive(struct argp_state *state, const char *name, const char *text);

/** The choice of engine that --engine names. */
ech_engine_choice ech_argument_engine(struct argp_state *state, const char *text);

/** The scheduler that --scheduler names. */
ech_scheduler ech_argument_scheduler(struct argp_state *state, const char *text);

/**
 * Keep the one argument that a command takes; a second is refused.
 *
 * @param what  it is: "configuration".
 * @param kept  NULL until it has come. The text is borrowed.
 */
void ech_argument_keep(struct argp_state *state, const char *what, const char **kept,
                       const char *text);

/** Keep the text of one more --set in `sets`, which holds ECH_ARGUMENT_SETS_MAX. */
void ech_argument_set(struct argp_state *state, const char **sets, size_t *count, const char *text);

#endif
