/**
 * @file calibrate.h
 * The short runs that a calibration is made of, started by mpiexec or srun on this machine: rounds
 * of `echelon fit` that train nothing, and `echelon bench kernels` on several ranks at once.
 *
 * Not collective.
 */
#ifndef ECH_APPS_PLAN_CALIBRATE_H
#define ECH_APPS_PLAN_CALIBRATE_H

#include <stdbool.h>

#include "apps/plan/calibration.h"
#include "apps/plan/subject.h"
#include "apps/plan/time_forecast.h"
#include "runtime/base/status.h"

/**
 * Measure what is needed and not there.
 *
 * @param[in,out] needs  of each, what the memory moves now is set.
 * @param anew  measure also what is there.
 * @param[in,out] calibration  of this machine; what was measured is added.
 * @param[out] changed  something was added.
 * @return ECH_OK; ECH_ERR_SYSTEM (a run cannot be started or fails: the message has what it said);
 *         ECH_ERR_TIMEOUT; ECH_ERR_FILE; ECH_ERR_LIMIT; ECH_ERR_MEMORY.
 */
ech_status ech_calibrate(const ech_subject *subject, ech_forecast_needs *needs, bool anew,
                         ech_calibration *calibration, bool *changed);

#endif
