/**
 * @file phases.h
 * The phases that a run's time goes to, their names and colours.
 */
#ifndef ECH_REPORT_PHASES_H
#define ECH_REPORT_PHASES_H

#include "apps/report/run.h"

typedef enum {
    ECH_PHASE_START, /* from the run's begin to its first round */
    ECH_PHASE_SEND,
    ECH_PHASE_TRAIN,
    ECH_PHASE_AGGREGATE,
    ECH_PHASE_EVALUATE,
    ECH_PHASE_WAIT,
    ECH_PHASE_COUNT
} ech_phase;

extern const char *const ech_phase_names[ECH_PHASE_COUNT];
extern const int ech_phase_colours[ECH_PHASE_COUNT];

/** Seconds of a phase in one round, mean over the ranks; NaN if not recorded; 0 of the start. */
double ech_phase_of_round(const ech_round_row *row, ech_phase phase);

/** Seconds of a phase in a whole run. */
double ech_phase_of_run(const ech_run *run, ech_phase phase);

#endif
