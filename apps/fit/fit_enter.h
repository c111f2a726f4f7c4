/**
 * @file fit_enter.h
 * How a process of a job begins: its guard, its I/O service, its signals, then MPI.
 */
#ifndef ECH_APPS_FIT_ENTER_H
#define ECH_APPS_FIT_ENTER_H

#include "apps/fit/fit_job.h"

/** A job, as ech_fit_job_run. */
typedef ech_status (*ech_fit_entered)(const ech_fit_arguments *arguments,
                                      const ech_failure *prepared, ech_io **io);

/** Begin, and run the job. @return its status, the same on every rank once MPI has started. */
ech_status ech_fit_enter(const ech_fit_arguments *arguments, ech_fit_entered job);

#endif
