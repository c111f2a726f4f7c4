#include "apps/fit/fit_data.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "apps/fit/fit_shards.h"
#include "apps/fit/fit_split.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/window.h"

/* Where things lie in the host's segment. */
typedef struct {
    uint64_t images[ECH_DATA_PART_COUNT];
    uint64_t labels[ECH_DATA_PART_COUNT];
    uint64_t offsets; /* uint64 [workers + 1] */
    uint64_t indices; /* uint32 [training samples] */
    uint64_t bytes;
} segment_map;

/* What rank 0 tells the others. */
typedef struct {
    ech_dataset_info info;
    bool present;
} data_header;

struct ech_fit_data {
    ech_machine *machine;
    data_header header;
    uint32_t worker_count;
    segment_map map;
    ech_window *window;     /* of a file's data; NULL without */
    ech_fit_shards *shards; /* NULL without */
};

static uint64_t take(uint64_t *end, uint64_t bytes)
{
    const uint64_t begin = *end;
    *end += (bytes + ECH_MEMORY_ALIGNMENT - 1) / ECH_MEMORY_ALIGNMENT * ECH_MEMORY_ALIGNMENT;
    return begin;
}

static segment_map lay_out(const ech_dataset_info *info, uint32_t worker_count)
{
    segment_map map = {0};
    for (int part = 0; part < ECH_DATA_PART_COUNT; part++) {
        map.images[part] = take(&map.bytes, info->samples[part] * ech_dataset_sample_bytes(info));
        map.labels[part] = take(&map.bytes, info->samples[part]);
    }
    map.offsets = take(&map.bytes, ((uint64_t)worker_count + 1) * sizeof(uint64_t));
    map.indices = take(&map.bytes, info->samples[ECH_DATA_TRAIN] * sizeof(uint32_t));
    return map;
}

uint64_t ech_fit_data_bytes(const ech_dataset_info *info, uint32_t worker_count)
{
    return lay_out(info, worker_count).bytes;
}

static void *at(const ech_fit_data *data, uint64_t offset)
{
    return (char *)ech_window_base(data->window) + offset;
}

static ech_status read_part(ech_fit_data *data, ech_dataset *dataset, ech_data_part part)
{
    const uint64_t count = data->header.info.samples[part];
    if (count == 0) {
        return ECH_OK;
    }
    memcpy(at(data, data->map.labels[part]), ech_dataset_labels(dataset, part), count);
    return ech_dataset_read_images(dataset, part, 0, count, at(data, data->map.images[part]));
}

static ech_fit_part part_of(const ech_fit_data *data, ech_data_part part)
{
    return (ech_fit_part){
        .images = at(data, data->map.images[part]),
        .labels = at(data, data->map.labels[part]),
        .count = data->header.info.samples[part],
    };
}

static ech_status deal(ech_fit_data *data, const ech_fit_data_source *source)
{
    const ech_fit_part train = part_of(data, ECH_DATA_TRAIN);
    const ech_split_data labelled = {.labels = train.labels,
                                     .sample_count = (uint32_t)train.count,
                                     .class_count = data->header.info.classes};
    ech_split *split = NULL;
    const ech_status status =
        ech_fit_split(source->options, source->io, &labelled, data->worker_count, &split);
    if (status != ECH_OK) {
        return status;
    }
    memcpy(at(data, data->map.offsets), split->offsets,
           ((uint64_t)data->worker_count + 1) * sizeof *split->offsets);
    memcpy(at(data, data->map.indices), split->indices,
           split->sample_count * sizeof *split->indices);
    ech_split_destroy(&split);
    return ECH_OK;
}

static ech_status fill_segment(ech_fit_data *data, const ech_fit_data_source *source,
                               ech_dataset *opened)
{
    ech_status status = ech_window_populate(data->window, 0, data->map.bytes);
    for (int part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        status = read_part(data, opened, (ech_data_part)part);
    }
    return status == ECH_OK ? deal(data, source) : status;
}

/* Every host's leader rank reads the file for itself. */
static ech_status fill_on_leader(ech_fit_data *data, const ech_fit_data_source *source,
                                 ech_dataset **opened)
{
    if (!ech_machine_is_leader(data->machine)) {
        return ECH_OK;
    }
    ech_status status = ECH_OK;
    if (*opened == NULL) {
        status = ech_dataset_open(source->io, source->options->data.file, opened);
    }
    return status == ECH_OK ? fill_segment(data, source, *opened) : status;
}

static ech_status describe_on_rank_0(ech_fit_data *data, const ech_fit_data_source *source,
                                     ech_dataset **opened)
{
    ech_status status = ECH_OK;
    if (ech_machine_rank(data->machine) == 0) {
        status = ech_dataset_open(source->io, source->options->data.file, opened);
        if (status == ECH_OK) {
            data->header.info = *ech_dataset_describe(*opened);
            status = ech_fit_split_check(source->config, &data->header.info, data->worker_count);
        }
    }
    ech_comm *comm = ech_machine_comm(data->machine);
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, &data->header, sizeof data->header, 0);
    }
    return status;
}

static ech_status load_file(ech_fit_data *data, const ech_fit_data_source *source)
{
    ech_dataset *opened = NULL;
    data->header.present = true;
    ech_status status = describe_on_rank_0(data, source, &opened);
    if (status == ECH_OK) {
        data->map = lay_out(&data->header.info, data->worker_count);
        status = ech_window_create(data->machine, "data", data->map.bytes, false, &data->window);
    }
    if (status == ECH_OK) {
        status =
            ech_comm_agree(ech_machine_comm(data->machine), fill_on_leader(data, source, &opened));
    }
    ech_dataset_close(&opened);
    return status;
}

static ech_status load_shards(ech_fit_data *data, const ech_fit_data_source *source)
{
    const ech_status status = ech_fit_shards_create(source, &data->shards);
    if (status == ECH_OK) {
        data->header.present = true;
        data->header.info = *ech_fit_shards_info(data->shards);
    }
    return status;
}

ech_status ech_fit_data_create(const ech_fit_data_source *source, ech_fit_data **out)
{
    *out = NULL;
    ech_fit_data *data = ech_calloc(1, sizeof *data);
    ech_status status =
        ech_comm_agree(ech_machine_comm(source->machine), data != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || data == NULL) {
        ech_free(data);
        return status;
    }
    data->machine = source->machine;
    data->worker_count = source->worker_count;
    if (source->options->data.shards != NULL) {
        status = load_shards(data, source);
    } else if (source->options->data.file != NULL) {
        status = load_file(data, source);
    }
    if (status != ECH_OK) {
        ech_fit_data_destroy(&data);
        return status;
    }
    *out = data;
    return ECH_OK;
}

void ech_fit_data_destroy(ech_fit_data **data)
{
    if (data == NULL || *data == NULL) {
        return;
    }
    ech_fit_shards_destroy(&(*data)->shards);
    ech_window_destroy(&(*data)->window);
    ech_free(*data);
    *data = NULL;
}

const ech_dataset_info *ech_fit_data_info(const ech_fit_data *data)
{
    return data->header.present ? &data->header.info : NULL;
}

uint64_t ech_fit_data_count(const ech_fit_data *data, uint64_t worker)
{
    if (!data->header.present) {
        return 0;
    }
    if (data->shards != NULL) {
        return ech_fit_shards_count(data->shards, worker);
    }
    assert(worker < data->worker_count);
    const uint64_t *offsets = at(data, data->map.offsets);
    return offsets[worker + 1] - offsets[worker];
}

ech_status ech_fit_data_worker(ech_fit_data *data, uint64_t worker, const ech_shard_pause *pause,
                               ech_fit_worker *out)
{
    assert(data->header.present);
    if (data->shards != NULL) {
        return ech_fit_shards_worker(data->shards, worker, pause, out);
    }
    const uint64_t *offsets = at(data, data->map.offsets);
    const uint32_t *indices = at(data, data->map.indices);
    *out = (ech_fit_worker){.part = part_of(data, ECH_DATA_TRAIN),
                            .indices = indices + offsets[worker],
                            .count = ech_fit_data_count(data, worker)};
    return ECH_OK;
}

ech_status ech_fit_data_pick(ech_fit_data *data, uint64_t worker, const uint32_t *numbers,
                             uint32_t count, ech_fit_part *out)
{
    assert(data->shards != NULL); /* a file's data are all in place */
    return ech_fit_shards_pick(data->shards, worker, numbers, count, out);
}

ech_status ech_fit_data_test(ech_fit_data *data, uint64_t first, uint64_t count, ech_fit_part *out)
{
    assert(data->header.present);
    if (data->shards != NULL) {
        return ech_fit_shards_test(data->shards, first, count, out);
    }
    const ech_fit_part all = part_of(data, ECH_DATA_TEST);
    *out = (ech_fit_part){
        .images = all.images + first * ech_dataset_sample_bytes(&data->header.info),
        .labels = all.labels + first,
        .count = count,
    };
    return ECH_OK;
}
