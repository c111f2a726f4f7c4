/**
 * @file fit_shards.h
 * A run's data from a set of shards (`data.shards`): a host's leader rank reads the samples of the
 * workers that are placed there, once, into the host's shared memory, from whichever files have
 * them. A worker that a rank of another host trains is read by that rank from its file, into memory
 * of its own; and so is every worker, when it is trained, where a host's samples do not fit into
 * `data.memory`.
 */
#ifndef ECH_APPS_FIT_SHARDS_H
#define ECH_APPS_FIT_SHARDS_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/fit/fit_data.h"
#include "io/shards.h"

/** Opaque. */
typedef struct ech_fit_shards ech_fit_shards;

/** What a host keeps of a set. */
typedef struct {
    uint64_t samples; /* training samples in its shared memory: all of its workers', or none */
    uint64_t tests;   /* test samples there: all or none */
    uint64_t stage;   /* samples for which each rank has memory of its own */
} ech_fit_shards_room;

/**
 * What a host keeps in so much memory.
 *
 * @param samples     of the workers that are placed there.
 * @param has_strays  ranks of other hosts' workers: there are other hosts.
 */
ech_fit_shards_room ech_fit_shards_room_of(const ech_shards *set, uint64_t samples, uint32_t ranks,
                                           bool has_strays, uint64_t memory_bytes);

/* As the functions of fit_data.h. */
ech_status ech_fit_shards_create(const ech_fit_data_source *source, ech_fit_shards **out);
void ech_fit_shards_destroy(ech_fit_shards **shards);
const ech_dataset_info *ech_fit_shards_info(const ech_fit_shards *shards);
uint64_t ech_fit_shards_count(const ech_fit_shards *shards, uint64_t worker);
ech_status ech_fit_shards_worker(ech_fit_shards *shards, uint64_t worker,
                                 const ech_shard_pause *pause, ech_fit_worker *out);
ech_status ech_fit_shards_test(ech_fit_shards *shards, uint64_t first, uint64_t count,
                               ech_fit_part *out);

#endif
