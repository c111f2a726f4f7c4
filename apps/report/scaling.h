/**
 * @file scaling.h
 * Runs as points of a scaling study: which of them repeat one another, which belong to one curve,
 * and how their times compare with the ideal.
 *
 * Not collective. One owner a study.
 */
#ifndef ECH_REPORT_SCALING_H
#define ECH_REPORT_SCALING_H

#include "apps/report/phases.h"
#include "apps/report/prediction.h"
#include "apps/report/run.h"

typedef enum {
    ECH_SCALING_NONE,   /* no two runs differ in ranks or in workers alone */
    ECH_SCALING_STRONG, /* over ranks, the work is the same: ideal time falls as 1 / ranks */
    ECH_SCALING_WEAK,   /* over workers, as many of them a rank: ideal time is constant */
    ECH_SCALING_POOLED, /* over workers on the same ranks: ideal time grows with the workers */
} ech_scaling_kind;

/** Repeats of one size, in one. */
typedef struct {
    double x;       /* ranks or workers */
    double seconds; /* of a round: median over the repeats */
    double least;   /* and their spread */
    double most;
    double
        phases[ECH_PHASE_COUNT]; /* seconds of a round, means over the repeats; start: of a run */
    size_t repeats;
    /* Of each repeat, what was predicted of it by what it took, less 1: the one in the middle. NaN
     * where nothing was predicted. */
    double seconds_error;
    /* means over the repeats, NaN where not known */
    double rank_bytes, host_bytes;
    ech_prediction predicted;
} ech_scaling_point;

/** One curve: runs that differ in size only. */
typedef struct {
    char *label;
    const ech_run *run;        /* one of them */
    size_t number;             /* of the curve, from 0 */
    ech_scaling_point *points; /* ascending x */
    size_t count;
} ech_scaling_curve;

typedef struct {
    ech_scaling_kind kind;
    ech_scaling_curve *curves;
    size_t count;
} ech_scaling;

/** Has each worker a rank of its own? Such runs are a study apart. */
bool ech_scaling_is_processes(const ech_run *run);

/** Sort runs into a study; kind ECH_SCALING_NONE and no curves if they are none. @return ECH_OK;
 *  ECH_ERR_MEMORY; what ech_prediction_load returns. */
ech_status ech_scaling_create(const ech_runs *runs, ech_scaling *out);
void ech_scaling_free(ech_scaling *scaling);

/** What x counts: "ranks" or "workers". */
const char *ech_scaling_x_title(const ech_scaling *scaling);

/** Ideal seconds at point `at`, from the curve's smallest size. */
double ech_scaling_ideal(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at);

/** Ideal over measured seconds: 1 is perfect. */
double ech_scaling_efficiency(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at);

/** How many times faster than the smallest size, the work's growth counted in: ideal is x / x0. */
double ech_scaling_speedup(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at);

#endif
