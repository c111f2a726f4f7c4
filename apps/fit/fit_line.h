/**
 * @file fit_line.h
 * The command line of `echelon fit`, which `echelon run` takes too.
 */
#ifndef ECH_APPS_FIT_LINE_H
#define ECH_APPS_FIT_LINE_H

#include <argp.h>

#include "apps/arguments.h"
#include "apps/fit/fit_job.h"

typedef struct {
    ech_fit_arguments arguments; /* its sets are those below */
    const char *sets[ECH_ARGUMENT_SETS_MAX];
} ech_fit_line;

/** Nothing given yet. */
void ech_fit_line_init(ech_fit_line *line);

/** The parser, whose input is an ech_fit_line. Static. */
const struct argp *ech_fit_line_parser(void);

#endif
