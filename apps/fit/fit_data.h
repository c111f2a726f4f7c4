/**
 * @file fit_data.h
 * A run's data on its host: images, labels, and which worker holds what.
 *
 * From a file: all of it in the host's shared memory, read once a host by its leader rank; every
 * rank reads it in place. From shards: the host's own workers' samples (fit_shards.h).
 */
#ifndef ECH_APPS_FIT_DATA_H
#define ECH_APPS_FIT_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/fit_options.h"
#include "io/dataset.h"
#include "io/service.h"
#include "io/shard_reader.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/placement.h"
#include "runtime/mpi/machine.h"

/** Opaque. */
typedef struct ech_fit_data ech_fit_data;

/** What the data is made from; borrowed during the call, the machine for the data's life. */
typedef struct {
    ech_machine *machine;
    const ech_config *config;
    const ech_fit_options *options;
    ech_io *io;                     /* leader ranks; NULL on the others */
    uint32_t worker_count;          /* leaves of the topology; the same on every rank */
    const ech_placement *placement; /* rank 0 */
} ech_fit_data_source;

/** Samples of one part, in place. */
typedef struct {
    const uint8_t *images; /* [count][C][H][W] */
    const uint8_t *labels;
    uint64_t count;
} ech_fit_part;

/** A worker's samples: `count` numbers into a part, or, without numbers, the part itself. */
typedef struct {
    ech_fit_part part;
    const uint32_t *indices; /* NULL: all of the part, in order */
    uint64_t count;
    bool in_batches; /* more than this rank holds at once: ech_fit_data_pick brings them */
} ech_fit_worker;

/**
 * Read and deal out what `data` names. Without a data set every part is empty and no worker has
 * samples. Collective over the machine.
 *
 * @return the same on every rank: ECH_OK; ECH_ERR_FILE, ECH_ERR_FORMAT, ECH_ERR_CONFIG (more
 *         workers than samples, a split file that does not fit, shards of another number of
 *         workers, data.memory too small); ECH_ERR_MEMORY, ECH_ERR_MPI.
 */
ech_status ech_fit_data_create(const ech_fit_data_source *source, ech_fit_data **out);
/** Collective. */
void ech_fit_data_destroy(ech_fit_data **data);

/** Memory that a host keeps the data of so many workers in. */
uint64_t ech_fit_data_bytes(const ech_dataset_info *info, uint32_t worker_count);

/** Shape and classes; NULL if there is no data. */
const ech_dataset_info *ech_fit_data_info(const ech_fit_data *data);

/** Number of samples that a worker holds. */
uint64_t ech_fit_data_count(const ech_fit_data *data, uint64_t worker);

/**
 * A worker's samples, valid until this rank's next call of this or the next function.
 *
 * @param pause  called now and then where the samples have to be read from a file.
 * @return ECH_OK; ECH_ERR_FILE, ECH_ERR_FORMAT (a shard is missing or damaged).
 */
ech_status ech_fit_data_worker(ech_fit_data *data, uint64_t worker, const ech_shard_pause *pause,
                               ech_fit_worker *out);

/** A batch, at most train.batch, of the samples of a worker that comes `in_batches`: by their
 *  numbers, 0 to count - 1. Valid and errors as above. */
ech_status ech_fit_data_pick(ech_fit_data *data, uint64_t worker, const uint32_t *numbers,
                             uint32_t count, ech_fit_part *out);

/** Test samples from `first` on: `count` of them or, where they have to be read from a file, as
 *  many as this rank holds at once, at least one. Valid and errors as above. */
ech_status ech_fit_data_test(ech_fit_data *data, uint64_t first, uint64_t count, ech_fit_part *out);

#endif
