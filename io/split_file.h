/**
 * @file split_file.h
 * Which worker holds which training samples, in files.
 *
 * Echelon's own split files hold `/split/offsets` uint64 [workers + 1] and `/split/indices` uint32,
 * worker w's samples being indices[offsets[w]] to indices[offsets[w + 1] - 1], and the parameters
 * that made the split as attributes of `/split`. `/split/owners` uint32 [samples] says the same the
 * other way round, as `split: {kind: file, file: ..., dataset: split/owners}` reads it. The split
 * itself is computed elsewhere.
 *
 * Not collective. Functions block; they run on the service's thread.
 */
#ifndef ECH_IO_SPLIT_FILE_H
#define ECH_IO_SPLIT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/status.h"

#define ECH_SPLIT_FILE_NOBODY UINT32_MAX

/** A parameter that made a split, such as {"labels_alpha", "1.0"}. */
typedef struct {
    const char *name;
    const char *value;
} ech_split_file_parameter;

typedef struct {
    uint64_t workers;
    const uint64_t *offsets; /* [workers + 1], from 0, never descending */
    const uint32_t *indices; /* [offsets[workers]] */
    uint64_t samples;        /* training samples of the data file; kept as an attribute */
    const ech_split_file_parameter *parameters;
    size_t parameter_count;
} ech_split_file_content;

/** Write a split file: temporary name, synced, renamed. Errors as ech_dataset_write's. */
ech_status ech_split_file_write(ech_io *io, const char *path,
                                const ech_split_file_content *content);

/** A split in memory. Free it with ech_split_file_free. */
typedef struct {
    uint64_t workers;
    uint64_t *offsets;
    uint32_t *indices;
    uint64_t samples;
} ech_split_file;

/**
 * Read a split file and check it: offsets from 0 and never descending, indices below the number of
 * samples, none twice.
 *
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT; ECH_ERR_MEMORY.
 */
ech_status ech_split_file_read(ech_io *io, const char *path, ech_split_file *out);
void ech_split_file_free(ech_split_file *split);

/**
 * Read a user's assignment (`split: {kind: file}`): one integer a training sample, the number of
 * its worker; -1, or the largest value of the dataset's type, for none.
 *
 * @param samples      length that the dataset must have.
 * @param[out] owners  [samples]; ECH_SPLIT_FILE_NOBODY for none.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT (no such dataset, wrong length or type, a negative
 *         number other than -1, or one beyond 2^32 - 2; file, dataset and position are named);
 *         ECH_ERR_MEMORY.
 */
ech_status ech_split_file_read_owners(ech_io *io, const char *path, const char *dataset,
                                      uint64_t samples, uint32_t *owners);

#endif
