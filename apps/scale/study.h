/**
 * @file study.h
 * A scaling study: which runs of one configuration it asks for, and in which jobs they go.
 *
 *     name: weak-scaling
 *     kind: weak                        # or strong: the same work on more ranks
 *     config: overhead.yaml             # what all runs have in common
 *     variants: [processes, pooled]     # a rank a worker; many workers a rank
 *     models: [tinynet, resnet18]
 *     workers: [2, 8, 32]
 *     ranks: [2]                        # of the pooled variant
 *     repeats: 3
 *     job: {walltime: 1800, partition: compute, account: project}
 *
 * A run is one configuration on one number of ranks; runs that need the same ranks share a job.
 * Not collective. One owner a study.
 */
#ifndef ECH_APPS_SCALE_STUDY_H
#define ECH_APPS_SCALE_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/config.h"
#include "runtime/base/status.h"

enum { ECH_STUDY_ID_BYTES = 160 };

typedef enum { ECH_STUDY_WEAK, ECH_STUDY_STRONG } ech_study_kind;
typedef enum { ECH_STUDY_PROCESSES, ECH_STUDY_POOLED, ECH_STUDY_VARIANT_COUNT } ech_study_variant;

/** "processes", "pooled". */
const char *ech_study_variant_name(ech_study_variant variant);

/** What a job asks the machine for. */
typedef struct {
    ech_study_variant variant;
    uint32_t ranks;
    uint32_t hosts;
    uint32_t ranks_per_host;
    uint32_t threads; /* of each rank */
} ech_study_job;

typedef struct {
    char id[ECH_STUDY_ID_BYTES]; /* also its folder's name */
    size_t job;                  /* in the study's jobs */
    uint32_t workers;
    uint32_t repeat;      /* from 1 */
    const char *model;    /* borrowed from the study; NULL: the configuration's */
    const char *transfer; /* the same */
} ech_study_run;

/** What schedulers are told of every job; texts are borrowed, NULL where not given. */
typedef struct {
    uint64_t walltime_seconds; /* 0: no limit */
    uint64_t margin_seconds;
    const char *partition;
    const char *account;
    const char *modules;
    bool keep_checkpoints;
    bool calibrate;
} ech_study_demands;

typedef struct {
    ech_config *config;
    ech_study_kind kind;
    const char *name;
    char *base_text; /* the runs' common configuration, effective, as YAML */
    ech_study_job *jobs;
    size_t job_count;
    ech_study_run *runs; /* by repeat */
    size_t run_count;
    ech_study_demands demands;
    size_t left_out; /* sizes beyond `ranks_most` and `workers_most` */
} ech_study;

/** The sections of all keys. Static. */
const ech_option_section *ech_study_sections(size_t *count);

/**
 * Read a study, expand it, and check each run's configuration.
 *
 * @param sets  `set_count` texts "key=value" for the study's own keys, after the file.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_CONFIG with file, line and key; ECH_ERR_MEMORY.
 */
ech_status ech_study_load(const char *path, const char *const *sets, size_t set_count,
                          ech_study *out);
void ech_study_clear(ech_study *study);

/** Name of a job, such as "pooled-r2"; `bytes` of room. */
void ech_study_job_name(const ech_study_job *job, char *text, size_t bytes);

enum { ECH_STUDY_SETS_MAX = 6, ECH_STUDY_SET_BYTES = ECH_STUDY_ID_BYTES + 32 };

/** What sets a run apart from the base configuration, as texts "key=value" for `--set`, none with a
 *  blank. @return their number. */
size_t ech_study_run_sets(const ech_study *study, const ech_study_run *run,
                          char room[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES]);

#endif
