#include "io/dataset.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "io/sealed_writer_priv.h"
#include "io/source_priv.h"
#include "runtime/base/memory.h"

enum { IMAGE_DIMENSIONS = 4, NAME_BYTES = 32, FORMAT_VERSION = 1, OBJECTS = 6 };

static const char *const part_names[ECH_DATA_PART_COUNT] = {"train", "test"};

struct ech_dataset {
    ech_io *io;
    ech_source *source;
    char *path;
    ech_dataset_info info;
    ech_array_info images[ECH_DATA_PART_COUNT];
    uint8_t *labels[ECH_DATA_PART_COUNT];
};

static void array_name(ech_data_part part, const char *array, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "/%s/%s", part_names[part], array);
}

static ech_status bad(const ech_dataset *dataset, const char *name, const char *expected)
{
    return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: %s was expected", dataset->path, name,
                    expected);
}

/* Both parts have images of one size; the first part decides which. */
static ech_status take_shape(ech_dataset *dataset, ech_data_part part, const char *name)
{
    const ech_array_info *images = &dataset->images[part];
    ech_dataset_info *info = &dataset->info;
    if (images->class != ECH_ARRAY_UNSIGNED || images->element_bytes != 1 ||
        images->dimension_count != IMAGE_DIMENSIONS) {
        return bad(dataset, name, "uint8 [samples, channels, height, width]");
    }
    for (uint32_t d = 1; d < IMAGE_DIMENSIONS; d++) {
        if (images->shape[d] == 0 || images->shape[d] > INT32_MAX) {
            return bad(dataset, name, "images of at least one pixel");
        }
    }
    if (part == ECH_DATA_TRAIN) {
        info->channels = (uint32_t)images->shape[1];
        info->height = (uint32_t)images->shape[2];
        info->width = (uint32_t)images->shape[3];
    } else if (images->shape[1] != info->channels || images->shape[2] != info->height ||
               images->shape[3] != info->width) {
        return bad(dataset, name, "images of the same size as in /train/images");
    }
    info->samples[part] = images->shape[0];
    return ECH_OK;
}

static ech_status read_wide_labels(ech_dataset *dataset, const char *name,
                                   const ech_array_info *info, ech_data_part part);

static ech_status read_labels(ech_dataset *dataset, ech_data_part part)
{
    char name[NAME_BYTES];
    array_name(part, "labels", name);
    ech_array_info info;
    const ech_status status = ech_source_describe(dataset->source, name, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (!info.present || info.class == ECH_ARRAY_REAL || info.dimension_count != 1 ||
        info.shape[0] != dataset->info.samples[part]) {
        return bad(dataset, name, "one integer for each image");
    }
    dataset->labels[part] = ech_alloc(info.shape[0]);
    if (dataset->labels[part] == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (info.element_bytes == 1 && info.class == ECH_ARRAY_UNSIGNED) {
        return ech_source_read(dataset->source, name, &info, 0, info.shape[0],
                               dataset->labels[part]);
    }
    return read_wide_labels(dataset, name, &info, part);
}

/* NumPy's habit is int64: narrowed here, each checked. */
static ech_status read_wide_labels(ech_dataset *dataset, const char *name,
                                   const ech_array_info *info, ech_data_part part)
{
    unsigned char *wide = ech_calloc(info->shape[0], info->element_bytes);
    if (wide == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_source_read(dataset->source, name, info, 0, info->shape[0], wide);
    for (uint64_t i = 0; i < info->shape[0] && status == ECH_OK; i++) {
        const int64_t label = ech_array_integer(info, wide, i);
        if (label < 0 || label >= ECH_DATASET_CLASSES_MAX) {
            status = ech_fail(ECH_ERR_FORMAT,
                              "%s: dataset %s: label %" PRId64 " of sample %" PRIu64
                              ": 0 to %d was expected",
                              dataset->path, name, label, i, ECH_DATASET_CLASSES_MAX - 1);
        } else {
            dataset->labels[part][i] = (uint8_t)label;
        }
    }
    ech_free(wide);
    return status;
}

static ech_status open_part(ech_dataset *dataset, ech_data_part part)
{
    char name[NAME_BYTES];
    array_name(part, "images", name);
    ech_status status = ech_source_describe(dataset->source, name, &dataset->images[part]);
    if (status != ECH_OK) {
        return status;
    }
    if (!dataset->images[part].present) {
        return part == ECH_DATA_TEST
                   ? ECH_OK
                   : bad(dataset, name, "uint8 [samples, channels, height, width]");
    }
    status = take_shape(dataset, part, name);
    if (status == ECH_OK && part == ECH_DATA_TRAIN && dataset->info.samples[part] == 0) {
        status = bad(dataset, name, "at least one sample");
    }
    return status == ECH_OK ? read_labels(dataset, part) : status;
}

uint32_t ech_dataset_count_classes(const uint8_t *labels, uint64_t count)
{
    uint32_t classes = 0;
    for (uint64_t i = 0; i < count; i++) {
        classes = labels[i] >= classes ? labels[i] + 1U : classes;
    }
    return classes;
}

static ech_status check_classes(const ech_dataset *dataset, ech_data_part part)
{
    const uint8_t *labels = dataset->labels[part];
    for (uint64_t i = 0; i < dataset->info.samples[part]; i++) {
        if (labels[i] >= dataset->info.classes) {
            return ech_fail(ECH_ERR_FORMAT,
                            "%s: dataset /%s/labels: label %d of sample %" PRIu64
                            ": below the number of classes, %u, was expected",
                            dataset->path, part_names[part], labels[i], i, dataset->info.classes);
        }
    }
    return ECH_OK;
}

static ech_status count_classes(ech_dataset *dataset)
{
    bool present = false;
    uint64_t declared = 0;
    ech_status status =
        ech_source_attribute(dataset->source, "/train/labels", "classes", &present, &declared);
    if (status != ECH_OK) {
        return status;
    }
    if (!present) {
        declared = ech_dataset_count_classes(dataset->labels[ECH_DATA_TRAIN],
                                             dataset->info.samples[ECH_DATA_TRAIN]);
    }
    if (declared == 0 || declared > ECH_DATASET_CLASSES_MAX) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: attribute classes of /train/labels is %" PRIu64
                        ": 1 to %d was expected",
                        dataset->path, declared, ECH_DATASET_CLASSES_MAX);
    }
    dataset->info.classes = (uint32_t)declared;
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        status = check_classes(dataset, part);
    }
    return status;
}

static ech_status open_on_thread(void *argument)
{
    ech_dataset *dataset = argument;
    ech_status status = ech_source_open(dataset->io, dataset->path, &dataset->source);
    if (status == ECH_OK) {
        status = ech_source_expect(dataset->source, ECH_SEAL_DATA);
    }
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        status = open_part(dataset, part);
    }
    return status == ECH_OK ? count_classes(dataset) : status;
}

ech_status ech_dataset_open(ech_io *io, const char *path, ech_dataset **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->io = io;
    (*out)->path = ech_strdup(path);
    const ech_status status =
        (*out)->path != NULL ? ech_io_run(io, open_on_thread, *out) : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_dataset_close(out);
    }
    return status;
}

static ech_status close_on_thread(void *argument)
{
    ech_dataset *dataset = argument;
    ech_source_close(&dataset->source);
    return ECH_OK;
}

void ech_dataset_close(ech_dataset **dataset)
{
    if (dataset == NULL || *dataset == NULL) {
        return;
    }
    if ((*dataset)->source != NULL) {
        ech_io_run((*dataset)->io, close_on_thread, *dataset);
    }
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT; part++) {
        ech_free((*dataset)->labels[part]);
    }
    ech_free((*dataset)->path);
    ech_free(*dataset);
    *dataset = NULL;
}

const ech_dataset_info *ech_dataset_describe(const ech_dataset *dataset)
{
    return &dataset->info;
}

const uint8_t *ech_dataset_labels(const ech_dataset *dataset, ech_data_part part)
{
    return dataset->labels[part];
}

typedef struct {
    ech_dataset *dataset;
    ech_data_part part;
    uint64_t first;
    uint64_t count;
    uint8_t *pixels;
} read_job;

static ech_status read_on_thread(void *argument)
{
    const read_job *job = argument;
    char name[NAME_BYTES];
    array_name(job->part, "images", name);
    return ech_source_read(job->dataset->source, name, &job->dataset->images[job->part], job->first,
                           job->count, job->pixels);
}

ech_status ech_dataset_read_images(ech_dataset *dataset, ech_data_part part, uint64_t first,
                                   uint64_t count, uint8_t *pixels)
{
    const uint64_t samples = dataset->info.samples[part];
    if (first > samples || count > samples - first) {
        return ech_fail(ECH_ERR_ARGUMENT, "%s: samples %" PRIu64 " to %" PRIu64 " of %" PRIu64,
                        dataset->path, first, first + count, samples);
    }
    read_job job = {dataset, part, first, count, pixels};
    return count > 0 ? ech_io_run(dataset->io, read_on_thread, &job) : ECH_OK;
}

typedef struct {
    const char *path;
    const ech_dataset_content *content;
    ech_sealed_writer *writer;
    size_t images[ECH_DATA_PART_COUNT];
    size_t labels[ECH_DATA_PART_COUNT];
} write_job;

static uint64_t pixels_bytes(const ech_dataset_content *content, ech_data_part part)
{
    return content->parts[part].count * content->channels * content->height * content->width;
}

static ech_status lay_out_part(write_job *job, ech_data_part part)
{
    const ech_dataset_content *content = job->content;
    const ech_dataset_part *samples = &content->parts[part];
    const uint64_t shape[IMAGE_DIMENSIONS] = {samples->count, content->channels, content->height,
                                              content->width};
    const ech_hash128 image_hash = ech_hash_bytes(samples->images, pixels_bytes(content, part));
    const ech_hash128 label_hash = ech_hash_bytes(samples->labels, samples->count);
    char name[NAME_BYTES];
    array_name(part, "images", name);
    const ech_sealed_array images = {name, H5T_NATIVE_UINT8, IMAGE_DIMENSIONS, shape, &image_hash};
    ech_status status = ech_sealed_writer_add(job->writer, &images, &job->images[part]);
    if (status != ECH_OK) {
        return status;
    }
    array_name(part, "labels", name);
    const ech_sealed_array labels = {name, H5T_NATIVE_UINT8, 1, shape, &label_hash};
    status = ech_sealed_writer_add(job->writer, &labels, &job->labels[part]);
    if (status != ECH_OK) {
        return status;
    }
    return ech_sealed_writer_put_u64(job->writer, name, "classes", content->classes);
}

static ech_status lay_out(write_job *job)
{
    ech_status status = ech_sealed_writer_create(job->path, ECH_SEAL_DATA, OBJECTS, &job->writer);
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->writer, "/", "version", FORMAT_VERSION);
    }
    if (status == ECH_OK && job->content->source != NULL) {
        status = ech_sealed_writer_put_text(job->writer, "/", "source", job->content->source);
    }
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        if (job->content->parts[part].count > 0) {
            status = lay_out_part(job, part);
        }
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(job->writer) : status;
}

static ech_status write_part(write_job *job, ech_data_part part)
{
    const ech_dataset_part *samples = &job->content->parts[part];
    if (samples->count == 0) {
        return ECH_OK;
    }
    const ech_status status =
        ech_sealed_writer_write(job->writer, job->images[part], 0, samples->images,
                                (size_t)pixels_bytes(job->content, part));
    return status == ECH_OK ? ech_sealed_writer_write(job->writer, job->labels[part], 0,
                                                      samples->labels, (size_t)samples->count)
                            : status;
}

static ech_status write_on_thread(void *argument)
{
    write_job *job = argument;
    ech_status status = lay_out(job);
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT && status == ECH_OK; part++) {
        status = write_part(job, part);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(job->writer, ECH_OUTPUT_DURABLE);
    }
    ech_sealed_writer_destroy(&job->writer);
    return status;
}

static ech_status check_content(const char *path, const ech_dataset_content *content)
{
    if (content->parts[ECH_DATA_TRAIN].count == 0 || content->channels == 0 ||
        content->height == 0 || content->width == 0 || content->classes == 0 ||
        content->classes > ECH_DATASET_CLASSES_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%s: no samples, pixels or classes to write", path);
    }
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT; part++) {
        const ech_dataset_part *samples = &content->parts[part];
        if (ech_dataset_count_classes(samples->labels, samples->count) > content->classes) {
            return ech_fail(ECH_ERR_ARGUMENT, "%s: a label of the %s part is not below %u", path,
                            part_names[part], content->classes);
        }
    }
    return ECH_OK;
}

ech_status ech_dataset_write(ech_io *io, const char *path, const ech_dataset_content *content)
{
    const ech_status status = check_content(path, content);
    if (status != ECH_OK) {
        return status;
    }
    write_job job = {.path = path, .content = content};
    return ech_io_run(io, write_on_thread, &job);
}
