/**
 * @file arguments.h
 * Values of command-line options, read the same way by every command. Each call ends the process
 * through `argp_error` (a line that names the option and what was expected, exit code 2) when the
 * text is not one. Not collective.
 */
#ifndef ECH_APPS_ARGUMENTS_H
#define ECH_APPS_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

#include "kernels/engine.h"

/** The whole number in `text`, from `least` to `most`. @param name  the option's, without dashes.
 */
int64_t ech_argument_number(struct argp_state *state, const char *name, const char *text,
                            int64_t least, int64_t most);

/** The number in `text`, above 0. */
double ech_argument_positive(struct argp_state *state, const char *name, const char *text);

/** The choice of engine that --engine names. */
ech_engine_choice ech_argument_engine(struct argp_state *state, const char *text);

#endif
