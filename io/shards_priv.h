/**
 * @file shards_priv.h
 * What the writer and the readers of shards share. Private to `io`.
 */
#ifndef ECH_IO_SHARDS_PRIV_H
#define ECH_IO_SHARDS_PRIV_H

#include "io/shards.h"

/** Name of file `index` of a set, behind its folder. */
void ech_shards_file_name(const ech_shards *shards, uint64_t index, const char *folder,
                          char out[ECH_SHARDS_PATH_BYTES]);

/** Is there a file of the test samples? It is the last. */
static inline uint64_t ech_shards_test_files(const ech_shards *shards)
{
    return shards->info.samples[ECH_DATA_TEST] > 0 ? 1 : 0;
}

/** The file, among the `count` from `files` on, that holds sample `sample` of their part. */
uint64_t ech_shards_find(const ech_shard_file *files, uint64_t count, uint64_t sample);

/** Checksum of sample number `sample` of a part of a set. */
uint64_t ech_shards_check(ech_data_part part, uint64_t sample, const uint8_t *pixels, size_t bytes,
                          uint8_t label);

/**
 * Write a part's files, whose `first` and `count` are set, and fill the rest of their rows. On the
 * service's thread.
 *
 * @param places  number in the set of each of the data set's samples; ECH_SPLIT_FILE_NOBODY: none.
 */
ech_status ech_shards_write_part(const ech_shards *shards, const char *folder, ech_dataset *dataset,
                                 ech_data_part part, const uint32_t *places);

#endif
