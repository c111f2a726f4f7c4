#include "io/split_file.h"

#include <inttypes.h>
#include <stdbool.h>

#include "io/sealed_writer_priv.h"
#include "io/source_priv.h"
#include "runtime/base/memory.h"

enum { FORMAT_VERSION = 1, OBJECTS = 4, BITS = 8 };

static const char offsets_name[] = "/split/offsets";
static const char indices_name[] = "/split/indices";
static const char owners_name[] = "/split/owners";

static ech_status check_offsets(const char *path, const ech_split_file_content *content)
{
    for (uint64_t w = 0; w < content->workers; w++) {
        if (content->offsets[w + 1] < content->offsets[w]) {
            return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: descends at worker %" PRIu64, path,
                            offsets_name, w);
        }
    }
    if (content->offsets[0] != 0 || content->offsets[content->workers] > content->samples) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: dataset %s: from 0 to the number of samples, %" PRIu64
                        ", at most was expected",
                        path, offsets_name, content->samples);
    }
    return ECH_OK;
}

static ech_status take_index(const char *path, const ech_split_file_content *content, uint64_t i,
                             uint32_t worker, uint32_t *owners)
{
    const uint32_t sample = content->indices[i];
    if (sample >= content->samples) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: dataset %s: sample %u at position %" PRIu64 ": below %" PRIu64
                        " was expected",
                        path, indices_name, sample, i, content->samples);
    }
    if (owners[sample] != ECH_SPLIT_FILE_NOBODY) {
        return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s: sample %u is there twice", path,
                        indices_name, sample);
    }
    owners[sample] = worker;
    return ECH_OK;
}

/* Is it a split, and who owns each sample? `owners` [samples]. */
static ech_status check_content(const char *path, const ech_split_file_content *content,
                                uint32_t *owners)
{
    if (content->samples > UINT32_MAX || content->workers >= ECH_SPLIT_FILE_NOBODY) {
        return ech_fail(ECH_ERR_FORMAT, "%s: fewer than 2^32 samples and workers were expected",
                        path);
    }
    ech_status status = check_offsets(path, content);
    for (uint64_t i = 0; i < content->samples; i++) {
        owners[i] = ECH_SPLIT_FILE_NOBODY;
    }
    for (uint64_t w = 0; w < content->workers && status == ECH_OK; w++) {
        for (uint64_t i = content->offsets[w]; i < content->offsets[w + 1] && status == ECH_OK;
             i++) {
            status = take_index(path, content, i, (uint32_t)w, owners);
        }
    }
    return status;
}

typedef struct {
    const char *path;
    const ech_split_file_content *content;
    uint32_t *owners; /* [samples] */
    ech_sealed_writer *writer;
} write_job;

typedef struct {
    const char *name;
    hid_t type;
    uint64_t count;
    const void *data;
    size_t bytes;
    size_t which;
} column;

enum { COLUMNS = 3 };

static void list_columns(const write_job *job, column columns[COLUMNS])
{
    const ech_split_file_content *content = job->content;
    const uint64_t dealt = content->offsets[content->workers];
    columns[0] = (column){.name = offsets_name,
                          .type = H5T_NATIVE_UINT64,
                          .count = content->workers + 1,
                          .data = content->offsets,
                          .bytes = (content->workers + 1) * sizeof *content->offsets};
    columns[1] = (column){.name = indices_name,
                          .type = H5T_NATIVE_UINT32,
                          .count = dealt,
                          .data = content->indices,
                          .bytes = dealt * sizeof *content->indices};
    columns[2] = (column){.name = owners_name,
                          .type = H5T_NATIVE_UINT32,
                          .count = content->samples,
                          .data = job->owners,
                          .bytes = content->samples * sizeof *job->owners};
}

static ech_status lay_out(write_job *job, column columns[COLUMNS])
{
    const ech_split_file_content *content = job->content;
    ech_status status = ech_sealed_writer_create(job->path, ECH_SEAL_SPLIT, OBJECTS, &job->writer);
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->writer, "/", "version", FORMAT_VERSION);
    }
    for (size_t c = 0; c < COLUMNS && status == ECH_OK; c++) {
        const ech_hash128 hash = ech_hash_bytes(columns[c].data, columns[c].bytes);
        const ech_sealed_array array = {columns[c].name, columns[c].type, 1, &columns[c].count,
                                        &hash};
        status = ech_sealed_writer_add(job->writer, &array, &columns[c].which);
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
    column columns[COLUMNS];
    list_columns(job, columns);
    ech_status status = lay_out(job, columns);
    for (size_t c = 0; c < COLUMNS && status == ECH_OK; c++) {
        status = ech_sealed_writer_write(job->writer, columns[c].which, 0, columns[c].data,
                                         columns[c].bytes);
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
    job.owners = ech_calloc(content->samples, sizeof *job.owners);
    if (job.owners == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = check_content(path, content, job.owners);
    if (status == ECH_OK) {
        status = ech_io_run(io, write_on_thread, &job);
    }
    ech_free(job.owners);
    return status;
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

static ech_status check_read(const char *path, const ech_split_file *split, uint64_t index_count)
{
    if (split->samples > UINT32_MAX || split->offsets[split->workers] != index_count) {
        return ech_fail(
            ECH_ERR_FORMAT,
            "%s: dataset %s: ends with %" PRIu64 ", the number of %s, %" PRIu64 ", was expected",
            path, offsets_name, split->offsets[split->workers], indices_name, index_count);
    }
    const ech_split_file_content content = {.workers = split->workers,
                                            .offsets = split->offsets,
                                            .indices = split->indices,
                                            .samples = split->samples};
    uint32_t *owners = ech_calloc(split->samples, sizeof *owners);
    const ech_status status =
        owners != NULL ? check_content(path, &content, owners) : ECH_ERR_MEMORY;
    ech_free(owners);
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
    return check_read(job->path, out, index_count);
}

static ech_status read_on_thread(void *argument)
{
    read_job *job = argument;
    ech_status status = ech_source_open(job->io, job->path, &job->source);
    if (status == ECH_OK) {
        status = ech_source_expect(job->source, ECH_SEAL_SPLIT);
    }
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
