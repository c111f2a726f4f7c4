/**
 * @file sealed_reader_priv.h
 * Opening files with a seal: checked first, then opened by HDF5, the very same file. Private to
 * `io`; on the service's thread.
 */
#ifndef ECH_IO_SEALED_READER_PRIV_H
#define ECH_IO_SEALED_READER_PRIV_H

#include "io/h5_priv.h"
#include "io/seal_priv.h"

/**
 * Check a file and open it.
 *
 * @param[out] kind  ECH_SEAL_NONE for an HDF5 file of others, which is not opened.
 * @param[out] file  0 if it was not opened.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT.
 */
ech_status ech_sealed_open(const char *path, ech_seal_kind *kind, hid_t *file);

/** The same for a file that must be of one kind. */
ech_status ech_sealed_open_kind(const char *path, ech_seal_kind kind, hid_t *file);

#endif
