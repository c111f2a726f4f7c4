/**
 * @file fit_shards.h
 * A run's data from a set of shards (`data.shards`): a host's leader rank reads the samples of the
 * workers that are placed there, once, into the host's shared memory, from whichever files have
 * them. A worker that a rank of another host trains is read by that rank from its file, into memory
 * of its own; and so is every worker, when it is trained, where a host's samples do not fit into
 * `data.memory`. Of a worker that does not fit either, each batch is read when it is trained on.
 */
#ifndef ECH_APPS_FIT_SHARDS_H
#define ECH_APPS_FIT_SHARDS_H

#include "apps/fit/fit_data.h"

/** Opaque. */
typedef struct ech_fit_shards ech_fit_shards;

/* As the functions of fit_data.h. */
ech_status ech_fit_shards_create(const ech_fit_data_source *source, ech_fit_shards **out);
void ech_fit_shards_destroy(ech_fit_shards **shards);
const ech_dataset_info *ech_fit_shards_info(const ech_fit_shards *shards);
uint64_t ech_fit_shards_count(const ech_fit_shards *shards, uint64_t worker);
ech_status ech_fit_shards_worker(ech_fit_shards *shards, uint64_t worker,
                                 const ech_shard_pause *pause, ech_fit_worker *out);
ech_status ech_fit_shards_pick(ech_fit_shards *shards, uint64_t worker, const uint32_t *numbers,
                               uint32_t count, ech_fit_part *out);
ech_status ech_fit_shards_test(ech_fit_shards *shards, uint64_t first, uint64_t count,
                               ech_fit_part *out);

#endif
