/**
 * @file fit_shards_room.h
 * What a host keeps of a set of shards, in the memory that `data.memory` gives it. Pure.
 */
#ifndef ECH_APPS_FIT_SHARDS_ROOM_H
#define ECH_APPS_FIT_SHARDS_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "io/shards.h"

/** What a host keeps of a set. */
typedef struct {
    uint64_t samples; /* training samples in its shared memory: all of its workers', or none */
    uint64_t tests;   /* test samples there: all or none */
    uint64_t stage;   /* samples for which each rank has memory of its own */
} ech_fit_shards_room;

/** A host that is to keep some of a set. */
typedef struct {
    uint64_t samples; /* of the workers that are placed there */
    uint32_t ranks;
    bool has_strays;       /* there are other hosts, whose workers its ranks may come to train */
    uint32_t batch;        /* samples that a rank trains on at once */
    uint64_t memory_bytes; /* UINT64_MAX: no bound */
} ech_fit_shards_host;

/** What it keeps. Where a rank's stage is below ech_fit_shards_least, the memory is too small. */
ech_fit_shards_room ech_fit_shards_room_of(const ech_shards *set, const ech_fit_shards_host *host);

/** Samples for which a rank needs memory of its own, to read them when it trains on them. */
uint64_t ech_fit_shards_least(const ech_shards *set, uint32_t batch);

#endif
