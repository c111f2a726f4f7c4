/**
 * @file select.h
 * Which workers take part in a round. Not collective; deterministic from (seed, round).
 */
#ifndef ECH_FED_SELECT_H
#define ECH_FED_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/topology.h"

/** The workers that can be selected: those with samples. Opaque; immutable. */
typedef struct ech_population ech_population;

/**
 * @param samples  of each worker; NULL where there is no data at all: every worker is eligible.
 *                 Borrowed until the population is destroyed.
 * @return ECH_OK; ECH_ERR_CONFIG if nobody has samples; ECH_ERR_MEMORY.
 */
ech_status ech_population_create(const uint64_t *samples, uint32_t worker_count,
                                 ech_population **out);
void ech_population_destroy(ech_population **population);

uint32_t ech_population_count(const ech_population *population); /* eligible workers */
uint32_t ech_population_worker(const ech_population *population, uint32_t index);
bool ech_population_holds(const ech_population *population, uint32_t worker);
/** Samples of a worker; 1 where there is no data at all. */
uint64_t ech_population_samples(const ech_population *population, uint32_t worker);

/** The workers of one round, ascending. Reused from round to round; zero-initialise it. */
typedef struct {
    uint32_t *workers;
    uint32_t count;
    uint32_t capacity;
} ech_selection;

void ech_selection_clear(ech_selection *selection);
/** Room for so many; what is there stays. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_selection_reserve(ech_selection *selection, uint32_t count);

typedef enum {
    ECH_SELECT_UNIFORM,     /* everyone as likely, without replacement */
    ECH_SELECT_BERNOULLI,   /* each by itself with probability `share`; one if that leaves nobody */
    ECH_SELECT_SIZE,        /* in proportion to samples, without replacement */
    ECH_SELECT_ROUND_ROBIN, /* those whose turn is longest ago: runs of the workers' order */
} ech_select_policy;

/** How many take part, and who. */
typedef struct {
    ech_select_policy policy;
    double share;   /* max(1, round(share * eligible)) workers; above 0, up to 1 */
    uint32_t count; /* workers, at most those eligible; 0: by the share */
    double more;    /* of that, in addition: 0.3 selects 30 % more; at least 0 */
} ech_select_rule;

/** Those of a population for whom `holds` says so, maybe none. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_population_subset(const ech_population *population,
                                 bool (*holds)(uint32_t worker, void *user), void *user,
                                 ech_population **out);

/** Workers that a round is meant to have, without more. */
uint32_t ech_select_goal(const ech_population *population, const ech_select_rule *rule);
/** The most workers that a round can have. */
uint32_t ech_select_most(const ech_population *population, const ech_select_rule *rule);

/**
 * The workers of a round.
 *
 * @param round  from 1 on.
 * @return ECH_OK; ECH_ERR_ARGUMENT (a share out of range, a count for Bernoulli); ECH_ERR_MEMORY.
 */
ech_status ech_select(const ech_population *population, const ech_select_rule *rule, uint64_t seed,
                      uint64_t round, ech_selection *out);

/**
 * Where no worker of an aggregator was selected (nor of one below it), add one of those whose
 * parent it is, all as likely.
 *
 * @param[in,out] selection  ascending, before and after.
 * @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_select_aggregators(const ech_topology *topology, const ech_population *population,
                                  uint64_t seed, uint64_t round, ech_selection *selection);

#endif
