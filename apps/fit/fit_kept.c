#include "apps/fit/fit_kept.h"

#include <string.h>

#include "runtime/base/memory.h"

static const char sync_blob[] = "sync/state";

/* A set of vectors: where it is kept, and the names of its blobs. */
typedef struct {
    ech_worker_states *states; /* NULL: there is none */
    uint64_t value_count;
    const char *numbers_blob, *values_blob;
} vector_set;

static vector_set set_of(const ech_fit_keepers *keepers, int number)
{
    if (number == 0) {
        return (vector_set){ech_sync_worker_states(keepers->sync), keepers->value_count,
                            "workers/numbers", "workers/vectors"};
    }
    return (vector_set){ech_sync_station_vectors(keepers->sync),
                        ech_sync_station_values(keepers->sync), "aggregators/numbers",
                        "aggregators/vectors"};
}

void ech_fit_kept_clear(ech_fit_kept *kept)
{
    for (int s = 0; s < ECH_FIT_KEPT_SETS; s++) {
        ech_free(kept->sets[s].numbers);
        ech_free(kept->sets[s].values);
    }
    ech_free(kept->sync_state);
    ech_async_parts_clear(kept->parts);
    *kept = (ech_fit_kept){0};
}

static ech_status make_room(ech_fit_kept_set *set, uint64_t count, uint64_t value_count)
{
    set->numbers = ech_calloc(count, sizeof *set->numbers);
    set->values = ech_calloc(count, value_count * sizeof *set->values);
    return set->numbers != NULL && set->values != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

/* ---- to blobs ---- */

static ech_status pack_set(const vector_set *from, ech_fit_kept_set *set, ech_blob *blobs,
                           size_t *count)
{
    const uint64_t vectors = ech_worker_states_count(from->states);
    ech_status status = make_room(set, vectors, from->value_count);
    if (status == ECH_OK) {
        status = ech_worker_states_read(from->states, set->numbers, set->values);
    }
    blobs[(*count)++] =
        (ech_blob){from->numbers_blob, set->numbers, vectors * sizeof *set->numbers};
    blobs[(*count)++] = (ech_blob){from->values_blob, set->values,
                                   vectors * from->value_count * sizeof *set->values};
    return status;
}

static ech_status pack_sync(const ech_fit_keepers *keepers, ech_fit_kept *kept, ech_blob *blobs,
                            size_t *count)
{
    ech_status status = ECH_OK;
    for (int s = 0; s < ECH_FIT_KEPT_SETS && status == ECH_OK; s++) {
        const vector_set from = set_of(keepers, s);
        if (from.states != NULL) {
            status = pack_set(&from, &kept->sets[s], blobs, count);
        }
    }
    size_t bytes = 0;
    if (status == ECH_OK) {
        status = ech_sync_save(keepers->sync, &kept->sync_state, &bytes);
    }
    if (status == ECH_OK) {
        blobs[(*count)++] = (ech_blob){sync_blob, kept->sync_state, bytes};
    }
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
    if (keepers->sync != NULL) {
        status = pack_sync(keepers, kept, blobs, count);
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

static ech_status restore_set(ech_checkpoint *checkpoint, const vector_set *into,
                              ech_fit_kept_set *set)
{
    const uint64_t count = blob_bytes(checkpoint, into->numbers_blob) / sizeof *set->numbers;
    ech_status status = make_room(set, count, into->value_count);
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, into->numbers_blob, set->numbers,
                                          count * sizeof *set->numbers);
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, into->values_blob, set->values,
                                          count * into->value_count * sizeof *set->values);
    }
    return status == ECH_OK
               ? ech_worker_states_write(into->states, set->numbers, (uint32_t)count, set->values)
               : status;
}

static ech_status restore_sync(ech_checkpoint *checkpoint, const ech_fit_keepers *keepers,
                               ech_fit_kept *kept)
{
    ech_status status = ECH_OK;
    for (int s = 0; s < ECH_FIT_KEPT_SETS && status == ECH_OK; s++) {
        const vector_set into = set_of(keepers, s);
        if (into.states != NULL) {
            status = restore_set(checkpoint, &into, &kept->sets[s]);
        }
    }
    const uint64_t bytes = blob_bytes(checkpoint, sync_blob);
    kept->sync_state = ech_calloc(bytes, 1);
    if (status == ECH_OK && kept->sync_state == NULL) {
        status = ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, sync_blob, kept->sync_state, bytes);
    }
    return status == ECH_OK ? ech_sync_restore(keepers->sync, kept->sync_state, bytes) : status;
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
    if (keepers->sync != NULL) {
        status = restore_sync(checkpoint, keepers, &kept);
    }
    if (status == ECH_OK && keepers->async != NULL) {
        status = restore_async(checkpoint, keepers, &kept);
    }
    ech_fit_kept_clear(&kept);
    return status;
}
