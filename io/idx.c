
#include "io/byte_stream_priv.h"
#include "io/dataset.h"
#include "io/import.h"
#include "runtime/base/memory.h"

enum {
    MAGIC_BYTES = 4,
    SIZE_BYTES = 4,
    DIMENSIONS_MAX = 3,
    UNSIGNED_BYTE = 8,
    IMAGE_DIMENSIONS = 3
};

static uint32_t big_endian(const uint8_t bytes[SIZE_BYTES])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Magic number and sizes; `bytes` is the length that the whole stream must have. */
static ech_status read_header(ech_byte_stream *stream, const char *path, uint32_t dimension_count,
                              uint32_t *shape, uint64_t *bytes)
{
    uint8_t magic[MAGIC_BYTES];
    ech_status status = ech_byte_stream_read(stream, magic, sizeof magic);
    if (status != ECH_OK) {
        return status;
    }
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != UNSIGNED_BYTE ||
        magic[3] != dimension_count) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: begins with %02x%02x%02x%02x at offset 0, %08x was expected (idx, "
                        "unsigned bytes, %u dimensions)",
                        path, magic[0], magic[1], magic[2], magic[3],
                        (unsigned)UNSIGNED_BYTE << 8 | dimension_count, dimension_count);
    }
    uint64_t content = 1;
    for (uint32_t d = 0; d < dimension_count && status == ECH_OK; d++) {
        uint8_t size[SIZE_BYTES];
        status = ech_byte_stream_read(stream, size, sizeof size);
        shape[d] = status == ECH_OK ? big_endian(size) : 0;
        if (status == ECH_OK &&
            (shape[d] == 0 || __builtin_mul_overflow(content, shape[d], &content))) {
            status = ech_fail(ECH_ERR_FORMAT, "%s: size %u at offset %u is empty or too large",
                              path, shape[d], MAGIC_BYTES + d * SIZE_BYTES);
        }
    }
    const uint64_t header = MAGIC_BYTES + (uint64_t)dimension_count * SIZE_BYTES;
    if (status == ECH_OK && __builtin_add_overflow(content, header, bytes)) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: sizes are too large", path);
    }
    return status;
}

/* A whole file: its sizes, and its content in a new block. */
static ech_status read_file(const char *path, uint32_t dimension_count,
                            uint32_t shape[DIMENSIONS_MAX], uint8_t **out)
{
    ech_byte_stream *stream = NULL;
    uint64_t bytes = 0;
    ech_status status = ech_byte_stream_open(path, &stream);
    if (status == ECH_OK) {
        status = read_header(stream, path, dimension_count, shape, &bytes);
    }
    if (status == ECH_OK) {
        status = ech_byte_stream_expect(stream, bytes);
    }
    if (status == ECH_OK) {
        bytes -= MAGIC_BYTES + (uint64_t)dimension_count * SIZE_BYTES;
        *out = ech_alloc(bytes);
        status = *out != NULL ? ech_byte_stream_read(stream, *out, bytes) : ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        status = ech_byte_stream_finish(stream);
    }
    ech_byte_stream_close(&stream);
    return status;
}

static ech_status read_pair(const char *images_path, const char *labels_path, ech_import *out)
{
    uint32_t shape[DIMENSIONS_MAX] = {0};
    uint32_t labels_shape[DIMENSIONS_MAX] = {0};
    ech_status status = read_file(images_path, IMAGE_DIMENSIONS, shape, &out->images);
    if (status == ECH_OK) {
        status = read_file(labels_path, 1, labels_shape, &out->labels);
    }
    if (status != ECH_OK) {
        return status;
    }
    if (shape[0] != labels_shape[0]) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %u labels, %u were expected: one for each image of %s",
                        labels_path, labels_shape[0], shape[0], images_path);
    }
    out->count = shape[0];
    out->channels = 1;
    out->height = shape[1];
    out->width = shape[2];
    return ECH_OK;
}

ech_status ech_import_idx(const char *images_path, const char *labels_path, ech_import *out)
{
    *out = (ech_import){0};
    const ech_status status = read_pair(images_path, labels_path, out);
    if (status != ECH_OK) {
        ech_import_free(out);
        return status;
    }
    out->classes = ech_dataset_count_classes(out->labels, out->count);
    return ECH_OK;
}

void ech_import_free(ech_import *samples)
{
    ech_free(samples->images);
    ech_free(samples->labels);
    *samples = (ech_import){0};
}
