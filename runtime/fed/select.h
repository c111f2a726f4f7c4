/**
 * @file select.h
 * Which workers take part in a round. Not collective; deterministic from (seed, round).
 */
#ifndef ECH_FED_SELECT_H
#define ECH_FED_SELECT_H

#include <stdint.h>

#include "runtime/base/status.h"

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
/** Samples of a worker; 1 where there is no data at all. */
uint64_t ech_population_samples(const ech_population *population, uint32_t worker);

/** The workers of one round, ascending. Reused from round to round; zero-initialise it. */
typedef struct {
    uint32_t *workers;
    uint32_t count;
    uint32_t capacity;
} ech_selection;

void ech_selection_clear(ech_selection *selection);

/**
 * A fixed share: max(1, round(share * eligible)) workers without replacement.
 *
 * @param share  above 0, up to 1.
 */
ech_status ech_select_share(const ech_population *population, double share, uint64_t seed,
                            uint64_t round, ech_selection *out);

#endif
