/**
 * @file shard_reader.h
 * Samples of a set of shards, read where they lie, each checked. By plain reads: any process may
 * make them, without an I/O service, and from one thread a reader.
 *
 * Not collective.
 */
#ifndef ECH_IO_SHARD_READER_H
#define ECH_IO_SHARD_READER_H

#include "io/shards.h"

/** Opaque. Keeps one file open, the one that was read last. */
typedef struct ech_shard_reader ech_shard_reader;

/**
 * @param path    of `shards.h5`; copied.
 * @param shards  borrowed until the reader is destroyed.
 */
ech_status ech_shard_reader_create(const char *path, const ech_shards *shards,
                                   ech_shard_reader **out);
void ech_shard_reader_destroy(ech_shard_reader **reader);

/**
 * Are all files there, and are they those of the set, by length and seal? Opens each.
 *
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT.
 */
ech_status ech_shard_reader_find_files(ech_shard_reader *reader);

/** Called between the blocks of a read, so that a leader rank can serve messages. */
typedef struct {
    void (*call)(void *user); /* NULL: not */
    void *user;
} ech_shard_pause;

/**
 * Read samples [first, first + count) of a part, in blocks of about a MiB.
 *
 * @param[out] pixels  `count` times the bytes of a sample.
 * @param[out] labels  `count`.
 * @return ECH_OK; ECH_ERR_FILE (a file is missing); ECH_ERR_FORMAT (it is not the file of the set,
 *         or a sample is damaged: file and sample are named).
 */
ech_status ech_shard_reader_read(ech_shard_reader *reader, ech_data_part part, uint64_t first,
                                 uint64_t count, uint8_t *pixels, uint8_t *labels,
                                 const ech_shard_pause *pause);

#endif
