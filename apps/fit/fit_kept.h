/**
 * @file fit_kept.h
 * What workers keep between rounds, as two blobs of a checkpoint: the numbers of those that have
 * trained, and a vector for each. Rank 0's; not collective.
 */
#ifndef ECH_APPS_FIT_KEPT_H
#define ECH_APPS_FIT_KEPT_H

#include <stdint.h>

#include "io/checkpoint.h"
#include "runtime/base/status.h"
#include "runtime/fed/worker_states.h"

enum { ECH_FIT_KEPT_BLOBS = 2 };

/** Copies of all that the workers keep; zero-initialise. */
typedef struct {
    uint32_t *workers;
    float *values;
} ech_fit_kept;

void ech_fit_kept_clear(ech_fit_kept *kept);

/** Read the workers' vectors and describe them: the blobs borrow from `kept`.
 * @return ECH_OK; ECH_ERR_MEMORY; ECH_ERR_MPI. */
ech_status ech_fit_kept_pack(const ech_worker_states *states, uint64_t value_count,
                             ech_fit_kept *kept, ech_blob blobs[ECH_FIT_KEPT_BLOBS]);

/** Put back what a checkpoint holds. @return ECH_OK; ECH_ERR_FORMAT; ECH_ERR_MEMORY; ECH_ERR_MPI.
 */
ech_status ech_fit_kept_restore(ech_checkpoint *checkpoint, uint64_t value_count,
                                ech_worker_states *states);

#endif
