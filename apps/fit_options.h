/**
 * @file fit_options.h
 * What `echelon fit` can be configured with: the tables of its keys, and their values as a struct.
 *
 * Not collective. Each rank reads the same configuration.
 */
#ifndef ECH_APPS_FIT_OPTIONS_H
#define ECH_APPS_FIT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/train.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/attack.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/roster.h"
#include "runtime/fed/site/site_list.h"
#include "runtime/fed/split.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/sum.h"
#include "runtime/fed/transfer.h"

/* Each enum in the order of its option's choices, as those of kernels/ and fed/ are
 * (data.split.kind: ech_split_kind, then ids, file).
 */
typedef enum { ECH_FIT_SPLIT_RULE, ECH_FIT_SPLIT_IDS, ECH_FIT_SPLIT_FILE } ech_fit_split_source;
typedef enum {
    ECH_FIT_TOPOLOGY_STAR,
    ECH_FIT_TOPOLOGY_BALANCED,
    ECH_FIT_TOPOLOGY_SHAPE,
    ECH_FIT_TOPOLOGY_RANDOM
} ech_fit_topology_kind;
typedef enum { ECH_FIT_PROCESS_SYNC, ECH_FIT_PROCESS_ASYNC } ech_fit_process;
typedef enum { ECH_FIT_FUSED, ECH_FIT_MATERIALISED } ech_fit_aggregators;
typedef enum {
    ECH_FIT_LEADER_AUTO,
    ECH_FIT_LEADER_TRAINS,
    ECH_FIT_LEADER_DEDICATED
} ech_fit_leader;

enum { ECH_FIT_TIERS_MAX = 16 };

/** The rule of a tier of aggregators. */
typedef struct {
    uint32_t rounds;
    const char *name; /* static */
    ech_strategy_options strategy;
} ech_fit_tier;

/** Texts and lists are borrowed from the configuration. */
typedef struct {
    const char *name;
    uint64_t seed;
    uint64_t rounds;
    ech_fit_process process;
    uint64_t evaluate_every; /* rounds; 0: never */

    struct {
        const char *file;      /* NULL: no data (only where epochs is 0), or shards */
        const char *shards;    /* NULL: a file, or no data */
        uint64_t memory_bytes; /* of samples from shards, a host; UINT64_MAX: no bound */
        const double *mean;    /* a channel, or one for all */
        size_t mean_count;
        const double *std;
        size_t std_count;
    } data;

    struct {
        ech_fit_split_source source;
        ech_split_rule rule; /* if by rule */
        const char *file;    /* else */
        const char *dataset;
    } split;

    struct {
        const char *name; /* NULL: described by the file */
        const char *file;
    } model;

    struct {
        const char *file; /* NULL: generated */
        ech_fit_topology_kind kind;
        uint32_t workers;
        uint32_t height;      /* balanced; random: at most */
        uint32_t aggregators; /* random */
        const double *shape;  /* shape: whole numbers */
        size_t shape_count;
    } topology;

    struct {
        const char *name;
        ech_strategy_options options;
        ech_sum_kind sum;
        bool always_include_aggregators;
        const char *plugin; /* NULL: none */
        const char *plugin_options;
    } strategy;

    ech_fit_tier tiers[ECH_FIT_TIERS_MAX]; /* below the leader */
    uint32_t tier_count;
    ech_cutoff cutoff;
    ech_attack_options attack; /* workers 0: none */

    ech_training train;

    struct {
        const char *plugin; /* instead of `model` and `data`; NULL: none */
        const char *plugin_options;
    } training;

    struct {
        uint32_t tiers;
        const char *replay; /* NULL: none */
        bool is_virtual;
        ech_pace_options pace; /* if virtual */
        const char *trace;     /* NULL: none */
    } async;                   /* if the process is */

    uint32_t threads; /* a rank */
    ech_engine_choice engine;
    ech_fit_leader leader;
    ech_fit_aggregators aggregators;
    ech_homes workers_on;
    ech_transfer_options transfer;

    struct {
        uint64_t every; /* rounds; 0: at the end only */
        double seconds; /* at least, from one to the next */
        uint32_t keep;
        bool goes_on; /* the run, when one cannot be written */
    } checkpoint;

    struct {
        const char *listen; /* NULL: no remote sites */
        const char *key;
        const char *admitted;
        double wait;                 /* seconds */
        ech_compression compression; /* unless a node says otherwise */
    } sites;

    struct {
        const char *name, *endpoint, *key, *leader; /* NULL where unsaid */
        double wait;                                /* seconds */
        uint32_t tells;                             /* ech_site_tells */
        uint32_t epochs_most;                       /* 0: any number */
        uint64_t rounds_most;
    } site; /* this job, of `echelon site` */
} ech_fit_options;

/** The sections of all keys. Static. */
const ech_option_section *ech_fit_sections(size_t *count);

/** Load and check a configuration, as ech_config_load does, with the checks that join keys. */
ech_status ech_fit_config_load(const char *path, const char *const *sets, size_t set_count,
                               ech_config **out);

/** The values of a configuration that was loaded against the sections above. */
ech_fit_options ech_fit_options_of(const ech_config *config);

#endif
