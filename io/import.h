/**
 * @file import.h
 * Published data sets in their own formats, read into memory.
 *
 * `idx` (Y. LeCun's MNIST page; FashionMNIST uses it too), plain or compressed with gzip, one file
 * of images and one of labels. CIFAR-10's binary version (A. Krizhevsky 2009): records of one label
 * and 3x32x32 pixels.
 * A file's size is checked against what its header promises before memory is asked for. Not
 * collective; thread-safe; needs neither HDF5 nor the service.
 */
#ifndef ECH_IO_IMPORT_H
#define ECH_IO_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** One part of a data set in memory. Free it with ech_import_free. */
typedef struct {
    uint64_t count;
    uint32_t channels;
    uint32_t height;
    uint32_t width;
    uint32_t classes; /* one more than the largest label */
    uint8_t *images;  /* [count,C,H,W] */
    uint8_t *labels;  /* [count] */
} ech_import;

/**
 * Read a pair of idx files: unsigned bytes, images [N,H,W], labels [N].
 *
 * @param[out] out  zeroed on failure.
 * @return ECH_OK; ECH_ERR_FILE (cannot be read); ECH_ERR_FORMAT (wrong magic, sizes, lengths or a
 *         damaged gzip stream: file, offset and what was expected); ECH_ERR_MEMORY.
 */
ech_status ech_import_idx(const char *images_path, const char *labels_path, ech_import *out);

/**
 * Read CIFAR-10 binary files one after the other into one part (data_batch_1.bin to _5.bin, or
 * test_batch.bin). Errors as above.
 */
ech_status ech_import_cifar10(const char *const *paths, size_t path_count, ech_import *out);

/** Free the arrays and zero the struct. Accepts a zeroed one. */
void ech_import_free(ech_import *samples);

#endif
