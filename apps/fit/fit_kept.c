#include "apps/fit/fit_kept.h"

#include <string.h>

#include "runtime/base/memory.h"

static const char workers_blob[] = "workers/numbers";
static const char values_blob[] = "workers/vectors";

void ech_fit_kept_clear(ech_fit_kept *kept)
{
    ech_free(kept->workers);
    ech_free(kept->values);
    *kept = (ech_fit_kept){0};
}

static ech_status make_room(ech_fit_kept *kept, uint64_t count, uint64_t value_count)
{
    kept->workers = ech_calloc(count, sizeof *kept->workers);
    kept->values = ech_calloc(count, value_count * sizeof *kept->values);
    return kept->workers != NULL && kept->values != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

ech_status ech_fit_kept_pack(const ech_worker_states *states, uint64_t value_count,
                             ech_fit_kept *kept, ech_blob blobs[ECH_FIT_KEPT_BLOBS])
{
    const uint64_t count = ech_worker_states_count(states);
    ech_status status = make_room(kept, count, value_count);
    if (status == ECH_OK) {
        status = ech_worker_states_read(states, kept->workers, kept->values);
    }
    blobs[0] = (ech_blob){workers_blob, kept->workers, count * sizeof *kept->workers};
    blobs[1] = (ech_blob){values_blob, kept->values, count * value_count * sizeof *kept->values};
    return status;
}

static uint64_t count_workers(const ech_checkpoint *checkpoint)
{
    const ech_checkpoint_info *info = ech_checkpoint_describe(checkpoint);
    for (size_t i = 0; i < info->blob_count; i++) {
        if (strcmp(info->blobs[i].name, workers_blob) == 0) {
            return info->blobs[i].bytes / sizeof(uint32_t);
        }
    }
    return 0;
}

ech_status ech_fit_kept_restore(ech_checkpoint *checkpoint, uint64_t value_count,
                                ech_worker_states *states)
{
    const uint64_t count = count_workers(checkpoint);
    ech_fit_kept kept = {0};
    ech_status status = make_room(&kept, count, value_count);
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, workers_blob, kept.workers,
                                          count * sizeof *kept.workers);
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, values_blob, kept.values,
                                          count * value_count * sizeof *kept.values);
    }
    if (status == ECH_OK) {
        status = ech_worker_states_write(states, kept.workers, (uint32_t)count, kept.values);
    }
    ech_fit_kept_clear(&kept);
    return status;
}
