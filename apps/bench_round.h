/**
 * @file bench_round.h
 * The overhead of a round: no training, no data; every worker receives the whole model and returns
 * its own whole update, by the code that trains. `fit` with `train.epochs: 0`, without its files.
 *
 * Collective over the job.
 */
#ifndef ECH_APPS_BENCH_ROUND_H
#define ECH_APPS_BENCH_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/arguments.h"
#include "apps/fit/fit_totals.h"
#include "io/service.h"
#include "runtime/base/status.h"

enum {
    ECH_BENCH_ROUNDS_MAX = 1000,
};

typedef struct {
    const char *model;
    uint32_t workers;
    uint32_t rounds;
    bool processes;                          /* a rank a worker; else many workers a rank */
    const char *sets[ECH_ARGUMENT_SETS_MAX]; /* further keys of `fit` */
    size_t set_count;
} ech_bench_round_options;

/** Rank 0's. `totals` is cleared by the caller. */
typedef struct {
    ech_fit_totals totals;
    double seconds[ECH_BENCH_ROUNDS_MAX]; /* of each round, in their order */
    uint64_t value_count;
    double bytes_per_second; /* that the cores in use move (memory_probe.h) */
    double bound_seconds;    /* of a round, from that */
} ech_bench_round_result;

/** Median of the rounds. */
double ech_bench_round_median(const ech_bench_round_result *result);

/** @param prepared, io  as of ech_fit_job_run. @return the same on every rank. */
ech_status ech_bench_round(const ech_bench_round_options *options, const ech_failure *prepared,
                           ech_io **io, ech_bench_round_result *result);

#endif
