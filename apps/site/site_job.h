/**
 * @file site_job.h
 * The job of `echelon site`: the same start as `echelon fit`, then rounds for a leader elsewhere.
 */
#ifndef ECH_APPS_SITE_SITE_JOB_H
#define ECH_APPS_SITE_SITE_JOB_H

#include "apps/fit/fit_job.h"
#include "io/service.h"
#include "runtime/base/status.h"

/**
 * Collective over the job. MPI has been started.
 *
 * @param arguments  configuration and settings; the rest is not read.
 * @param prepared, io  as of ech_fit_job_run.
 * @return the same on every rank; see member.h.
 */
ech_status ech_site_job_run(const ech_fit_arguments *arguments, const ech_failure *prepared,
                            ech_io **io);

#endif
