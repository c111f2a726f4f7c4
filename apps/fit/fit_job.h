/**
 * @file fit_job.h
 * One run of `echelon fit`, from the configuration to the closing table. Collective over the job.
 */
#ifndef ECH_APPS_FIT_JOB_H
#define ECH_APPS_FIT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/status.h"

/** What the command line says. */
typedef struct {
    const char *config_path;
    const char *const *sets;
    size_t set_count;
    const char *folder;
    uint64_t until_s; /* seconds since 1970 by which it must have ended; 0: no limit */
    bool resume;
    bool overwrite;
    bool json;
} ech_fit_arguments;

/**
 * Run it. MPI has been started.
 *
 * @param prepared  what this process's start ended with; a failure on any rank is every rank's.
 * @param io  each process's own; taken over, and nulled.
 * @return the same on every rank. ECH_ERR_INTERRUPTED: stopped early with a checkpoint.
 */
ech_status ech_fit_job_run(const ech_fit_arguments *arguments, const ech_failure *prepared,
                           ech_io **io);

#endif
