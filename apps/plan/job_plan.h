/**
 * @file job_plan.h
 * The plan of a job: its subject, memory and time, its placement and its script, for people and as
 * JSON. Not collective.
 */
#ifndef ECH_APPS_PLAN_JOB_PLAN_H
#define ECH_APPS_PLAN_JOB_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "apps/plan/calibration.h"
#include "apps/plan/memory_forecast.h"
#include "apps/plan/subject.h"
#include "apps/plan/time_forecast.h"
#include "apps/report/buffer.h"
#include "apps/scale/script.h"
#include "runtime/base/status.h"

/** The name of a plan's file in the folder of the run that it is of. */
#define ECH_JOB_PLAN_FILE "plan.json"

/** Zero-initialise it; borrowed: the subject, the calibration, its path and the needs. */
typedef struct {
    const ech_subject *subject;
    const ech_calibration *calibration;
    const char *calibration_path;
    const ech_forecast_needs *needs;
    bool is_calibrated;      /* MPI's own memory is known */
    double bytes_per_second; /* that a host's ranks move at once, now or when calibrated; NaN */
    ech_memory_forecast memory;
    ech_time_forecast time;
    ech_tier_bytes *tiers; /* of a round, by tier */
    ech_buffer script;
} ech_job_plan;

/** Foretell memory, time and bytes. @return ECH_OK; what the forecasts return; ECH_ERR_MEMORY. */
ech_status ech_job_plan_make(ech_job_plan *plan);
void ech_job_plan_clear(ech_job_plan *plan);

/** Where the script and the run's results would go: an absolute path. */
ech_status ech_job_plan_write_script(ech_job_plan *plan, ech_scheduler scheduler,
                                     const char *folder);

/** Write the script with what it needs, and the plan, into an existing folder. ECH_ERR_FILE. */
ech_status ech_job_plan_save(const ech_job_plan *plan, const char *folder);

/** Standard output. */
void ech_job_plan_print(const ech_job_plan *plan);
ech_status ech_job_plan_write_json(const ech_job_plan *plan, FILE *file);

#endif
