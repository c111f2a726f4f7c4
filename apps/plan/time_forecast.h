/**
 * @file time_forecast.h
 * The time of a configuration's rounds, from a calibration. Not collective.
 */
#ifndef ECH_APPS_PLAN_TIME_FORECAST_H
#define ECH_APPS_PLAN_TIME_FORECAST_H

#include <stdbool.h>

#include "apps/plan/calibration.h"
#include "apps/plan/subject.h"
#include "runtime/base/status.h"

enum { ECH_NEEDED_ROUNDS_MAX = 3, ECH_FORECAST_REASON_BYTES = 256 };

typedef struct {
    ech_round_manner manner;
    double bytes_per_second; /* that the memory moves now; NaN: not known */
} ech_round_need;

/** The measurements that a forecast is made from. */
typedef struct {
    /* Of the host's own ranks; then, of several hosts, of two, and of as many ranks on one. */
    ech_round_need rounds[ECH_NEEDED_ROUNDS_MAX];
    uint32_t rounds_count;
    ech_kernels_manner kernels;
    bool trains; /* else the kernels are not needed */
} ech_forecast_needs;

void ech_forecast_needs_of(const ech_subject *subject, const ech_calibration *calibration,
                           ech_forecast_needs *out);

typedef struct {
    bool known;
    char reason[ECH_FORECAST_REASON_BYTES]; /* why not; or what it stands on */
    double start_seconds;
    double first_seconds; /* of the first round */
    ech_round_cost round; /* mean over the rounds */
    double total_seconds; /* of the run */
    double samples_per_second;
} ech_time_forecast;

/** @return ECH_OK; ECH_ERR_MEMORY. */
ech_status ech_time_forecast_make(const ech_subject *subject, const ech_calibration *calibration,
                                  const ech_forecast_needs *needs, ech_time_forecast *out);

/** Rounds of that manner, or of the number of ranks that is nearest; of those the ones whose memory
 *  was as fast as now, or, where that is not known, the slowest. NULL: there are none. */
const ech_calibration_rounds *ech_forecast_nearest(const ech_calibration *calibration,
                                                   const ech_round_need *need);

#endif
