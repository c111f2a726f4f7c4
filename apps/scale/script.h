/**
 * @file script.h
 * Job scripts: the templates of jobs/, which are texts of the program, with their settings filled
 * in. A template is a script that runs as it is; a setting is the rest of a line that begins with
 * its name, such as "#SBATCH --nodes=" or "ranks=".
 *
 * Not collective.
 */
#ifndef ECH_APPS_SCALE_SCRIPT_H
#define ECH_APPS_SCALE_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "apps/report/buffer.h"
#include "apps/scale/study.h"

typedef enum {
    ECH_SCHEDULER_LOCAL,
    ECH_SCHEDULER_SLURM,
    ECH_SCHEDULER_PBS,
    ECH_SCHEDULER_COUNT
} ech_scheduler;

/** By name: "local", "slurm", "pbs". @return ECH_SCHEDULER_COUNT if there is none. */
ech_scheduler ech_scheduler_find(const char *name);

/** What all scripts are told. Paths are absolute; texts are borrowed. */
typedef struct {
    ech_scheduler scheduler;
    const char *name;    /* of the study or the configuration */
    const char *echelon; /* the program */
    const char *here;    /* folder of the scripts */
    const char *study;   /* folder of the study */
    const ech_study_demands *demands;
} ech_script_frame;

typedef struct {
    const char *name;   /* file's, without ending */
    const char *config; /* of the runs */
    const char *list;   /* of runs; "": the configuration alone */
    const char *out;    /* folder of the results */
    const ech_study_job *size;
    bool collected; /* a collector waits for it */
} ech_script_job;

/** A job's script, the collector's, and the one that sends them. Sticky errors in `out`. */
void ech_script_write_job(const ech_script_frame *frame, const ech_script_job *job,
                          ech_buffer *out);
void ech_script_write_collect(const ech_script_frame *frame, ech_buffer *out);
/** @param jobs  their names, separated by blanks. */
void ech_script_write_submit(const ech_script_frame *frame, const char *jobs, ech_buffer *out);

/** The text of runs.sh, which job scripts source. Static. */
const char *ech_script_runs(void);

/** ECH_ERR_CONFIG unless a path can stand in a script and in a scheduler's directive as it is. */
ech_status ech_script_check_path(const char *what, const char *path);

#endif
