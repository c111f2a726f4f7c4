#include "io/split_file.h"

#include <inttypes.h>
#include <stdbool.h>

#include "io/sealed_writer_priv.h"
#include "io/source_priv.h"
#include "runtime/base/memory.h"

enum { FORMAT_VERSION = 1, OBJECTS = 3, BITS = 8 };

static const char offsets_name[] = "/split/offsets";
static const char indices_name[] = "/split/indices";

typedef struct {
    const char *path;
    const ech_split_file_content *content;
    ech_sealed_writer *writer;
    size_t offsets;
    size_t indices;
} write_job;

static ech_status lay_out_arrays(write_job *job)
{
    const ech_split_file_content *content = job->content;
    const uint64_t offset_count = content->workers + 1;
    const uint64_t index_count = content->offsets[content->workers];
    const ech_hash128 offset_hash =
        ech_hash_bytes(content->offsets, offset_count * sizeof *content->offsets);
    const ech_hash128 index_hash =
        ech_hash_bytes(content->indices, index_count * sizeof *content->indices);
    const ech_sealed_array offsets = {offsets_name, H5T_NATIVE_UINT64, 1, &offset_count,
                                      &offset_hash};
    const ech_sealed_array indices = {indices_name, H5T_NATIVE_UINT32, 1, &index_count,
                                      &index_hash};
    const ech_status status = ech_sealed_writer_add(job->writer, &offsets, &job->offsets);
    return status == ECH_OK ? ech_sealed_writer_add(job->writer, &indices, &job->indices) : status;
}

static ech_status lay_out(write_job *job)
{
    const ech_split_file_content *content = job->content;
    ech_status status = ech_sealed_writer_create(job->path, ECH_SEAL_SPLIT, OBJECTS, &job->writer);
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->writer, "/", "version", FORMAT_VERSION);
    }
    if (status == ECH_OK) {
        status = lay_out_arrays(job);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->writer, "/split", "samples", content->samples);
    }
    for (size_t i = 0; i < content->parameter_count && status == ECH_OK; i++) {
        status = ech_sealed_writer_put_text(job->writer, "/split", content->parameters[i].name,
                                            content->parameters[i].value);
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(job->writer) : status;
}

static ech_status write_on_thread(void *argument)
{
    write_job *job = argument;
    const ech_split_file_content *content = job->content;
    ech_status status = lay_out(job);
    if (status == ECH_OK) {
        status = ech_sealed_writer_write(job->writer, job->offsets, 0, content->offsets,
                                         (content->workers + 1) * sizeof *content->offsets);
    }
    if (status == ECH_OK) {
        status =
            ech_sealed_writer_write(job->writer, job->indices, 0, content->indices,
                                    content->offsets[content->workers] * sizeof *content->indices);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(job->writer, ECH_OUTPUT_DURABLE);
    }
    ech_sealed_writer_destroy(&job->writer);
    return status;
}

ech_status ech_split_file_write(ech_io *io, const char *path, const ech_split_file_content *content)
{
    write_job job = {.path = path, .content = content};
    return ech_io_run(io, write_on_thread, &job);
}

typedef struct {
    ech_io *io;
    const char *path;
    ech_split_file *out;
    ech_source *source;
} read_job;

static ech_status read_array(const read_job *job, const char *name, uint32_t element_bytes,
                             uint64_t *count, void **out)
{
    ech_array_info info;
    ech_status status = ech_source_describe(job->source, name, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (!info.present || info.class != ECH_ARRAY_UNSIGNED || info.element_bytes != element_bytes ||
        info.dimension_count != 1) {
        return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: a list of uint%u was expected", job->path,
                        name, element_bytes * BITS);
    }
    *count = info.shape[0];
    *out = ech_calloc(*count, element_bytes);
    return *out != NULL ? ech_source_read(job->source, name, &info, 0, *count, *out)
                        : ECH_ERR_MEMORY;
}

static ech_status check_offsets(const char *path, const ech_split_file *split, uint64_t index_count)
{
    for (uint64_t w = 0; w < split->workers; w++) {
        if (split->offsets[w + 1] < split->offsets[w]) {
            return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: descends at worker %" PRIu64, path,
                            offsets_name, w);
        }
    }
    if (split->offsets[0] != 0 || split->offsets[split->workers] != index_count) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: dataset %s: from 0 to the number of indices, %" PRIu64
                        ", was expected",
                        path, offsets_name, index_count);
    }
    return ECH_OK;
}

static ech_status check_indices(const char *path, const ech_split_file *split, uint8_t *seen)
{
    for (uint64_t i = 0; i < split->offsets[split->workers]; i++) {
        const uint32_t sample = split->indices[i];
        if (sample >= split->samples) {
            return ech_fail(ECH_ERR_FORMAT,
                            "%s: dataset %s: sample %u at position %" PRIu64 ": below %" PRIu64
                            " was expected",
                            path, indices_name, sample, i, split->samples);
        }
        if (seen[sample] != 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: sample %u is there twice", path,
                            indices_name, sample);
        }
        seen[sample] = 1;
    }
    return ECH_OK;
}

static ech_status check_split(const char *path, const ech_split_file *split, uint64_t index_count)
{
    ech_status status = check_offsets(path, split, index_count);
    if (status != ECH_OK) {
        return status;
    }
    if (split->samples > UINT32_MAX) {
        return ech_fail(ECH_ERR_FORMAT, "%s: attribute samples of /split: below 2^32 was expected",
                        path);
    }
    uint8_t *seen = ech_calloc(split->samples, sizeof *seen);
    status = seen != NULL ? check_indices(path, split, seen) : ECH_ERR_MEMORY;
    ech_free(seen);
    return status;
}

static ech_status read_content(const read_job *job)
{
    ech_split_file *out = job->out;
    uint64_t offset_count = 0;
    uint64_t index_count = 0;
    void *offsets = NULL;
    void *indices = NULL;
    bool present = false;
    ech_status status =
        read_array(job, offsets_name, sizeof *out->offsets, &offset_count, &offsets);
    out->offsets = offsets;
    if (status == ECH_OK) {
        status = read_array(job, indices_name, sizeof *out->indices, &index_count, &indices);
        out->indices = indices;
    }
    if (status == ECH_OK) {
        status = ech_source_attribute(job->source, "/split", "samples", &present, &out->samples);
    }
    if (status != ECH_OK) {
        return status;
    }
    if (!present || offset_count == 0) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: a split with offsets and a number of samples was expected", job->path);
    }
    out->workers = offset_count - 1;
    return check_split(job->path, out, index_count);
}

static ech_status read_on_thread(void *argument)
{
    read_job *job = argument;
    ech_status status = ech_source_open(job->io, job->path, &job->source);
    if (status == ECH_OK) {
        status = read_content(job);
    }
    ech_source_close(&job->source);
    return status;
}

ech_status ech_split_file_read(ech_io *io, const char *path, ech_split_file *out)
{
    *out = (ech_split_file){0};
    read_job job = {.io = io, .path = path, .out = out};
    const ech_status status = ech_io_run(io, read_on_thread, &job);
    if (status != ECH_OK) {
        ech_split_file_free(out);
    }
    return status;
}

void ech_split_file_free(ech_split_file *split)
{
    ech_free(split->offsets);
    ech_free(split->indices);
    *split = (ech_split_file){0};
}

typedef struct {
    ech_io *io;
    const char *path;
    const char *dataset;
    uint64_t samples;
    uint32_t *owners;
} owners_job;

/* -1 or the type's largest value; the largest uint64 comes as -1. */
static bool is_nobody(const ech_array_info *info, int64_t value)
{
    const unsigned bits = BITS * info->element_bytes;
    const bool fits = info->class == ECH_ARRAY_SIGNED || bits < BITS * sizeof value;
    const unsigned value_bits = info->class == ECH_ARRAY_SIGNED ? bits - 1 : bits;
    return value == -1 || (fits && (uint64_t)value == (UINT64_C(1) << value_bits) - 1);
}

static ech_status take_owners(const owners_job *job, const ech_array_info *info, const void *values)
{
    for (uint64_t i = 0; i < job->samples; i++) {
        const int64_t value = ech_array_integer(info, values, i);
        if (is_nobody(info, value)) {
            job->owners[i] = ECH_SPLIT_FILE_NOBODY;
        } else if (value >= 0 && value < UINT32_MAX) {
            job->owners[i] = (uint32_t)value;
        } else {
            return ech_fail(ECH_ERR_FORMAT,
                            "%s: dataset %s: worker %" PRId64 " of sample %" PRIu64
                            ": a worker's number, or -1 for none, was expected",
                            job->path, job->dataset, value, i);
        }
    }
    return ECH_OK;
}

static ech_status read_owners(const owners_job *job, ech_source *source)
{
    ech_array_info info;
    ech_status status = ech_source_describe(source, job->dataset, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (!info.present || info.class == ECH_ARRAY_REAL || info.dimension_count != 1 ||
        info.shape[0] != job->samples) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: dataset %s: a list of %" PRIu64 " integers, one a training sample, "
                        "was expected",
                        job->path, job->dataset, job->samples);
    }
    void *values = ech_calloc(job->samples, info.element_bytes);
    if (values == NULL) {
        return ECH_ERR_MEMORY;
    }
    status = ech_source_read(source, job->dataset, &info, 0, job->samples, values);
    if (status == ECH_OK) {
        status = take_owners(job, &info, values);
    }
    ech_free(values);
    return status;
}

static ech_status owners_on_thread(void *argument)
{
    const owners_job *job = argument;
    ech_source *source = NULL;
    ech_status status = ech_source_open(job->io, job->path, &source);
    if (status == ECH_OK) {
        status = read_owners(job, source);
    }
    ech_source_close(&source);
    return status;
}

ech_status ech_split_file_read_owners(ech_io *io, const char *path, const char *dataset,
                                      uint64_t samples, uint32_t *owners)
{
    owners_job job = {io, path, dataset, samples, owners};
    return ech_io_run(io, owners_on_thread, &job);
}
