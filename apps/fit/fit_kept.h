/**
 * @file fit_kept.h
 * What a process keeps beside the model, as blobs of a checkpoint. Of the synchronous one what
 * workers and aggregators keep between rounds: the numbers of those that have some, and a vector
 * for each; and what else decides its next round. Of the asynchronous one all that it stands at.
 * Rank 0's; not collective.
 */
#ifndef ECH_APPS_FIT_KEPT_H
#define ECH_APPS_FIT_KEPT_H

#include <stdint.h>

#include "io/checkpoint.h"
#include "runtime/base/status.h"
#include "runtime/fed/async.h"
#include "runtime/fed/sync.h"

enum {
    ECH_FIT_KEPT_SETS = 2, /* workers, aggregators */
    ECH_FIT_KEPT_BLOBS_MAX = 2 * ECH_FIT_KEPT_SETS + 1 + ECH_ASYNC_PARTS
};

/** Who keeps it: one of the two, the other NULL. Borrowed. */
typedef struct {
    ech_sync *sync;
    ech_async *async;
    uint64_t value_count; /* of a worker's vector */
} ech_fit_keepers;

/** Vectors by number. */
typedef struct {
    uint32_t *numbers;
    float *values;
} ech_fit_kept_set;

/** Copies of all that is kept; zero-initialise. */
typedef struct {
    ech_fit_kept_set sets[ECH_FIT_KEPT_SETS];
    void *sync_state;
    ech_async_part parts[ECH_ASYNC_PARTS];
} ech_fit_kept;

void ech_fit_kept_clear(ech_fit_kept *kept);

/** Read it and describe it: the blobs borrow from `kept`.
 * @param[in,out] count  of the blobs so far.
 * @return ECH_OK; ECH_ERR_MEMORY; ECH_ERR_MPI. */
ech_status ech_fit_kept_pack(const ech_fit_keepers *keepers, ech_fit_kept *kept, ech_blob *blobs,
                             size_t *count);

/** Put back what a checkpoint holds. @return ECH_OK; ECH_ERR_CONFIG; ECH_ERR_FORMAT;
 * ECH_ERR_MEMORY; ECH_ERR_MPI. */
ech_status ech_fit_kept_restore(ech_checkpoint *checkpoint, const ech_fit_keepers *keepers);

#endif
