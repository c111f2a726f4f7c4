/**
 * @file h5_priv.h
 * Small helpers over HDF5. Private to `io`; on the service's thread only.
 */
#ifndef ECH_IO_H5_PRIV_H
#define ECH_IO_H5_PRIV_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Initialise HDF5: no error traces on standard error, no filter plug-ins from search paths. */
ech_status ech_h5_start(void);

/** Close HDF5. */
void ech_h5_stop(void);

/**
 * ECH_ERR_HDF5, or `status` of a caller who knows better, with HDF5's own innermost message:
 * "PATH: cannot WHAT: message".
 */
ech_status ech_h5_fail(ech_status status, const char *path, const char *what);

/** Give an identifier of any kind back and zero it. Accepts 0 and negative ones. @return false if
 *  HDF5 refused (a file whose last blocks could not be written). */
bool ech_h5_close(hid_t *id);

/** Type of texts of `bytes` bytes, at least 1, padded with NULs. */
hid_t ech_h5_text_type(size_t bytes);

/** Attributes of a few fixed types. `where` is a file, group or dataset. False on failure. */
bool ech_h5_put_text(hid_t where, const char *name, const char *text);
bool ech_h5_put_u64(hid_t where, const char *name, uint64_t value);
bool ech_h5_get_u64(hid_t where, const char *name, uint64_t *out);

/** A text attribute, fixed or of variable length, of at most `bytes_max` bytes; NULL on failure.
 *  Free it with ech_free. */
char *ech_h5_get_text(hid_t where, const char *name, size_t bytes_max);

/** A text dataset of fixed length, of at most `bytes_max` bytes; as above. */
char *ech_h5_read_text(hid_t file, const char *name, size_t bytes_max);

/** Does the link exist, with all groups on the way to it? */
bool ech_h5_exists(hid_t file, const char *path);

/**
 * Open a file to read, without locks: it does not change once it has its name.
 *
 * @param path   what HDF5 opens, such as a descriptor's path.
 * @param shown  the path in the message.
 * @return ECH_OK or ECH_ERR_FORMAT.
 */
ech_status ech_h5_open(const char *path, const char *shown, hid_t *file);

#endif
