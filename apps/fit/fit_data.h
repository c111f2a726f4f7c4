/**
 * @file fit_data.h
 * A run's data in its host's shared memory: images, labels, and which worker holds what. Read once
 * a host, by its leader rank; every rank reads it in place.
 */
#ifndef ECH_APPS_FIT_DATA_H
#define ECH_APPS_FIT_DATA_H

#include <stdint.h>

#include "apps/fit_options.h"
#include "io/dataset.h"
#include "io/service.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

/** Opaque. */
typedef struct ech_fit_data ech_fit_data;

/** Samples of one part, in place. */
typedef struct {
    const uint8_t *images; /* [count][C][H][W] */
    const uint8_t *labels;
    uint64_t count;
} ech_fit_part;

/**
 * Read and deal out what `data.file` and `data.split` name. Without `data.file` every part is
 * empty and no worker has samples. Collective over the machine.
 *
 * @param io            on leader ranks; NULL on the others.
 * @param worker_count  leaves of the topology; the same on every rank.
 * @return the same on every rank: ECH_OK; ECH_ERR_FILE, ECH_ERR_FORMAT, ECH_ERR_CONFIG (more
 *         workers than samples, a split file that does not fit); ECH_ERR_MEMORY, ECH_ERR_MPI.
 */
ech_status ech_fit_data_create(ech_machine *machine, const ech_config *config,
                               const ech_fit_options *options, ech_io *io, uint32_t worker_count,
                               ech_fit_data **out);
/** Collective. */
void ech_fit_data_destroy(ech_fit_data **data);

/** Shape and classes; NULL if there is no data. */
const ech_dataset_info *ech_fit_data_info(const ech_fit_data *data);
ech_fit_part ech_fit_data_part(const ech_fit_data *data, ech_data_part part);

/** The samples of a worker: numbers into the training part. @return their count. */
uint64_t ech_fit_data_worker(const ech_fit_data *data, uint64_t worker, const uint32_t **indices);

#endif
