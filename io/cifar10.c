#include <inttypes.h>

#include "io/byte_stream_priv.h"
#include "io/import.h"
#include "runtime/base/memory.h"

enum {
    CHANNELS = 3,
    SIDE = 32,
    CLASSES = 10,
    PIXELS = CHANNELS * SIDE * SIDE,
    RECORD = 1 + PIXELS
};

static ech_status grow(ech_import *out, uint64_t more)
{
    uint8_t *images = ech_realloc(out->images, out->count + more, PIXELS);
    if (images == NULL) {
        return ECH_ERR_MEMORY;
    }
    out->images = images;
    uint8_t *labels = ech_realloc(out->labels, out->count + more, sizeof *labels);
    if (labels == NULL) {
        return ECH_ERR_MEMORY;
    }
    out->labels = labels;
    return ECH_OK;
}

static ech_status read_record(ech_byte_stream *stream, const char *path, uint64_t record,
                              ech_import *out)
{
    uint8_t *label = &out->labels[out->count];
    ech_status status = ech_byte_stream_read(stream, label, 1);
    if (status != ECH_OK) {
        return status;
    }
    if (*label >= CLASSES) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: label %d at offset %" PRIu64 ", 0 to %d was expected (CIFAR-10, "
                        "records of %d bytes)",
                        path, *label, record * RECORD, CLASSES - 1, RECORD);
    }
    status = ech_byte_stream_read(stream, out->images + out->count * PIXELS, PIXELS);
    out->count += status == ECH_OK;
    return status;
}

static ech_status read_records(ech_byte_stream *stream, const char *path, ech_import *out)
{
    const uint64_t bytes = ech_byte_stream_bytes_max(stream);
    if (bytes == 0 || bytes % RECORD != 0) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: %" PRIu64 " bytes long, whole records of %d bytes were expected "
                        "(CIFAR-10's binary version, not compressed)",
                        path, bytes, RECORD);
    }
    ech_status status = ech_byte_stream_expect(stream, bytes);
    if (status == ECH_OK) {
        status = grow(out, bytes / RECORD);
    }
    for (uint64_t record = 0; record < bytes / RECORD && status == ECH_OK; record++) {
        status = read_record(stream, path, record, out);
    }
    return status == ECH_OK ? ech_byte_stream_finish(stream) : status;
}

static ech_status append_file(const char *path, ech_import *out)
{
    ech_byte_stream *stream = NULL;
    ech_status status = ech_byte_stream_open(path, &stream);
    if (status == ECH_OK) {
        status = read_records(stream, path, out);
    }
    ech_byte_stream_close(&stream);
    return status;
}

ech_status ech_import_cifar10(const char *const *paths, size_t path_count, ech_import *out)
{
    *out = (ech_import){.channels = CHANNELS, .height = SIDE, .width = SIDE, .classes = CLASSES};
    ech_status status = ECH_OK;
    for (size_t i = 0; i < path_count && status == ECH_OK; i++) {
        status = append_file(paths[i], out);
    }
    if (status != ECH_OK) {
        ech_import_free(out);
    }
    return status;
}
