#include "apps/fit/fit_kept.h"

#include <string.h>

#include "runtime/base/memory.h"

static const char workers_blob[] = "workers/numbers";
static const char values_blob[] = "workers/vectors";

void ech_fit_kept_clear(ech_fit_kept *kept)
{
    ech_free(kept->workers);
    ech_free(kept->values);
    ech_async_parts_clear(kept->parts);
    *kept = (ech_fit_kept){0};
}

static ech_status make_room(ech_fit_kept *kept, uint64_t count, uint64_t value_count)
{
    kept->workers = ech_calloc(count, sizeof *kept->workers);
    kept->values = ech_calloc(count, value_count * sizeof *kept->values);
    return kept->workers != NULL && kept->values != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

/* ---- to blobs ---- */

static ech_status pack_workers(const ech_fit_keepers *keepers, ech_fit_kept *kept, ech_blob *blobs,
                               size_t *count)
{
    const uint64_t workers = ech_worker_states_count(keepers->states);
    ech_status status = make_room(kept, workers, keepers->value_count);
    if (status == ECH_OK) {
        status = ech_worker_states_read(keepers->states, kept->workers, kept->values);
    }
    blobs[(*count)++] = (ech_blob){workers_blob, kept->workers, workers * sizeof *kept->workers};
    blobs[(*count)++] = (ech_blob){values_blob, kept->values,
                                   workers * keepers->value_count * sizeof *kept->values};
    return status;
}

static ech_status pack_async(const ech_fit_keepers *keepers, ech_fit_kept *kept, ech_blob *blobs,
                             size_t *count)
{
    const ech_status status = ech_async_save(keepers->async, kept->parts);
    for (int p = 0; p < ECH_ASYNC_PARTS; p++) {
        const ech_async_part *part = &kept->parts[p];
        blobs[(*count)++] = (ech_blob){part->name, part->data, part->bytes};
    }
    return status;
}

ech_status ech_fit_kept_pack(const ech_fit_keepers *keepers, ech_fit_kept *kept, ech_blob *blobs,
                             size_t *count)
{
    ech_status status = ECH_OK;
    if (keepers->states != NULL) {
        status = pack_workers(keepers, kept, blobs, count);
    }
    if (status == ECH_OK && keepers->async != NULL) {
        status = pack_async(keepers, kept, blobs, count);
    }
    return status;
}

/* ---- and back ---- */

static uint64_t blob_bytes(const ech_checkpoint *checkpoint, const char *name)
{
    const ech_checkpoint_info *info = ech_checkpoint_describe(checkpoint);
    for (size_t i = 0; i < info->blob_count; i++) {
        if (strcmp(info->blobs[i].name, name) == 0) {
            return info->blobs[i].bytes;
        }
    }
    return 0;
}

static ech_status restore_workers(ech_checkpoint *checkpoint, const ech_fit_keepers *keepers,
                                  ech_fit_kept *kept)
{
    const uint64_t count = blob_bytes(checkpoint, workers_blob) / sizeof *kept->workers;
    ech_status status = make_room(kept, count, keepers->value_count);
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, workers_blob, kept->workers,
                                          count * sizeof *kept->workers);
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, values_blob, kept->values,
                                          count * keepers->value_count * sizeof *kept->values);
    }
    return status == ECH_OK ? ech_worker_states_write(keepers->states, kept->workers,
                                                      (uint32_t)count, kept->values)
                            : status;
}

static ech_status restore_async(ech_checkpoint *checkpoint, const ech_fit_keepers *keepers,
                                ech_fit_kept *kept)
{
    ech_async_parts_name(kept->parts);
    ech_status status = ECH_OK;
    for (int p = 0; p < ECH_ASYNC_PARTS && status == ECH_OK; p++) {
        ech_async_part *part = &kept->parts[p];
        part->bytes = blob_bytes(checkpoint, part->name);
        part->data = ech_calloc(part->bytes, 1);
        status = part->data != NULL
                     ? ech_checkpoint_read_blob(checkpoint, part->name, part->data, part->bytes)
                     : ECH_ERR_MEMORY;
    }
    return status == ECH_OK ? ech_async_restore(keepers->async, kept->parts) : status;
}

ech_status ech_fit_kept_restore(ech_checkpoint *checkpoint, const ech_fit_keepers *keepers)
{
    ech_fit_kept kept = {0};
    ech_status status = ECH_OK;
    if (keepers->states != NULL) {
        status = restore_workers(checkpoint, keepers, &kept);
    }
    if (status == ECH_OK && keepers->async != NULL) {
        status = restore_async(checkpoint, keepers, &kept);
    }
    ech_fit_kept_clear(&kept);
    return status;
}
