#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checkpoint.h"
#include "io/checkpoint_folder_priv.h"
#include "io/checkpoint_priv.h"
#include "io/sealed_reader_priv.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { TEXT_BYTES_MAX = 1 << 24, KIND_BYTES = 16, HALF_DIGITS = 16, HEXADECIMAL = 16 };

struct ech_checkpoint {
    ech_io *io;
    char *path;
    hid_t file;
    char *config;
    ech_layout *layout;
    ech_blob *blobs;
    size_t blob_count;
    size_t blob_capacity;
    ech_checkpoint_info info;
};

const char *ech_checkpoint_kind_text(ech_tensor_kind kind)
{
    static const char *const texts[] = {[ECH_TENSOR_PARAMETER] = "parameter",
                                        [ECH_TENSOR_STATISTIC] = "statistic",
                                        [ECH_TENSOR_COUNTER] = "counter"};
    return texts[kind];
}

static ech_status bad(const ech_checkpoint *checkpoint, const char *what)
{
    return ech_h5_fail(ECH_ERR_FORMAT, checkpoint->path, what);
}

static bool parse_hash(const char *text, ech_hash128 *hash)
{
    char again[ECH_HASH_TEXT_BYTES];
    char half[HALF_DIGITS + 1] = "";
    if (text == NULL || strlen(text) != 2 * (size_t)HALF_DIGITS) {
        return false;
    }
    memcpy(half, text, HALF_DIGITS);
    hash->high = strtoull(half, NULL, HEXADECIMAL);
    hash->low = strtoull(text + HALF_DIGITS, NULL, HEXADECIMAL);
    ech_hash_text(*hash, again);
    return strcmp(text, again) == 0;
}

static bool get_hash(hid_t where, const char *name, ech_hash128 *hash)
{
    char *text = ech_h5_get_text(where, name, ECH_HASH_TEXT_BYTES);
    const bool read = parse_hash(text, hash);
    ech_free(text);
    return read;
}

static bool get_kind(hid_t dataset, ech_tensor_kind *kind)
{
    char *text = ech_h5_get_text(dataset, "kind", KIND_BYTES);
    bool known = false;
    for (int k = ECH_TENSOR_PARAMETER; k <= ECH_TENSOR_COUNTER && text != NULL && !known; k++) {
        known = strcmp(text, ech_checkpoint_kind_text((ech_tensor_kind)k)) == 0;
        *kind = (ech_tensor_kind)k;
    }
    ech_free(text);
    return known;
}

/* A tensor as the walk over /model finds it: by name. */
typedef struct {
    ech_tensor tensor;
    bool found;
} tensor_slot;

typedef struct {
    const ech_checkpoint *checkpoint;
    tensor_slot *slots; /* by index */
    uint64_t count;
} model_walk;

static bool get_shape(hid_t dataset, ech_tensor *tensor)
{
    hid_t space = H5Dget_space(dataset);
    const int count = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    hsize_t shape[ECH_LAYOUT_DIMENSIONS_MAX] = {0};
    const bool fits = count >= 0 && count <= ECH_LAYOUT_DIMENSIONS_MAX &&
                      (count == 0 || H5Sget_simple_extent_dims(space, shape, NULL) == count);
    ech_h5_close(&space);
    if (fits) {
        tensor->dimension_count = (uint32_t)count;
        memcpy(tensor->shape, shape, sizeof shape);
    }
    return fits;
}

static bool take_tensor(model_walk *walk, hid_t dataset, const char *name)
{
    uint64_t index = 0;
    if (!ech_h5_get_u64(dataset, "index", &index) || index >= walk->count ||
        walk->slots[index].found || strlen(name) >= ECH_LAYOUT_NAME_BYTES) {
        return false;
    }
    tensor_slot *slot = &walk->slots[index];
    slot->found = get_kind(dataset, &slot->tensor.kind) && get_shape(dataset, &slot->tensor);
    memcpy(slot->tensor.name, name, strlen(name) + 1);
    return slot->found;
}

static herr_t visit_tensor(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    (void)info;
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    const bool taken = dataset >= 0 && take_tensor(user, dataset, name);
    ech_h5_close(&dataset);
    return taken ? 0 : -1;
}

static ech_status walk_model(ech_checkpoint *checkpoint, hid_t group, model_walk *walk)
{
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_tensor, walk) < 0) {
        return bad(checkpoint, "list the tensors of /model");
    }
    ech_status status = ech_layout_create(&checkpoint->layout);
    for (uint64_t i = 0; i < walk->count && status == ECH_OK; i++) {
        const ech_tensor *tensor = &walk->slots[i].tensor;
        status = ech_layout_add(checkpoint->layout, tensor->name, tensor->kind,
                                tensor->dimension_count, tensor->shape);
    }
    return status;
}

static ech_status read_layout(ech_checkpoint *checkpoint)
{
    hid_t group = H5Gopen2(checkpoint->file, "/model", H5P_DEFAULT);
    H5G_info_t info = {0};
    if (group < 0 || H5Gget_info(group, &info) < 0) {
        ech_h5_close(&group);
        return bad(checkpoint, "open /model");
    }
    model_walk walk = {checkpoint, ech_calloc(info.nlinks, sizeof(tensor_slot)), info.nlinks};
    const ech_status status =
        walk.slots != NULL ? walk_model(checkpoint, group, &walk) : ECH_ERR_MEMORY;
    ech_free(walk.slots);
    ech_h5_close(&group);
    return status;
}

static bool append_blob(ech_checkpoint *checkpoint, const char *name, size_t bytes)
{
    if (checkpoint->blob_count == checkpoint->blob_capacity) {
        const size_t capacity = 2 * checkpoint->blob_capacity + 4;
        ech_blob *blobs = ech_realloc(checkpoint->blobs, capacity, sizeof *blobs);
        if (blobs == NULL) {
            return false;
        }
        checkpoint->blobs = blobs;
        checkpoint->blob_capacity = capacity;
    }
    char *copy = ech_strdup(name);
    if (copy == NULL) {
        return false;
    }
    checkpoint->blobs[checkpoint->blob_count++] = (ech_blob){copy, NULL, bytes};
    return true;
}

static herr_t visit_blob(hid_t group, const char *name, const H5O_info_t *info, void *user)
{
    if (info->type != H5O_TYPE_DATASET) {
        return 0;
    }
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    hid_t space = dataset >= 0 ? H5Dget_space(dataset) : H5I_INVALID_HID;
    const hssize_t bytes = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    ech_h5_close(&space);
    ech_h5_close(&dataset);
    return bytes >= 0 && append_blob(user, name, (size_t)bytes) ? 0 : -1;
}

static ech_status read_blob_list(ech_checkpoint *checkpoint)
{
    hid_t group = H5Gopen2(checkpoint->file, "/state", H5P_DEFAULT);
    const bool listed =
        group >= 0 && H5Ovisit(group, H5_INDEX_NAME, H5_ITER_INC, visit_blob, checkpoint) >= 0;
    ech_h5_close(&group);
    return listed ? ECH_OK : bad(checkpoint, "list the blobs of /state");
}

static ech_status read_head(ech_checkpoint *checkpoint)
{
    uint64_t version = 0;
    if (!ech_h5_get_u64(checkpoint->file, "version", &version)) {
        return bad(checkpoint, "read the attribute version");
    }
    if (version != ECH_CHECKPOINT_VERSION) {
        return ech_fail(ECH_ERR_FORMAT, "%s: a checkpoint of version %" PRIu64 ", %d was expected",
                        checkpoint->path, version, ECH_CHECKPOINT_VERSION);
    }
    if (!ech_h5_get_u64(checkpoint->file, "round", &checkpoint->info.round) ||
        !get_hash(checkpoint->file, "model_xxh128", &checkpoint->info.model_hash)) {
        return bad(checkpoint, "read the attributes round and model_xxh128");
    }
    checkpoint->config = ech_h5_read_text(checkpoint->file, "/config", TEXT_BYTES_MAX);
    return checkpoint->config != NULL ? ECH_OK : bad(checkpoint, "read /config");
}

static ech_status open_on_thread(void *argument)
{
    ech_checkpoint *checkpoint = argument;
    ech_status status =
        ech_sealed_open_kind(checkpoint->path, ECH_SEAL_CHECKPOINT, &checkpoint->file);
    if (status == ECH_OK) {
        status = read_head(checkpoint);
    }
    if (status == ECH_OK) {
        status = read_layout(checkpoint);
    }
    if (status == ECH_OK) {
        status = read_blob_list(checkpoint);
    }
    return status;
}

static void fill_info(ech_checkpoint *checkpoint)
{
    checkpoint->info.path = checkpoint->path;
    checkpoint->info.config = checkpoint->config;
    checkpoint->info.layout = checkpoint->layout;
    checkpoint->info.blobs = checkpoint->blobs;
    checkpoint->info.blob_count = checkpoint->blob_count;
}

ech_status ech_checkpoint_open(ech_io *io, const char *path, ech_checkpoint **out)
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
        ech_checkpoint_close(out);
    } else {
        fill_info(*out);
    }
    return status;
}

static ech_status open_round(ech_io *io, const char *folder, uint64_t round, ech_checkpoint **out)
{
    char *path = ech_checkpoint_path(folder, round);
    if (path == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = ech_checkpoint_open(io, path, out);
    ech_free(path);
    return status;
}

ech_status ech_checkpoint_open_newest(ech_io *io, const char *folder, ech_checkpoint **out)
{
    *out = NULL;
    uint64_t *rounds = NULL;
    size_t count = 0;
    ech_status status = ech_checkpoint_list(folder, &rounds, &count);
    if (status != ECH_OK) {
        return status;
    }
    status = ech_fail(ECH_ERR_NOT_FOUND, "%s: no intact checkpoint there", folder);
    for (size_t i = 0; i < count; i++) {
        const ech_status opened = open_round(io, folder, rounds[i], out);
        if (opened == ECH_OK || opened == ECH_ERR_MEMORY) {
            status = opened;
            break;
        }
        ech_log(ECH_LOG_WARNING, "skipped: %s", ech_status_message());
        ech_fail(status, "%s: no intact checkpoint there", folder);
    }
    ech_free(rounds);
    return status;
}

static ech_status close_on_thread(void *argument)
{
    ech_checkpoint *checkpoint = argument;
    ech_h5_close(&checkpoint->file);
    return ECH_OK;
}

void ech_checkpoint_close(ech_checkpoint **checkpoint)
{
    if (checkpoint == NULL || *checkpoint == NULL) {
        return;
    }
    ech_checkpoint *dying = *checkpoint;
    if (dying->file > 0) {
        ech_io_run(dying->io, close_on_thread, dying);
    }
    for (size_t i = 0; i < dying->blob_count; i++) {
        ech_free((void *)dying->blobs[i].name);
    }
    ech_free(dying->blobs);
    ech_layout_destroy(&dying->layout);
    ech_free(dying->config);
    ech_free(dying->path);
    ech_free(dying);
    *checkpoint = NULL;
}

const ech_checkpoint_info *ech_checkpoint_describe(const ech_checkpoint *checkpoint)
{
    return &checkpoint->info;
}

static bool same_tensor(const ech_tensor *a, const ech_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->kind == b->kind &&
           a->dimension_count == b->dimension_count &&
           memcmp(a->shape, b->shape, a->dimension_count * sizeof *a->shape) == 0;
}

static ech_status check_layout(const ech_checkpoint *checkpoint, const ech_layout *expected)
{
    const ech_layout *stored = checkpoint->layout;
    if (stored->tensor_count != expected->tensor_count) {
        return ech_fail(ECH_ERR_FORMAT, "%s: a model of %zu tensors, %zu were expected",
                        checkpoint->path, stored->tensor_count, expected->tensor_count);
    }
    for (size_t i = 0; i < stored->tensor_count; i++) {
        if (!same_tensor(&stored->tensors[i], &expected->tensors[i])) {
            return ech_fail(ECH_ERR_FORMAT,
                            "%s: tensor %zu is %s, of another name, kind or shape than %s, which "
                            "was expected",
                            checkpoint->path, i, stored->tensors[i].name,
                            expected->tensors[i].name);
        }
    }
    return ECH_OK;
}

static ech_status read_checked(const ech_checkpoint *checkpoint, const char *name, hid_t type,
                               void *data, size_t bytes)
{
    hid_t dataset = H5Dopen2(checkpoint->file, name, H5P_DEFAULT);
    ech_hash128 expected = {0};
    const bool read =
        dataset >= 0 && get_hash(dataset, "xxh128", &expected) &&
        (bytes == 0 || H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    ech_h5_close(&dataset);
    if (!read) {
        return bad(checkpoint, name);
    }
    if (!ech_hash_equal(ech_hash_bytes(data, bytes), expected)) {
        return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s does not have its checksum",
                        checkpoint->path, name);
    }
    return ECH_OK;
}

typedef struct {
    ech_checkpoint *checkpoint;
    ech_state model;
} model_job;

static ech_status read_model_on_thread(void *argument)
{
    const model_job *job = argument;
    const ech_layout *layout = job->checkpoint->layout;
    ech_status status = ECH_OK;
    for (size_t i = 0; i < layout->tensor_count && status == ECH_OK; i++) {
        const ech_tensor *tensor = &layout->tensors[i];
        const bool counter = tensor->kind == ECH_TENSOR_COUNTER;
        char name[ECH_CHECKPOINT_PATH_BYTES];
        snprintf(name, sizeof name, "/model/%s", tensor->name);
        void *data = counter ? (void *)(job->model.counters + tensor->offset)
                             : (void *)(job->model.values + tensor->offset);
        status = read_checked(job->checkpoint, name, counter ? H5T_NATIVE_INT64 : H5T_NATIVE_FLOAT,
                              data, tensor->count * (counter ? sizeof(int64_t) : sizeof(float)));
    }
    return status;
}

ech_status ech_checkpoint_read_model(ech_checkpoint *checkpoint, const ech_layout *layout,
                                     ech_state model)
{
    ech_status status = check_layout(checkpoint, layout);
    if (status != ECH_OK) {
        return status;
    }
    model_job job = {checkpoint, model};
    status = ech_io_run(checkpoint->io, read_model_on_thread, &job);
    if (status == ECH_OK && !ech_hash_equal(ech_layout_hash_values(layout, model.values),
                                            checkpoint->info.model_hash)) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: the model does not have the hash model_xxh128",
                          checkpoint->path);
    }
    return status;
}

typedef struct {
    ech_checkpoint *checkpoint;
    const char *name;
    void *data;
    size_t bytes;
} blob_job;

static ech_status read_blob_on_thread(void *argument)
{
    const blob_job *job = argument;
    char name[ECH_CHECKPOINT_PATH_BYTES];
    snprintf(name, sizeof name, "/state/%s", job->name);
    return read_checked(job->checkpoint, name, H5T_NATIVE_UINT8, job->data, job->bytes);
}

ech_status ech_checkpoint_read_blob(ech_checkpoint *checkpoint, const char *name, void *data,
                                    size_t bytes)
{
    for (size_t i = 0; i < checkpoint->blob_count; i++) {
        if (strcmp(checkpoint->blobs[i].name, name) != 0) {
            continue;
        }
        if (checkpoint->blobs[i].bytes != bytes) {
            return ech_fail(ECH_ERR_FORMAT, "%s: blob %s has %zu bytes, %zu were expected",
                            checkpoint->path, name, checkpoint->blobs[i].bytes, bytes);
        }
        blob_job job = {checkpoint, name, data, bytes};
        return ech_io_run(checkpoint->io, read_blob_on_thread, &job);
    }
    return ech_fail(ECH_ERR_NOT_FOUND, "%s: no blob %s", checkpoint->path, name);
}
