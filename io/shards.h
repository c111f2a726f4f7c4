/**
 * @file shards.h
 * A data set laid out by worker, in several files: sets of shards.
 *
 * A folder holds `shards.h5`, which tells what lies where, and the files `shard-00000.h5` and so
 * on, one a host, with whole workers, each worker's samples one after the other; `test.h5` holds
 * the test samples. Each of these files is a data set of its own (dataset.h, under /train), with
 * one more list, `/train/checks` uint64: a checksum of each sample, its label and its number in the
 * set. So a reader that needs a part of a file checks that part, and needs no HDF5 for it: the set
 * tells where the content lies.
 *
 * `shards.h5`: `/offsets` uint64 [workers + 1], worker w's samples of the set being offsets[w] to
 * offsets[w + 1] - 1; `/files` uint64 [files, 8], a row an ech_shard_file; the samples' shape and
 * classes and the number of test samples as attributes of the file.
 *
 * Not collective.
 */
#ifndef ECH_IO_SHARDS_H
#define ECH_IO_SHARDS_H

#include <stddef.h>
#include <stdint.h>

#include "io/dataset.h"
#include "io/service.h"
#include "io/split_file.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

enum { ECH_SHARDS_PATH_BYTES = 4096 };

/** One file: samples [first, first + count) of its part. */
typedef struct {
    uint64_t first;
    uint64_t count;
    uint64_t bytes;     /* of the whole file */
    ech_hash128 digest; /* that its seal says */
    uint64_t images;    /* where its content begins in the file, in bytes */
    uint64_t labels;
    uint64_t checks;
} ech_shard_file;

/** A set. Plain data: it may also lie in memory that others made. */
typedef struct {
    ech_dataset_info info; /* its training samples: those that are dealt to workers */
    uint64_t workers;
    uint64_t *offsets;   /* [workers + 1], from 0, never descending */
    uint64_t file_count; /* that of the test samples, the last one, included */
    ech_shard_file *files;
} ech_shards;

/** "folder/shards.h5" of a folder, or the path as it is where it names no folder. @return ECH_OK,
 *  or ECH_ERR_FILE if it is too long. */
ech_status ech_shards_path(const char *path, char out[ECH_SHARDS_PATH_BYTES]);

/**
 * Read `shards.h5` and check it: it must describe whole files that cover all samples, in order. The
 * files themselves are not looked at. Runs on the service's thread.
 *
 * @param path  of that file.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT; ECH_ERR_MEMORY.
 */
ech_status ech_shards_read(ech_io *io, const char *path, ech_shards *out);
void ech_shards_free(ech_shards *shards);

/** Samples of the largest worker. */
uint64_t ech_shards_largest(const ech_shards *shards);

/**
 * Lay a data set out. Each file is written to a temporary name, synced and renamed, `shards.h5`
 * last: without it there is no set. Holds the labels, 13 bytes a sample and a block of the samples
 * in memory, and reads the data set once for each 256 files.
 *
 * @param folder      made if it is not there; else it must be empty.
 * @param split       of this data set; samples of nobody are left out.
 * @param file_count  1 to the number of workers; each gets as many workers as the others, to within
 *                    one.
 * @return ECH_OK; ECH_ERR_CONFIG (more files than workers, a folder that is not empty);
 *         ECH_ERR_FILE; ECH_ERR_FORMAT; ECH_ERR_MEMORY. After a failure the folder has no new file.
 */
ech_status ech_shards_write(ech_io *io, const char *folder, ech_dataset *dataset,
                            const ech_split_file *split, uint64_t file_count);

#endif
