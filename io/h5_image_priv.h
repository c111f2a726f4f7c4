/**
 * @file h5_image_priv.h
 * An HDF5 file whose structure is built in memory and never on disk: a write that fails inside HDF5
 * 1.10 leaves the library in a state in which closing the file, or the library, crashes. Private to
 * `io`; on the service's thread.
 *
 * Only what HDF5 writes is in the image: space of datasets that nothing was written to takes none,
 * if the structure fits into the blocks that `object_count` foresees.
 */
#ifndef ECH_IO_H5_IMAGE_PRIV_H
#define ECH_IO_H5_IMAGE_PRIV_H

#include <stddef.h>

#include "io/h5_priv.h"

/** The image. Zero it at first; it must not move while the file is open. */
typedef struct {
    unsigned char *data; /* from the file's first byte on */
    size_t bytes;
    uint64_t file_bytes; /* of the whole file, known once it is closed */
} ech_h5_image;

/** Create a file with a user block. @param object_count  datasets and groups expected. */
hid_t ech_h5_image_create(ech_h5_image *image, size_t user_block_bytes, size_t object_count);

/** Close the file and zero it; the image is then complete. @return false if HDF5 refused. */
bool ech_h5_image_close(ech_h5_image *image, hid_t *file);

void ech_h5_image_free(ech_h5_image *image);

#endif
