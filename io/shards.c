#define _GNU_SOURCE
#include "io/shards_priv.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/array_file_priv.h"
#include "io/sealed_reader_priv.h"
#include "io/sealed_writer_priv.h"
#include "runtime/base/memory.h"

enum { FORMAT_VERSION = 1, OBJECTS = 3, COLUMNS = sizeof(ech_shard_file) / sizeof(uint64_t) };
_Static_assert(sizeof(ech_shard_file) == COLUMNS * sizeof(uint64_t), "a row is a file");

static const char set_name[] = "shards.h5";
static const char offsets_name[] = "/offsets";
static const char files_name[] = "/files";

/* ---- names ---- */

ech_status ech_shards_path(const char *path, char out[ECH_SHARDS_PATH_BYTES])
{
    struct stat found;
    const bool is_folder = stat(path, &found) == 0 && S_ISDIR(found.st_mode);
    const int length =
        snprintf(out, ECH_SHARDS_PATH_BYTES, is_folder ? "%s/%s" : "%s%.0s", path, set_name);
    return length < ECH_SHARDS_PATH_BYTES
               ? ECH_OK
               : ech_fail(ECH_ERR_FILE, "%s: the path is too long", path);
}

void ech_shards_file_name(const ech_shards *shards, uint64_t index, const char *folder,
                          char out[ECH_SHARDS_PATH_BYTES])
{
    const uint64_t train_files = shards->file_count - ech_shards_test_files(shards);
    if (index < train_files) {
        snprintf(out, ECH_SHARDS_PATH_BYTES, "%s/shard-%05" PRIu64 ".h5", folder, index);
    } else {
        snprintf(out, ECH_SHARDS_PATH_BYTES, "%s/test.h5", folder);
    }
}

/* ---- what both sides agree on ---- */

uint64_t ech_shards_find(const ech_shard_file *files, uint64_t count, uint64_t sample)
{
    uint64_t low = 0;
    uint64_t high = count;
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        if (files[middle].first <= sample) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t ech_shards_check(ech_data_part part, uint64_t sample, const uint8_t *pixels, size_t bytes,
                          uint8_t label)
{
    const ech_hash128 image = ech_hash_bytes(pixels, bytes);
    const uint64_t joined[] = {image.high, image.low, label, sample, part};
    return ech_hash_bytes(joined, sizeof joined).low;
}

uint64_t ech_shards_largest(const ech_shards *shards)
{
    uint64_t largest = 0;
    for (uint64_t w = 0; w < shards->workers; w++) {
        const uint64_t count = shards->offsets[w + 1] - shards->offsets[w];
        largest = count > largest ? count : largest;
    }
    return largest;
}

/* ---- reading ---- */

typedef struct {
    const char *path;
    ech_shards *out;
    ech_array_file *file;
} read_job;

static ech_status bad(const read_job *job, const char *expected)
{
    return ech_fail(ECH_ERR_FORMAT, "%s: %s was expected", job->path, expected);
}

static ech_status read_attribute(const read_job *job, const char *name, uint64_t most,
                                 uint64_t *value)
{
    bool present = false;
    const ech_status status = ech_array_file_attribute(job->file, "/", name, &present, value);
    if (status == ECH_OK && (!present || *value > most)) {
        return ech_fail(ECH_ERR_FORMAT, "%s: an attribute %s of at most %" PRIu64 " was expected",
                        job->path, name, most);
    }
    return status;
}

static ech_status read_info(const read_job *job)
{
    ech_dataset_info *info = &job->out->info;
    const struct {
        const char *name;
        uint32_t *value;
        uint32_t most;
    } attributes[] = {{"channels", &info->channels, INT32_MAX},
                      {"height", &info->height, INT32_MAX},
                      {"width", &info->width, INT32_MAX},
                      {"classes", &info->classes, ECH_DATASET_CLASSES_MAX}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        uint64_t value = 0;
        const ech_status status =
            read_attribute(job, attributes[i].name, attributes[i].most, &value);
        if (status != ECH_OK) {
            return status;
        }
        if (value == 0) {
            return bad(job, "images of at least one pixel, and a class");
        }
        *attributes[i].value = (uint32_t)value;
    }
    uint64_t pixels = 0;
    if (__builtin_mul_overflow((uint64_t)info->channels * info->height, info->width, &pixels) ||
        pixels > INT32_MAX) {
        return bad(job, "images of fewer than 2^31 bytes");
    }
    return read_attribute(job, "test", UINT32_MAX, &info->samples[ECH_DATA_TEST]);
}

/* @param columns  1: a list. @param[out] rows, values  the caller's. */
static ech_status read_table(const read_job *job, const char *name, uint64_t columns,
                             uint64_t *rows, void **values)
{
    ech_array_info info;
    const ech_status status = ech_array_file_describe(job->file, name, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (!info.present || info.class != ECH_ARRAY_UNSIGNED ||
        info.element_bytes != sizeof(uint64_t) ||
        ech_array_row_bytes(&info) != columns * sizeof(uint64_t) || info.shape[0] == 0) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: dataset %s: uint64 in rows of %" PRIu64 " was expected", job->path,
                        name, columns);
    }
    *rows = info.shape[0];
    *values = ech_calloc(*rows, columns * sizeof(uint64_t));
    return *values != NULL ? ech_array_file_read(job->file, name, 0, *rows, *values)
                           : ECH_ERR_MEMORY;
}

static bool lies_inside(const ech_shard_file *file, uint64_t place, uint64_t element_bytes)
{
    uint64_t end = 0;
    return !__builtin_mul_overflow(file->count, element_bytes, &end) &&
           !__builtin_add_overflow(end, place, &end) && end <= file->bytes;
}

/* Files [begin, end) hold samples 0 to `samples` - 1, in order. */
static ech_status check_files(const read_job *job, uint64_t begin, uint64_t end, uint64_t samples)
{
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&job->out->info);
    uint64_t next = 0;
    for (uint64_t i = begin; i < end; i++) {
        const ech_shard_file *file = &job->out->files[i];
        if (file->first != next || file->count > samples - next ||
            !lies_inside(file, file->images, sample_bytes) || !lies_inside(file, file->labels, 1) ||
            !lies_inside(file, file->checks, sizeof(uint64_t))) {
            return bad(job, "files that hold all samples in order");
        }
        next += file->count;
    }
    return next == samples ? ECH_OK : bad(job, "files that hold all samples");
}

static ech_status check_content(const read_job *job)
{
    ech_shards *out = job->out;
    for (uint64_t w = 0; w < out->workers; w++) {
        if (out->offsets[w + 1] < out->offsets[w]) {
            return bad(job, "offsets that never descend");
        }
    }
    out->info.samples[ECH_DATA_TRAIN] = out->offsets[out->workers];
    if (out->offsets[0] != 0 || out->offsets[out->workers] == 0 ||
        out->offsets[out->workers] > UINT32_MAX || out->workers > UINT32_MAX) {
        return bad(job, "fewer than 2^32 workers and samples, numbered from 0");
    }
    const uint64_t test_files = ech_shards_test_files(out);
    if (out->file_count <= test_files) {
        return bad(job, "a file of training samples");
    }
    const uint64_t train_files = out->file_count - test_files;
    const ech_status status = check_files(job, 0, train_files, out->info.samples[ECH_DATA_TRAIN]);
    return status == ECH_OK
               ? check_files(job, train_files, out->file_count, out->info.samples[ECH_DATA_TEST])
               : status;
}

static ech_status read_content(const read_job *job)
{
    ech_shards *out = job->out;
    uint64_t offset_count = 0;
    void *offsets = NULL;
    void *files = NULL;
    ech_status status = read_info(job);
    if (status == ECH_OK) {
        status = read_table(job, offsets_name, 1, &offset_count, &offsets);
        out->offsets = offsets;
    }
    if (status == ECH_OK) {
        status = read_table(job, files_name, COLUMNS, &out->file_count, &files);
        out->files = files;
    }
    if (status != ECH_OK) {
        return status;
    }
    out->workers = offset_count - 1;
    return check_content(job);
}

static ech_status read_on_thread(void *argument)
{
    read_job *job = argument;
    hid_t file = 0;
    ech_status status = ech_sealed_open_kind(job->path, ECH_SEAL_SHARDS, &file);
    if (status == ECH_OK) {
        status = ech_array_file_create(file, job->path, &job->file);
    }
    if (status == ECH_OK) {
        status = read_content(job);
    }
    ech_array_file_close(&job->file);
    return status;
}

ech_status ech_shards_read(ech_io *io, const char *path, ech_shards *out)
{
    *out = (ech_shards){0};
    read_job job = {.path = path, .out = out};
    const ech_status status = ech_io_run(io, read_on_thread, &job);
    if (status != ECH_OK) {
        ech_shards_free(out);
    }
    return status;
}

void ech_shards_free(ech_shards *shards)
{
    ech_free(shards->offsets);
    ech_free(shards->files);
    *shards = (ech_shards){0};
}

/* ---- writing ---- */

typedef struct {
    const char *folder;
    ech_dataset *dataset;
    const ech_split_file *split;
    ech_shards shards;
    uint32_t *places; /* of the larger part's samples */
} write_job;

static ech_status plan_files(write_job *job, uint64_t file_count)
{
    ech_shards *shards = &job->shards;
    const ech_split_file *split = job->split;
    shards->info = *ech_dataset_describe(job->dataset);
    shards->info.samples[ECH_DATA_TRAIN] = split->offsets[split->workers];
    shards->workers = split->workers;
    shards->offsets = split->offsets;
    shards->file_count = file_count + ech_shards_test_files(shards);
    shards->files = ech_calloc(shards->file_count, sizeof *shards->files);
    if (shards->files == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint64_t i = 0; i < file_count; i++) {
        const uint64_t begin = split->workers * i / file_count;
        const uint64_t end = split->workers * (i + 1) / file_count;
        shards->files[i].first = split->offsets[begin];
        shards->files[i].count = split->offsets[end] - split->offsets[begin];
    }
    if (ech_shards_test_files(shards) > 0) {
        shards->files[file_count].count = shards->info.samples[ECH_DATA_TEST];
    }
    return ECH_OK;
}

static void place_samples(write_job *job, ech_data_part part, uint64_t samples)
{
    for (uint64_t i = 0; i < samples; i++) {
        job->places[i] = part == ECH_DATA_TEST ? (uint32_t)i : ECH_SPLIT_FILE_NOBODY;
    }
    const uint64_t dealt = job->split->offsets[job->split->workers];
    for (uint64_t i = 0; part == ECH_DATA_TRAIN && i < dealt; i++) {
        job->places[job->split->indices[i]] = (uint32_t)i;
    }
}

static ech_status write_parts(write_job *job)
{
    const ech_dataset_info *info = ech_dataset_describe(job->dataset);
    const uint64_t train = info->samples[ECH_DATA_TRAIN];
    const uint64_t test = info->samples[ECH_DATA_TEST];
    job->places = ech_calloc(train > test ? train : test, sizeof *job->places);
    if (job->places == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_OK;
    for (int part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        if (info->samples[part] > 0) {
            place_samples(job, (ech_data_part)part, info->samples[part]);
            status = ech_shards_write_part(&job->shards, job->folder, job->dataset,
                                           (ech_data_part)part, job->places);
        }
    }
    return status;
}

static ech_status put_info(ech_sealed_writer *writer, const ech_dataset_info *info)
{
    const struct {
        const char *name;
        uint64_t value;
    } attributes[] = {{"version", FORMAT_VERSION}, {"channels", info->channels},
                      {"height", info->height},    {"width", info->width},
                      {"classes", info->classes},  {"test", info->samples[ECH_DATA_TEST]}};
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes && status == ECH_OK; i++) {
        status = ech_sealed_writer_put_u64(writer, "/", attributes[i].name, attributes[i].value);
    }
    return status;
}

static ech_status lay_out_set(const ech_shards *shards, ech_sealed_writer *writer, size_t which[2])
{
    const uint64_t offset_count = shards->workers + 1;
    const uint64_t shape[] = {shards->file_count, COLUMNS};
    const ech_hash128 offsets_hash =
        ech_hash_bytes(shards->offsets, offset_count * sizeof *shards->offsets);
    const ech_hash128 files_hash =
        ech_hash_bytes(shards->files, shards->file_count * sizeof *shards->files);
    const ech_sealed_array arrays[] = {
        {offsets_name, H5T_NATIVE_UINT64, 1, &offset_count, &offsets_hash},
        {files_name, H5T_NATIVE_UINT64, 2, shape, &files_hash}};
    ech_status status = put_info(writer, &shards->info);
    for (int i = 0; i < 2 && status == ECH_OK; i++) {
        status = ech_sealed_writer_add(writer, &arrays[i], &which[i]);
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(writer) : status;
}

static ech_status write_set(const ech_shards *shards, const char *path)
{
    ech_sealed_writer *writer = NULL;
    size_t which[2] = {0};
    ech_status status = ech_sealed_writer_create(path, ECH_SEAL_SHARDS, OBJECTS, &writer);
    if (status == ECH_OK) {
        status = lay_out_set(shards, writer, which);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_write(writer, which[0], 0, shards->offsets,
                                         (shards->workers + 1) * sizeof *shards->offsets);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_write(writer, which[1], 0, shards->files,
                                         shards->file_count * sizeof *shards->files);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(writer, ECH_OUTPUT_DURABLE);
    }
    ech_sealed_writer_destroy(&writer);
    return status;
}

/* Files without the set are of no use. The set goes first: its last step may have failed. */
static void remove_files(const write_job *job, const char *set_path)
{
    unlink(set_path);
    for (uint64_t i = 0; i < job->shards.file_count; i++) {
        char path[ECH_SHARDS_PATH_BYTES];
        ech_shards_file_name(&job->shards, i, job->folder, path);
        unlink(path);
    }
}

static ech_status write_on_thread(void *argument)
{
    write_job *job = argument;
    char path[ECH_SHARDS_PATH_BYTES];
    ech_status status = ech_shards_path(job->folder, path);
    if (status != ECH_OK) {
        return status;
    }
    status = write_parts(job);
    if (status == ECH_OK) {
        status = write_set(&job->shards, path);
    }
    if (status != ECH_OK) {
        const ech_failure failure = ech_failure_keep(status);
        remove_files(job, path);
        status = ech_failure_restore(&failure);
    }
    return status;
}

static bool is_empty(const char *folder)
{
    DIR *directory = opendir(folder);
    int entries = 0;
    while (directory != NULL && readdir(directory) != NULL) {
        entries++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return entries == 2; /* itself and its parent */
}

/* A set never mixes with other files, so that what a failure leaves behind can be removed. */
static ech_status prepare_folder(const char *folder)
{
    if (mkdir(folder, S_IRWXU) == 0) {
        return ECH_OK;
    }
    if (errno != EEXIST) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be made: %s", folder, strerror(errno));
    }
    return is_empty(folder)
               ? ECH_OK
               : ech_fail(ECH_ERR_CONFIG, "%s: expected a new or empty folder", folder);
}

ech_status ech_shards_write(ech_io *io, const char *folder, ech_dataset *dataset,
                            const ech_split_file *split, uint64_t file_count)
{
    if (file_count == 0 || file_count > split->workers || split->offsets[split->workers] == 0) {
        return ech_fail(ECH_ERR_CONFIG,
                        "expected 1 to %" PRIu64 " files, as the split has workers, got %" PRIu64,
                        split->workers, file_count);
    }
    write_job job = {.folder = folder, .dataset = dataset, .split = split};
    ech_status status = plan_files(&job, file_count);
    if (status == ECH_OK) {
        status = prepare_folder(folder);
    }
    if (status == ECH_OK) {
        status = ech_io_run(io, write_on_thread, &job);
    }
    ech_free(job.shards.files);
    ech_free(job.places);
    return status;
}
