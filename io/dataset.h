/**
 * @file dataset.h
 * Labelled images in an HDF5 file: `/train/images` uint8 [N,C,H,W], `/train/labels` [N],
 * `/test/...`.
 *
 * A file that Echelon wrote carries a digest, which is checked before HDF5 sees it. A file of
 * others (h5py) is read through a child process with a time limit, because a corrupt file can crash
 * HDF5. The number of classes is the attribute `classes` of `/train/labels`, or one more than the
 * largest label. The test part may be absent.
 *
 * Not collective. One owner a handle. Functions block; they run on the service's thread.
 */
#ifndef ECH_IO_DATASET_H
#define ECH_IO_DATASET_H

#include <stdint.h>

#include "io/service.h"
#include "runtime/base/status.h"

enum { ECH_DATASET_CLASSES_MAX = 256 };

typedef enum { ECH_DATA_TRAIN, ECH_DATA_TEST, ECH_DATA_PART_COUNT } ech_data_part;

typedef struct {
    uint64_t samples[ECH_DATA_PART_COUNT]; /* train at least 1; test 0 if the file has none */
    uint32_t channels;
    uint32_t height;
    uint32_t width;
    uint32_t classes; /* every label of both parts is below */
} ech_dataset_info;

/** Bytes of one sample's pixels. */
static inline uint64_t ech_dataset_sample_bytes(const ech_dataset_info *info)
{
    return (uint64_t)info->channels * info->height * info->width;
}

/** Opaque: an open, checked file. Holds the labels, not the images. */
typedef struct ech_dataset ech_dataset;

/**
 * Open a data set and check it: shapes, types, labels.
 *
 * @return ECH_OK; ECH_ERR_FILE (cannot be opened); ECH_ERR_FORMAT (not such a file, damaged, torn,
 *         a label out of range; the message names the file and what was expected); ECH_ERR_MEMORY.
 */
ech_status ech_dataset_open(ech_io *io, const char *path, ech_dataset **out);

/** Close it. Accepts NULL; nulls the pointer. */
void ech_dataset_close(ech_dataset **dataset);

/** Borrowed, lives as long as the handle. */
const ech_dataset_info *ech_dataset_describe(const ech_dataset *dataset);

/** Labels of a part in file order, borrowed; NULL if the part is empty. */
const uint8_t *ech_dataset_labels(const ech_dataset *dataset, ech_data_part part);

/**
 * Read the pixels of samples [first, first + count).
 *
 * @param[out] pixels  `count * ech_dataset_sample_bytes` bytes, such as a shared window's.
 */
ech_status ech_dataset_read_images(ech_dataset *dataset, ech_data_part part, uint64_t first,
                                   uint64_t count, uint8_t *pixels);

/** One more than the largest label; 0 without labels. */
uint32_t ech_dataset_count_classes(const uint8_t *labels, uint64_t count);

/** A part to write; both pointers NULL where `count` is 0. */
typedef struct {
    uint64_t count;
    const uint8_t *images; /* [count,C,H,W] */
    const uint8_t *labels;
} ech_dataset_part;

typedef struct {
    ech_dataset_part parts[ECH_DATA_PART_COUNT];
    uint32_t channels;
    uint32_t height;
    uint32_t width;
    uint32_t classes;
    const char *source; /* where the samples came from; kept as an attribute; NULL: none */
} ech_dataset_content;

/**
 * Write a data file: to a temporary name in the same folder, synced, then renamed over `path`.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (label out of range); ECH_ERR_FILE; ECH_ERR_HDF5. After a
 * failure `path` is what it was.
 */
ech_status ech_dataset_write(ech_io *io, const char *path, const ech_dataset_content *content);

#endif
