#include "io/sealed_writer_priv.h"
#include "io/shards_priv.h"
#include "runtime/base/memory.h"

enum {
    OBJECTS = 4,
    FORMAT_VERSION = 1,
    DIMENSIONS = 4,
    FILES_AT_ONCE = 256,
    BLOCK_BYTES = 1 << 24
};

static const char images_name[] = "/train/images";
static const char labels_name[] = "/train/labels";
static const char checks_name[] = "/train/checks";

typedef struct {
    ech_sealed_writer *writer;
    size_t images, labels, checks; /* its arrays */
} shard_output;

/* The files that are written in one pass over the data set: `count` from `begin` on, which hold
 * samples [first, end) of the part. */
typedef struct {
    const ech_shards *shards;
    const char *folder;
    ech_dataset *dataset;
    ech_data_part part;
    const uint32_t *places;
    uint64_t sample_bytes;
    uint64_t begin, count;
    uint64_t first, end;
    uint8_t *labels;  /* of the samples */
    uint64_t *checks; /* of the samples */
    uint8_t *block;
    shard_output outputs[FILES_AT_ONCE];
} shard_pass;

/* ---- the files ---- */

static ech_status lay_out(const shard_pass *pass, uint64_t count, shard_output *output)
{
    const ech_dataset_info *info = &pass->shards->info;
    const uint64_t shape[DIMENSIONS] = {count, info->channels, info->height, info->width};
    const ech_sealed_array images = {images_name, H5T_NATIVE_UINT8, DIMENSIONS, shape, NULL};
    const ech_sealed_array labels = {labels_name, H5T_NATIVE_UINT8, 1, &count, NULL};
    const ech_sealed_array checks = {checks_name, H5T_NATIVE_UINT64, 1, &count, NULL};
    ech_status status = ech_sealed_writer_add(output->writer, &images, &output->images);
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(output->writer, &labels, &output->labels);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(output->writer, &checks, &output->checks);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(output->writer, "/", "version", FORMAT_VERSION);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(output->writer, labels_name, "classes", info->classes);
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(output->writer) : status;
}

static ech_status begin_files(shard_pass *pass)
{
    ech_status status = ECH_OK;
    for (uint64_t i = 0; i < pass->count && status == ECH_OK; i++) {
        char path[ECH_SHARDS_PATH_BYTES];
        shard_output *output = &pass->outputs[i];
        ech_shards_file_name(pass->shards, pass->begin + i, pass->folder, path);
        status = ech_sealed_writer_create(path, ECH_SEAL_DATA, OBJECTS, &output->writer);
        if (status == ECH_OK) {
            status = lay_out(pass, pass->shards->files[pass->begin + i].count, output);
        }
    }
    return status;
}

static ech_status end_file(const shard_pass *pass, ech_shard_file *file, shard_output *output)
{
    const uint64_t skip = file->first - pass->first;
    ech_status status = ech_sealed_writer_write(output->writer, output->labels, 0,
                                                pass->labels + skip, (size_t)file->count);
    if (status == ECH_OK) {
        status = ech_sealed_writer_write(output->writer, output->checks, 0, pass->checks + skip,
                                         (size_t)file->count * sizeof *pass->checks);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(output->writer, ECH_OUTPUT_DURABLE);
    }
    if (status == ECH_OK) {
        const ech_seal_claim *claim = ech_sealed_writer_claim(output->writer);
        const bool has_samples = file->count > 0;
        file->bytes = claim->length;
        file->digest = claim->digest;
        file->images = has_samples ? ech_sealed_writer_place(output->writer, output->images) : 0;
        file->labels = has_samples ? ech_sealed_writer_place(output->writer, output->labels) : 0;
        file->checks = has_samples ? ech_sealed_writer_place(output->writer, output->checks) : 0;
    }
    return status;
}

/* ---- a pass over the data set ---- */

/* A sample's pixels go straight to their place; its label and checksum wait for the others. */
static ech_status put_sample(shard_pass *pass, uint64_t place, const uint8_t *pixels, uint8_t label)
{
    const ech_shard_file *files = pass->shards->files + pass->begin;
    const uint64_t which = ech_shards_find(files, pass->count, place);
    const shard_output *output = &pass->outputs[which];
    pass->labels[place - pass->first] = label;
    pass->checks[place - pass->first] =
        ech_shards_check(pass->part, place, pixels, (size_t)pass->sample_bytes, label);
    return ech_sealed_writer_write(output->writer, output->images,
                                   (place - files[which].first) * pass->sample_bytes, pixels,
                                   (size_t)pass->sample_bytes);
}

static ech_status put_block(shard_pass *pass, uint64_t first, uint64_t count)
{
    const uint8_t *labels = ech_dataset_labels(pass->dataset, pass->part);
    ech_status status =
        ech_dataset_read_images(pass->dataset, pass->part, first, count, pass->block);
    for (uint64_t i = 0; i < count && status == ECH_OK; i++) {
        const uint64_t place = pass->places[first + i];
        if (place != ECH_SPLIT_FILE_NOBODY && place >= pass->first && place < pass->end) {
            status =
                put_sample(pass, place, pass->block + i * pass->sample_bytes, labels[first + i]);
        }
    }
    return status;
}

static ech_status put_samples(shard_pass *pass)
{
    const uint64_t samples = ech_dataset_describe(pass->dataset)->samples[pass->part];
    const uint64_t block = pass->sample_bytes < BLOCK_BYTES ? BLOCK_BYTES / pass->sample_bytes : 1;
    ech_status status = ECH_OK;
    for (uint64_t first = 0; first < samples && status == ECH_OK; first += block) {
        const uint64_t left = samples - first;
        status = put_block(pass, first, left < block ? left : block);
    }
    return status;
}

static ech_status reserve(shard_pass *pass)
{
    const uint64_t samples = pass->end - pass->first;
    const uint64_t block_bytes =
        pass->sample_bytes < BLOCK_BYTES ? (uint64_t)BLOCK_BYTES : pass->sample_bytes;
    pass->labels = ech_calloc(samples, sizeof *pass->labels);
    pass->checks = ech_calloc(samples, sizeof *pass->checks);
    pass->block = ech_alloc((size_t)block_bytes);
    return pass->labels != NULL && pass->checks != NULL && pass->block != NULL ? ECH_OK
                                                                               : ECH_ERR_MEMORY;
}

static ech_status run_pass(shard_pass *pass)
{
    ech_shard_file *files = pass->shards->files + pass->begin;
    pass->first = files[0].first;
    pass->end = files[pass->count - 1].first + files[pass->count - 1].count;
    ech_status status = reserve(pass);
    if (status == ECH_OK) {
        status = begin_files(pass);
    }
    if (status == ECH_OK) {
        status = put_samples(pass);
    }
    for (uint64_t i = 0; i < pass->count && status == ECH_OK; i++) {
        status = end_file(pass, &files[i], &pass->outputs[i]);
    }
    for (uint64_t i = 0; i < pass->count; i++) {
        ech_sealed_writer_destroy(&pass->outputs[i].writer);
    }
    ech_free(pass->labels);
    ech_free(pass->checks);
    ech_free(pass->block);
    return status;
}

ech_status ech_shards_write_part(const ech_shards *shards, const char *folder, ech_dataset *dataset,
                                 ech_data_part part, const uint32_t *places)
{
    const uint64_t train_files = shards->file_count - ech_shards_test_files(shards);
    const uint64_t end = part == ECH_DATA_TEST ? shards->file_count : train_files;
    ech_status status = ECH_OK;
    for (uint64_t begin = part == ECH_DATA_TEST ? train_files : 0; begin < end && status == ECH_OK;
         begin += FILES_AT_ONCE) {
        shard_pass pass = {
            .shards = shards,
            .folder = folder,
            .dataset = dataset,
            .part = part,
            .places = places,
            .sample_bytes = ech_dataset_sample_bytes(&shards->info),
            .begin = begin,
            .count = end - begin < FILES_AT_ONCE ? end - begin : FILES_AT_ONCE,
        };
        status = run_pass(&pass);
    }
    return status;
}
