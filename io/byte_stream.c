#define _GNU_SOURCE
#include "io/byte_stream_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "runtime/base/memory.h"

enum { BUFFER_BYTES = 1 << 18, PIECE_BYTES = 1 << 24, COMPRESSION_MAX = 1032 };

struct ech_byte_stream {
    const char *path;
    gzFile file;
    uint64_t file_bytes;
    uint64_t offset; /* of the next byte, after decompression */
};

static ech_status open_file(ech_byte_stream *stream)
{
    const int descriptor = open(stream->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot open: %s", stream->path, strerror(errno));
    }
    struct stat file;
    if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode)) {
        close(descriptor);
        return ech_fail(ECH_ERR_FILE, "%s: not a regular file", stream->path);
    }
    stream->file_bytes = (uint64_t)file.st_size;
    stream->file = gzdopen(descriptor, "rb");
    if (stream->file == NULL) {
        close(descriptor);
        return ech_fail(ECH_ERR_MEMORY, "%s: cannot set up zlib", stream->path);
    }
    gzbuffer(stream->file, BUFFER_BYTES);
    return ECH_OK;
}

ech_status ech_byte_stream_open(const char *path, ech_byte_stream **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->path = path;
    const ech_status status = open_file(*out);
    if (status != ECH_OK) {
        ech_byte_stream_close(out);
    }
    return status;
}

void ech_byte_stream_close(ech_byte_stream **stream)
{
    if (stream == NULL || *stream == NULL) {
        return;
    }
    if ((*stream)->file != NULL) {
        gzclose_r((*stream)->file);
    }
    ech_free(*stream);
    *stream = NULL;
}

uint64_t ech_byte_stream_bytes_max(const ech_byte_stream *stream)
{
    return gzdirect(stream->file) ? stream->file_bytes : stream->file_bytes * COMPRESSION_MAX;
}

ech_status ech_byte_stream_expect(const ech_byte_stream *stream, uint64_t bytes)
{
    const uint64_t most = ech_byte_stream_bytes_max(stream);
    if (gzdirect(stream->file) && bytes != most) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %" PRIu64 " bytes long, its header promises %" PRIu64,
                        stream->path, most, bytes);
    }
    if (bytes > most) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: its header promises %" PRIu64 " bytes, more than its %" PRIu64
                        " compressed bytes can hold",
                        stream->path, bytes, stream->file_bytes);
    }
    return ECH_OK;
}

static ech_status fail_read(const ech_byte_stream *stream, int got)
{
    int code = Z_OK;
    const char *text = gzerror(stream->file, &code);
    if (code == Z_ERRNO) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot read: %s", stream->path, strerror(errno));
    }
    if (got < 0 || code != Z_OK) {
        return ech_fail(ECH_ERR_FORMAT, "%s: damaged or cut gzip stream at offset %" PRIu64 ": %s",
                        stream->path, stream->offset, text);
    }
    return ech_fail(ECH_ERR_FORMAT, "%s: ends at offset %" PRIu64 ", more bytes were expected",
                    stream->path, stream->offset);
}

ech_status ech_byte_stream_read(ech_byte_stream *stream, void *data, uint64_t bytes)
{
    char *next = data;
    while (bytes > 0) {
        const unsigned piece = bytes < PIECE_BYTES ? (unsigned)bytes : PIECE_BYTES;
        const int got = gzread(stream->file, next, piece);
        if (got <= 0) {
            return fail_read(stream, got);
        }
        next += got;
        stream->offset += (uint64_t)got;
        bytes -= (uint64_t)got;
    }
    return ECH_OK;
}

ech_status ech_byte_stream_finish(ech_byte_stream *stream)
{
    char byte = 0;
    const int got = gzread(stream->file, &byte, 1);
    if (got > 0) {
        return ech_fail(ECH_ERR_FORMAT, "%s: goes on at offset %" PRIu64 ", its end was expected",
                        stream->path, stream->offset);
    }
    int code = Z_OK;
    gzerror(stream->file, &code);
    return got < 0 || code != Z_OK ? fail_read(stream, got) : ECH_OK;
}
