/**
 * @file subject.h
 * What a plan is about: a configuration on so many hosts and ranks, with its tree, placement, split
 * and model, all found without MPI and without the run.
 *
 * Not collective. One owner a subject.
 */
#ifndef ECH_APPS_PLAN_SUBJECT_H
#define ECH_APPS_PLAN_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/fit/fit_plugins.h"
#include "apps/fit/fit_tree.h"
#include "apps/fit_options.h"
#include "io/dataset.h"
#include "io/shards.h"
#include "kernels/network.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/ledger.h"
#include "runtime/fed/round.h"
#include "runtime/fed/stations.h"
#include "runtime/fed/strategy.h"

/** Everything is the subject's own. */
typedef struct {
    ech_config *config;
    char *config_text; /* effective, as YAML */
    ech_fit_options options;
    uint32_t hosts, ranks_per_host;
    ech_fit_tree tree;
    bool has_data;
    ech_dataset_info info; /* if it has */
    ech_shards shards;     /* if it comes from a set of shards */
    ech_network *network;
    ech_fit_plugins plugins;
    ech_strategy *strategy;
    ech_tier_rule rules[ECH_FIT_TIERS_MAX + 1]; /* the leader's, then those of tiers */
    uint32_t rule_count;
} ech_subject;

/**
 * Read it.
 *
 * @param sets  `set_count` texts "key=value", as those of `fit`.
 * @return ECH_OK; ECH_ERR_CONFIG, ECH_ERR_FILE, ECH_ERR_FORMAT (as `fit` refuses them);
 *         ECH_ERR_UNSUPPORTED (a plug-in trains: nobody knows what it costs); ECH_ERR_MEMORY.
 *         Clear the subject in any case.
 */
ech_status ech_subject_load(const char *path, const char *const *sets, size_t set_count,
                            uint32_t hosts, uint32_t ranks_per_host, ech_subject *out);
void ech_subject_clear(ech_subject *subject);

/** Who takes part in the rounds that a plan looks at: all that are not too many. */
enum { ECH_SUBJECT_ROUNDS_MAX = 16 };

/** Called with each such round's workers. @return ECH_OK to go on. */
typedef ech_status ech_subject_visitor(const ech_participant *workers, uint32_t count, void *user);

/** Draw the workers of the first rounds, as the run will. */
ech_status ech_subject_visit_rounds(const ech_subject *subject, ech_subject_visitor *visit,
                                    void *user);

/**
 * Logical bytes of a round by tier, means over those rounds.
 *
 * @param[out] tiers  ech_topology_tier_count entries, of which the wire's bytes stay 0.
 */
ech_status ech_subject_bytes(const ech_subject *subject, ech_tier_bytes *tiers);

/** Do aggregators have rules of their own, or does the leader's look at every update? */
bool ech_subject_has_stations(const ech_subject *subject);

/** Does a host's leader rank train too? */
bool ech_subject_leader_trains(const ech_subject *subject);

#endif
