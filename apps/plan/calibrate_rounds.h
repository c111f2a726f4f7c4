/**
 * @file calibrate_rounds.h
 * Rounds that train nothing, over the models' sizes and the workers, measured by short runs while
 * the memory's speed is watched. For calibrate.c.
 */
#ifndef ECH_APPS_PLAN_CALIBRATE_ROUNDS_H
#define ECH_APPS_PLAN_CALIBRATE_ROUNDS_H

#include "apps/plan/calibration.h"
#include "apps/plan/short_run.h"
#include "apps/plan/subject.h"
#include "apps/plan/time_forecast.h"
#include "runtime/base/status.h"

/** Measure rounds of that manner, and keep them: of each speed that the memory had for long enough,
 *  and of the one that is needed, be it by the nearest. Errors as of ech_calibrate. */
ech_status ech_calibrate_rounds(const ech_short_runs *runs, const ech_subject *subject,
                                const ech_round_need *need, ech_calibration *calibration);

#endif
