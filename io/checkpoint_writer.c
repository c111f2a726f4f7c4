#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "io/checkpoint.h"
#include "io/checkpoint_folder_priv.h"
#include "io/checkpoint_priv.h"
#include "io/sealed_writer_priv.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

/* What `begin` copies and the service's thread writes. Its memory is kept from one checkpoint to
 * the next: pages are touched once. */
typedef struct {
    uint64_t round;
    char *config;
    float *values;
    int64_t *counters;
    ech_blob *blobs; /* names and data lie in `bytes` */
    size_t blob_count;
    size_t blob_capacity;
    unsigned char *bytes;
    size_t byte_capacity;
    ech_io_function precondition;
    void *precondition_argument;
} snapshot;

struct ech_checkpoint_writer {
    ech_io *io;
    char *folder;
    const ech_layout *layout;
    uint32_t keep;
    snapshot copy;
    ech_io_job *job; /* in flight; NULL: none */
    char *path;      /* newest that is safe */
};

static ech_status check_options(const char *folder, uint32_t keep)
{
    return keep > 0 ? ECH_OK
                    : ech_fail(ECH_ERR_ARGUMENT, "%s: at least one checkpoint must stay", folder);
}

static ech_status make_copy_space(ech_checkpoint_writer *writer, const char *folder)
{
    const ech_layout *layout = writer->layout;
    writer->folder = ech_strdup(folder);
    writer->copy.values = ech_calloc(layout->value_count, sizeof(float));
    writer->copy.counters = ech_calloc(layout->counter_count, sizeof(int64_t));
    return writer->folder != NULL && writer->copy.values != NULL && writer->copy.counters != NULL
               ? ECH_OK
               : ECH_ERR_MEMORY;
}

ech_status ech_checkpoint_writer_create(ech_io *io, const char *folder, const ech_layout *layout,
                                        uint32_t keep, ech_checkpoint_writer **out)
{
    *out = NULL;
    ech_status status = check_options(folder, keep);
    if (status != ECH_OK) {
        return status;
    }
    ech_checkpoint_writer *writer = ech_calloc(1, sizeof *writer);
    if (writer == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->io = io;
    writer->layout = layout;
    writer->keep = keep;
    status = make_copy_space(writer, folder);
    if (status == ECH_OK) {
        status = ech_output_probe_folder(folder);
    }
    if (status != ECH_OK) {
        ech_checkpoint_writer_destroy(&writer);
    } else {
        ech_output_remove_stale(folder, ECH_CHECKPOINT_PREFIX);
    }
    *out = writer;
    return status;
}

void ech_checkpoint_writer_destroy(ech_checkpoint_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    ech_checkpoint_writer *dying = *writer;
    if (ech_checkpoint_writer_finish(dying) != ECH_OK) {
        ech_log(ECH_LOG_ERROR, "%s", ech_status_message());
    }
    ech_free(dying->copy.config);
    ech_free(dying->copy.values);
    ech_free(dying->copy.counters);
    ech_free(dying->copy.blobs);
    ech_free(dying->copy.bytes);
    ech_free(dying->folder);
    ech_free(dying->path);
    ech_free(dying);
    *writer = NULL;
}

static bool is_blob_name(const char *name)
{
    const size_t length = strlen(name);
    if (length == 0 || length >= ECH_CHECKPOINT_BLOB_NAME_BYTES || name[0] == '/' ||
        name[length - 1] == '/' || strstr(name, "//") != NULL) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr(".-_/", *c) == NULL) {
            return false;
        }
    }
    return true;
}

static ech_status check_blobs(const ech_checkpoint_content *content)
{
    for (size_t i = 0; i < content->blob_count; i++) {
        const char *name = content->blobs[i].name;
        if (!is_blob_name(name)) {
            return ech_fail(ECH_ERR_ARGUMENT, "checkpoint: %.64s is no name for a blob", name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, content->blobs[j].name) == 0) {
                return ech_fail(ECH_ERR_ARGUMENT, "checkpoint: blob %s is there twice", name);
            }
        }
    }
    return ECH_OK;
}

static ech_status reserve_blobs(snapshot *copy, size_t count, size_t bytes)
{
    if (count > copy->blob_capacity) {
        ech_free(copy->blobs);
        copy->blobs = ech_calloc(count, sizeof *copy->blobs);
        copy->blob_capacity = copy->blobs != NULL ? count : 0;
    }
    if (bytes > copy->byte_capacity) {
        ech_free(copy->bytes);
        copy->bytes = ech_alloc(bytes);
        copy->byte_capacity = copy->bytes != NULL ? bytes : 0;
    }
    return copy->blob_capacity >= count && copy->byte_capacity >= bytes ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status copy_blobs(snapshot *copy, const ech_checkpoint_content *content)
{
    size_t bytes = 0;
    for (size_t i = 0; i < content->blob_count; i++) {
        bytes += content->blobs[i].bytes + strlen(content->blobs[i].name) + 1;
    }
    const ech_status status = reserve_blobs(copy, content->blob_count, bytes);
    if (status != ECH_OK) {
        return status;
    }
    unsigned char *next = copy->bytes;
    for (size_t i = 0; i < content->blob_count; i++) {
        const ech_blob *blob = &content->blobs[i];
        const size_t name_bytes = strlen(blob->name) + 1;
        memcpy(next, blob->name, name_bytes);
        copy->blobs[i] = (ech_blob){(const char *)next, next + name_bytes, blob->bytes};
        if (blob->bytes > 0) {
            memcpy(next + name_bytes, blob->data, blob->bytes);
        }
        next += name_bytes + blob->bytes;
    }
    copy->blob_count = content->blob_count;
    return ECH_OK;
}

static ech_status take_snapshot(ech_checkpoint_writer *writer,
                                const ech_checkpoint_content *content)
{
    snapshot *copy = &writer->copy;
    ech_free(copy->config);
    copy->config = ech_strdup(content->config);
    if (copy->config == NULL) {
        return ECH_ERR_MEMORY;
    }
    copy->round = content->round;
    copy->precondition = content->precondition;
    copy->precondition_argument = content->precondition_argument;
    memcpy(copy->values, content->model.values, writer->layout->value_count * sizeof(float));
    if (writer->layout->counter_count > 0) {
        memcpy(copy->counters, content->model.counters,
               writer->layout->counter_count * sizeof(int64_t));
    }
    return copy_blobs(copy, content);
}

/* The numbers that the file's arrays have in its writer: first the tensors, then the blobs. */
typedef struct {
    ech_checkpoint_writer *writer;
    ech_sealed_writer *file;
    size_t *arrays;
} write_job;

static const void *tensor_data(const ech_checkpoint_writer *writer, const ech_tensor *tensor)
{
    return tensor->kind == ECH_TENSOR_COUNTER
               ? (const void *)(writer->copy.counters + tensor->offset)
               : (const void *)(writer->copy.values + tensor->offset);
}

static size_t tensor_bytes(const ech_tensor *tensor)
{
    return tensor->count * (tensor->kind == ECH_TENSOR_COUNTER ? sizeof(int64_t) : sizeof(float));
}

static ech_status lay_out_tensor(write_job *job, size_t i)
{
    const ech_tensor *tensor = &job->writer->layout->tensors[i];
    const ech_hash128 checksum =
        ech_hash_bytes(tensor_data(job->writer, tensor), tensor_bytes(tensor));
    char name[ECH_CHECKPOINT_PATH_BYTES];
    snprintf(name, sizeof name, "/model/%s", tensor->name);
    const ech_sealed_array array = {.name = name,
                                    .type = tensor->kind == ECH_TENSOR_COUNTER ? H5T_NATIVE_INT64
                                                                               : H5T_NATIVE_FLOAT,
                                    .dimension_count = tensor->dimension_count,
                                    .shape = tensor->shape,
                                    .checksum = &checksum};
    ech_status status = ech_sealed_writer_add(job->file, &array, &job->arrays[i]);
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_text(job->file, name, "kind",
                                            ech_checkpoint_kind_text(tensor->kind));
    }
    return status == ECH_OK ? ech_sealed_writer_put_u64(job->file, name, "index", i) : status;
}

static ech_status lay_out_blob(write_job *job, size_t i)
{
    const ech_blob *blob = &job->writer->copy.blobs[i];
    const ech_hash128 checksum = ech_hash_bytes(blob->data, blob->bytes);
    const uint64_t shape = blob->bytes;
    char name[ECH_CHECKPOINT_PATH_BYTES];
    snprintf(name, sizeof name, "/state/%s", blob->name);
    const ech_sealed_array array = {name, H5T_NATIVE_UINT8, 1, &shape, &checksum};
    return ech_sealed_writer_add(job->file, &array,
                                 &job->arrays[job->writer->layout->tensor_count + i]);
}

static ech_status lay_out_head(write_job *job)
{
    const ech_checkpoint_writer *writer = job->writer;
    char hash[ECH_HASH_TEXT_BYTES];
    ech_hash_text(ech_layout_hash_values(writer->layout, writer->copy.values), hash);
    ech_status status = ech_sealed_writer_put_text(job->file, "/", "kind", "checkpoint");
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->file, "/", "version", ECH_CHECKPOINT_VERSION);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(job->file, "/", "round", writer->copy.round);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_text(job->file, "/", "model_xxh128", hash);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add_text(job->file, "/config", writer->copy.config);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add_group(job->file, "/model");
    }
    return status == ECH_OK ? ech_sealed_writer_add_group(job->file, "/state") : status;
}

static ech_status lay_out(write_job *job)
{
    ech_status status = lay_out_head(job);
    for (size_t i = 0; i < job->writer->layout->tensor_count && status == ECH_OK; i++) {
        status = lay_out_tensor(job, i);
    }
    for (size_t i = 0; i < job->writer->copy.blob_count && status == ECH_OK; i++) {
        status = lay_out_blob(job, i);
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(job->file) : status;
}

static ech_status write_content(write_job *job)
{
    const ech_checkpoint_writer *writer = job->writer;
    const ech_layout *layout = writer->layout;
    ech_status status = ECH_OK;
    for (size_t i = 0; i < layout->tensor_count && status == ECH_OK; i++) {
        const ech_tensor *tensor = &layout->tensors[i];
        status = ech_sealed_writer_write(job->file, job->arrays[i], 0, tensor_data(writer, tensor),
                                         tensor_bytes(tensor));
    }
    for (size_t i = 0; i < writer->copy.blob_count && status == ECH_OK; i++) {
        const ech_blob *blob = &writer->copy.blobs[i];
        status = ech_sealed_writer_write(job->file, job->arrays[layout->tensor_count + i], 0,
                                         blob->data, blob->bytes);
    }
    return status;
}

static ech_status write_file(write_job *job, const char *path)
{
    const size_t objects = job->writer->layout->tensor_count + job->writer->copy.blob_count;
    ech_status status = ech_sealed_writer_create(path, ECH_SEAL_CHECKPOINT, objects, &job->file);
    if (status == ECH_OK) {
        status = lay_out(job);
    }
    if (status == ECH_OK) {
        status = write_content(job);
    }
    if (status == ECH_OK && job->writer->copy.precondition != NULL) {
        status = job->writer->copy.precondition(job->writer->copy.precondition_argument);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(job->file, ECH_OUTPUT_DURABLE);
    }
    ech_sealed_writer_destroy(&job->file);
    return status;
}

static ech_status write_on_thread(void *argument)
{
    ech_checkpoint_writer *writer = argument;
    write_job job = {.writer = writer};
    char *path = ech_checkpoint_path(writer->folder, writer->copy.round);
    job.arrays =
        ech_calloc(writer->layout->tensor_count + writer->copy.blob_count, sizeof *job.arrays);
    ech_status status = ECH_ERR_MEMORY;
    if (path != NULL && job.arrays != NULL) {
        status = write_file(&job, path);
    }
    if (status == ECH_OK) {
        ech_checkpoint_rotate(writer->folder, writer->copy.round, writer->keep);
    }
    ech_free(job.arrays);
    ech_free(path);
    return status;
}

ech_status ech_checkpoint_writer_begin(ech_checkpoint_writer *writer,
                                       const ech_checkpoint_content *content)
{
    if (writer->job != NULL) {
        return ech_fail(ECH_ERR_ARGUMENT, "checkpoint of round %llu: one is being written",
                        (unsigned long long)content->round);
    }
    ech_status status = check_blobs(content);
    if (status == ECH_OK) {
        status = take_snapshot(writer, content);
    }
    return status == ECH_OK ? ech_io_submit(writer->io, write_on_thread, writer, &writer->job)
                            : status;
}

bool ech_checkpoint_writer_busy(const ech_checkpoint_writer *writer)
{
    return writer->job != NULL && !ech_io_poll(writer->job);
}

ech_status ech_checkpoint_writer_finish(ech_checkpoint_writer *writer)
{
    if (writer->job == NULL) {
        return ECH_OK;
    }
    const ech_status status = ech_io_wait(&writer->job);
    if (status == ECH_OK) {
        ech_free(writer->path);
        writer->path = ech_checkpoint_path(writer->folder, writer->copy.round);
    }
    return status;
}

const char *ech_checkpoint_writer_path(const ech_checkpoint_writer *writer)
{
    return writer->path;
}
