/* Splits by whole classes: a few classes a worker, and McMahan et al.'s shards (AISTATS 2017). */
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"

ech_status ech_split_shuffle_classes(const ech_split_data *data, uint64_t seed, uint64_t attempt,
                                     uint32_t **begins, uint32_t **items)
{
    *begins = ech_calloc((size_t)data->class_count + 2, sizeof **begins);
    *items = ech_alloc(data->sample_count * sizeof **items);
    if (*begins == NULL || *items == NULL) {
        ech_free(*begins);
        ech_free(*items);
        return ECH_ERR_MEMORY;
    }
    /* Counting sort, one place further on: entry c + 1 runs from the begin of class c to its end.
     */
    uint32_t *ends = *begins + 1;
    for (uint32_t i = 0; i < data->sample_count; i++) {
        ends[data->labels[i] + 1]++;
    }
    for (uint32_t c = 0; c < data->class_count; c++) {
        ends[c + 1] += ends[c];
    }
    for (uint32_t i = 0; i < data->sample_count; i++) {
        (*items)[ends[data->labels[i]]++] = i;
    }
    for (uint32_t c = 0; c < data->class_count; c++) {
        ech_random stream =
            ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_SHUFFLE, c, attempt);
        ech_random_shuffle_u32(&stream, *items + (*begins)[c], (*begins)[c + 1] - (*begins)[c]);
    }
    return ECH_OK;
}

/* Who holds which class: holds[class * workers + worker]. */
static void draw_classes(uint32_t worker_count, uint32_t class_count, uint32_t classes_each,
                         uint64_t seed, bool *holds)
{
    for (uint32_t w = 0; w < worker_count; w++) {
        ech_random stream =
            ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_LABELS, w, 0);
        holds[(size_t)(w % class_count) * worker_count + w] = true;
        for (uint32_t held = 1; held < classes_each;) {
            const uint64_t class_number = ech_random_below(&stream, class_count);
            bool *place = &holds[class_number * worker_count + w];
            held += !*place;
            *place = true;
        }
    }
}

/* A class goes in equal parts to those who hold it; to nobody if none does. */
static void deal_class(const bool *holds, uint32_t worker_count, const uint32_t *items,
                       uint32_t count, uint32_t *owners)
{
    uint64_t holder_count = 0;
    for (uint32_t w = 0; w < worker_count; w++) {
        holder_count += holds[w];
    }
    uint64_t holder = 0;
    uint32_t at = 0;
    for (uint32_t w = 0; w < worker_count; w++) {
        holder += holds[w];
        const uint32_t end = holds[w] ? (uint32_t)(holder * count / holder_count) : at;
        for (; at < end; at++) {
            owners[items[at]] = w;
        }
    }
}

ech_status ech_split_classes(const ech_split_data *data, uint32_t worker_count,
                             uint32_t classes_each, uint64_t seed, ech_split **out)
{
    *out = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status != ECH_OK) {
        return status;
    }
    if (classes_each == 0 || classes_each > data->class_count) {
        return ech_fail(ECH_ERR_CONFIG,
                        "split: expected 1 to %u classes a worker, as there are, got %u",
                        data->class_count, classes_each);
    }
    uint32_t *begins = NULL;
    uint32_t *items = NULL;
    uint32_t *owners = ech_alloc(data->sample_count * sizeof *owners);
    bool *holds = ech_calloc((size_t)worker_count * data->class_count, sizeof *holds);
    status = owners != NULL && holds != NULL
                 ? ech_split_shuffle_classes(data, seed, 0, &begins, &items)
                 : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        memset(owners, 0xff, data->sample_count * sizeof *owners);
        draw_classes(worker_count, data->class_count, classes_each, seed, holds);
        for (uint32_t c = 0; c < data->class_count; c++) {
            deal_class(holds + (size_t)c * worker_count, worker_count, items + begins[c],
                       begins[c + 1] - begins[c], owners);
        }
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
        ech_free(begins);
        ech_free(items);
    }
    ech_free(owners);
    ech_free(holds);
    return status;
}

/* Shard s of the samples sorted by class goes to worker order[s] / shards_each. */
static void deal_shards(uint32_t shard_count, uint32_t shards_each, const uint32_t *order,
                        const uint32_t *items, uint32_t count, uint32_t *owners)
{
    for (uint64_t s = 0; s < shard_count; s++) {
        const uint64_t end = (s + 1) * count / shard_count;
        for (uint64_t at = s * count / shard_count; at < end; at++) {
            owners[items[at]] = order[s] / shards_each;
        }
    }
}

ech_status ech_split_shards(const ech_split_data *data, uint32_t worker_count, uint32_t shards_each,
                            uint64_t seed, ech_split **out)
{
    *out = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status != ECH_OK) {
        return status;
    }
    if (shards_each == 0 || shards_each > data->sample_count / worker_count) {
        return ech_fail(ECH_ERR_CONFIG,
                        "split: %u shards for each of %u workers from %u samples: expected at "
                        "least 1 shard, of at least 1 sample",
                        shards_each, worker_count, data->sample_count);
    }
    const uint32_t shard_count = shards_each * worker_count;
    uint32_t *begins = NULL;
    uint32_t *items = NULL;
    uint32_t *owners = ech_alloc(data->sample_count * sizeof *owners);
    uint32_t *order = ech_alloc(shard_count * sizeof *order);
    status = owners != NULL && order != NULL
                 ? ech_split_shuffle_classes(data, seed, 0, &begins, &items)
                 : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        for (uint32_t s = 0; s < shard_count; s++) {
            order[s] = s;
        }
        ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_DEAL, 0, 0);
        ech_random_shuffle_u32(&stream, order, shard_count);
        deal_shards(shard_count, shards_each, order, items, data->sample_count, owners);
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
        ech_free(begins);
        ech_free(items);
    }
    ech_free(owners);
    ech_free(order);
    return status;
}
