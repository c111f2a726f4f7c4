#define _GNU_SOURCE
#include "io/seal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

enum { PIECE_BYTES = 1 << 20, SIGNATURE_BYTES = 8, DECIMAL = 10 };

static const char seal_magic[] = "Echelon sealed file ";
static const char seal_version[] = "1\n";
static const unsigned char hdf5_signature[SIGNATURE_BYTES] = {0x89, 'H',  'D',  'F',
                                                              '\r', '\n', 0x1a, '\n'};
static const char *const kind_names[ECH_SEAL_KIND_COUNT] = {
    "none", "data", "split", "checkpoint", "record", "memo", "results", "shards"};

const char *ech_seal_kind_text(ech_seal_kind kind)
{
    static const char *const texts[ECH_SEAL_KIND_COUNT] = {
        "a file of others", "a data set",         "a split",        "a checkpoint", "a run record",
        "results of tasks", "results of a study", "a set of shards"};
    return texts[kind];
}

ech_status ech_seal_read_fully(int descriptor, const char *path, uint64_t offset, void *data,
                               size_t bytes)
{
    char *next = data;
    while (bytes > 0) {
        const ssize_t got = pread(descriptor, next, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ech_fail(ECH_ERR_FILE, "%s: cannot read at offset %" PRIu64 ": %s", path, offset,
                            strerror(errno));
        }
        if (got == 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: ends at offset %" PRIu64 " while it is read", path,
                            offset);
        }
        next += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return ECH_OK;
}

static ech_status digest_pieces(int descriptor, const char *path, uint64_t length,
                                ech_hasher *hasher, char *piece)
{
    ech_status status = ECH_OK;
    for (uint64_t offset = ECH_SEAL_BYTES; offset < length && status == ECH_OK;) {
        const uint64_t left = length - offset;
        const size_t bytes = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        status = ech_seal_read_fully(descriptor, path, offset, piece, bytes);
        if (status == ECH_OK) {
            ech_hasher_add(hasher, piece, bytes);
        }
        offset += bytes;
    }
    return status;
}

static ech_status digest_file(int descriptor, const char *path, uint64_t length, ech_hash128 *out)
{
    ech_hasher *hasher = NULL;
    char *piece = ech_alloc(length < PIECE_BYTES ? (size_t)length : PIECE_BYTES);
    ech_status status = piece != NULL ? ech_hasher_create(&hasher) : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = digest_pieces(descriptor, path, length, hasher, piece);
    }
    if (status == ECH_OK) {
        *out = ech_hasher_digest(hasher);
    }
    ech_hasher_destroy(&hasher);
    ech_free(piece);
    return status;
}

static ech_status file_length(int descriptor, const char *path, uint64_t *length)
{
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot stat: %s", path, strerror(errno));
    }
    if (!S_ISREG(file.st_mode)) {
        return ech_fail(ECH_ERR_FORMAT, "%s: not a regular file, an HDF5 file was expected", path);
    }
    *length = (uint64_t)file.st_size;
    return ECH_OK;
}

static int format_head(ech_seal_kind kind, char *text, size_t bytes)
{
    return snprintf(text, bytes, "%s%skind: %s\nlength: ", seal_magic, seal_version,
                    kind_names[kind]);
}

static void format_block(ech_seal_kind kind, uint64_t length, ech_hash128 digest,
                         char block[ECH_SEAL_BYTES])
{
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(digest, text);
    memset(block, 0, ECH_SEAL_BYTES);
    const int head = format_head(kind, block, ECH_SEAL_BYTES);
    snprintf(block + head, ECH_SEAL_BYTES - (size_t)head, "%020" PRIu64 "\nxxh128: %s\n", length,
             text);
}

ech_status ech_seal_write(const ech_output *output, ech_seal_kind kind, ech_seal_claim *claim)
{
    const int descriptor = ech_output_descriptor(output);
    const char *path = ech_output_path(output);
    ech_status status = file_length(descriptor, path, &claim->length);
    if (status == ECH_OK) {
        status = digest_file(descriptor, path, claim->length, &claim->digest);
    }
    if (status != ECH_OK) {
        return status;
    }
    char block[ECH_SEAL_BYTES];
    format_block(kind, claim->length, claim->digest, block);
    return ech_output_write(output, 0, block, sizeof block);
}

ech_status ech_seal_expect(int descriptor, const char *path, ech_seal_kind kind,
                           const ech_seal_claim *claim)
{
    uint64_t length = 0;
    char block[ECH_SEAL_BYTES];
    char expected[ECH_SEAL_BYTES];
    ech_status status = file_length(descriptor, path, &length);
    if (status == ECH_OK && length != claim->length) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %" PRIu64 " bytes long, %" PRIu64 " were expected",
                        path, length, claim->length);
    }
    if (status == ECH_OK) {
        status = ech_seal_read_fully(descriptor, path, 0, block, sizeof block);
    }
    if (status != ECH_OK) {
        return status;
    }
    format_block(kind, claim->length, claim->digest, expected);
    return memcmp(block, expected, sizeof block) == 0
               ? ECH_OK
               : ech_fail(ECH_ERR_FORMAT, "%s: damaged, or another file than the one expected",
                          path);
}

/* The kind that a block claims, and where its text goes on behind it; NULL if it claims none. */
static const char *parse_head(const char *text, ech_seal_kind *kind)
{
    for (*kind = ECH_SEAL_DATA; *kind < ECH_SEAL_KIND_COUNT; (*kind)++) {
        char head[ECH_SEAL_BYTES];
        const int length = format_head(*kind, head, sizeof head);
        if (strncmp(text, head, (size_t)length) == 0) {
            return text + length;
        }
    }
    return NULL;
}

/* A block that begins with the magic: which kind does it claim, and is it of the right length? */
static ech_status parse_block(const char *block, const char *path, uint64_t length,
                              ech_seal_kind *kind)
{
    char text[ECH_SEAL_BYTES + 1] = "";
    memcpy(text, block, ECH_SEAL_BYTES);
    const char *rest = parse_head(text, kind);
    if (rest == NULL) {
        return ech_fail(
            ECH_ERR_FORMAT,
            "%s: damaged, or sealed by another version of Echelon: version 1 of a known "
            "kind was expected",
            path);
    }
    const uint64_t promised = strtoull(rest, NULL, DECIMAL);
    if (promised != length) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: torn: %" PRIu64 " bytes long, its seal promises %" PRIu64, path,
                        length, promised);
    }
    return ECH_OK;
}

static ech_status check_digest(int descriptor, const char *path, uint64_t length, const char *block,
                               ech_seal_kind kind)
{
    ech_hash128 digest = {0};
    const ech_status status = digest_file(descriptor, path, length, &digest);
    if (status != ECH_OK) {
        return status;
    }
    char expected[ECH_SEAL_BYTES];
    format_block(kind, length, digest, expected);
    if (memcmp(block, expected, sizeof expected) != 0) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: damaged or changed since it was written: its content does not have "
                        "the digest of its seal",
                        path);
    }
    return ECH_OK;
}

/* Others' files begin with HDF5's signature. A file of ours whose magic was hit does not pass for
 * one of them, because it has the signature further down. */
static ech_status check_foreign(const char *block, const char *path, ech_seal_kind *kind)
{
    if (memcmp(block, hdf5_signature, sizeof hdf5_signature) != 0) {
        return ech_fail(ECH_ERR_FORMAT,
                        "%s: neither Echelon's seal nor HDF5's signature at its start", path);
    }
    *kind = ECH_SEAL_NONE;
    return ECH_OK;
}

ech_status ech_seal_check(int descriptor, const char *path, ech_seal_kind *kind)
{
    uint64_t length = 0;
    char block[ECH_SEAL_BYTES];
    ech_status status = file_length(descriptor, path, &length);
    if (status != ECH_OK) {
        return status;
    }
    if (length < sizeof block) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %" PRIu64 " bytes long, an HDF5 file was expected",
                        path, length);
    }
    status = ech_seal_read_fully(descriptor, path, 0, block, sizeof block);
    if (status != ECH_OK) {
        return status;
    }
    if (memcmp(block, seal_magic, sizeof seal_magic - 1) != 0) {
        return check_foreign(block, path, kind);
    }
    status = parse_block(block, path, length, kind);
    return status == ECH_OK ? check_digest(descriptor, path, length, block, *kind) : status;
}

ech_status ech_seal_read(const char *path, ech_seal_kind *kind)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    const ech_status status = ech_seal_check(descriptor, path, kind);
    close(descriptor);
    return status;
}
