#define _GNU_SOURCE
#include "io/shard_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "io/seal_priv.h"
#include "io/shards_priv.h"
#include "runtime/base/memory.h"

enum { BLOCK_BYTES = 1 << 20 };

struct ech_shard_reader {
    const ech_shards *shards;
    char *folder;
    uint64_t sample_bytes;
    uint64_t block; /* samples, at least 1 */
    uint64_t *checks;
    int descriptor; /* -1: none is open */
    uint64_t open_file;
    char path[ECH_SHARDS_PATH_BYTES]; /* of the open file */
};

static ech_status take_folder(ech_shard_reader *reader, const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    reader->folder = slash != NULL ? ech_calloc(length + 1, 1) : ech_strdup(".");
    if (reader->folder == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (slash != NULL) {
        memcpy(reader->folder, path, length);
    }
    return ECH_OK;
}

ech_status ech_shard_reader_create(const char *path, const ech_shards *shards,
                                   ech_shard_reader **out)
{
    ech_shard_reader *reader = ech_calloc(1, sizeof *reader);
    *out = reader;
    if (reader == NULL) {
        return ECH_ERR_MEMORY;
    }
    reader->shards = shards;
    reader->descriptor = -1;
    reader->sample_bytes = ech_dataset_sample_bytes(&shards->info);
    reader->block = reader->sample_bytes < BLOCK_BYTES ? BLOCK_BYTES / reader->sample_bytes : 1;
    reader->checks = ech_calloc(reader->block, sizeof *reader->checks);
    const ech_status status = reader->checks != NULL ? take_folder(reader, path) : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_shard_reader_destroy(out);
    }
    return status;
}

static void close_file(ech_shard_reader *reader)
{
    if (reader->descriptor >= 0) {
        close(reader->descriptor);
        reader->descriptor = -1;
    }
}

void ech_shard_reader_destroy(ech_shard_reader **reader)
{
    if (reader == NULL || *reader == NULL) {
        return;
    }
    close_file(*reader);
    ech_free((*reader)->folder);
    ech_free((*reader)->checks);
    ech_free(*reader);
    *reader = NULL;
}

static ech_status open_file(ech_shard_reader *reader, uint64_t index)
{
    if (reader->descriptor >= 0 && reader->open_file == index) {
        return ECH_OK;
    }
    close_file(reader);
    ech_shards_file_name(reader->shards, index, reader->folder, reader->path);
    reader->descriptor = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->descriptor < 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot open: %s", reader->path, strerror(errno));
    }
    reader->open_file = index;
    const ech_shard_file *file = &reader->shards->files[index];
    const ech_seal_claim claim = {file->bytes, file->digest};
    const ech_status status =
        ech_seal_expect(reader->descriptor, reader->path, ECH_SEAL_DATA, &claim);
    if (status != ECH_OK) {
        close_file(reader);
    }
    return status;
}

ech_status ech_shard_reader_find_files(ech_shard_reader *reader)
{
    ech_status status = ECH_OK;
    for (uint64_t index = 0; index < reader->shards->file_count && status == ECH_OK; index++) {
        status = open_file(reader, index);
    }
    return status;
}

static ech_status check_block(const ech_shard_reader *reader, ech_data_part part, uint64_t first,
                              uint64_t count, const uint8_t *pixels, const uint8_t *labels)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t check = ech_shards_check(part, first + i, pixels + i * reader->sample_bytes,
                                                (size_t)reader->sample_bytes, labels[i]);
        if (check != reader->checks[i] || labels[i] >= reader->shards->info.classes) {
            return ech_fail(ECH_ERR_FORMAT,
                            "%s: damaged: sample %" PRIu64 " of the set does not have its checksum",
                            reader->path, first + i);
        }
    }
    return ECH_OK;
}

/* Samples of the open file, a block at most. */
static ech_status read_block(ech_shard_reader *reader, ech_data_part part, uint64_t first,
                             uint64_t count, uint8_t *pixels, uint8_t *labels)
{
    const ech_shard_file *file = &reader->shards->files[reader->open_file];
    const uint64_t skip = first - file->first;
    const int descriptor = reader->descriptor;
    ech_status status =
        ech_seal_read_fully(descriptor, reader->path, file->images + skip * reader->sample_bytes,
                            pixels, (size_t)(count * reader->sample_bytes));
    if (status == ECH_OK) {
        status = ech_seal_read_fully(descriptor, reader->path, file->labels + skip, labels,
                                     (size_t)count);
    }
    if (status == ECH_OK) {
        status = ech_seal_read_fully(descriptor, reader->path,
                                     file->checks + skip * sizeof *reader->checks, reader->checks,
                                     (size_t)(count * sizeof *reader->checks));
    }
    return status == ECH_OK ? check_block(reader, part, first, count, pixels, labels) : status;
}

/* The file of the part's sample `first`, open. @param[in,out] count  cut to a block of that file.
 */
static ech_status reach(ech_shard_reader *reader, ech_data_part part, uint64_t first,
                        uint64_t *count)
{
    const ech_shards *shards = reader->shards;
    const uint64_t train_files = shards->file_count - ech_shards_test_files(shards);
    const uint64_t index =
        part == ECH_DATA_TEST ? train_files : ech_shards_find(shards->files, train_files, first);
    const ech_shard_file *file = &shards->files[index];
    const uint64_t left = file->first + file->count - first;
    *count = *count < left ? *count : left;
    *count = *count < reader->block ? *count : reader->block;
    return open_file(reader, index);
}

ech_status ech_shard_reader_read(ech_shard_reader *reader, ech_data_part part, uint64_t first,
                                 uint64_t count, uint8_t *pixels, uint8_t *labels,
                                 const ech_shard_pause *pause)
{
    assert(first <= reader->shards->info.samples[part] &&
           count <= reader->shards->info.samples[part] - first);
    for (uint64_t done = 0; done < count;) {
        uint64_t next = count - done;
        ech_status status = reach(reader, part, first + done, &next);
        if (status == ECH_OK) {
            status = read_block(reader, part, first + done, next,
                                pixels + done * reader->sample_bytes, labels + done);
        }
        if (status != ECH_OK) {
            return status;
        }
        done += next;
        if (pause != NULL && pause->call != NULL) {
            pause->call(pause->user);
        }
    }
    return ECH_OK;
}
