/**
 * @file kind.h
 * What a file is: Echelon's files say it in the seal at their start, with a digest of the whole
 * file.
 *
 * Not collective; thread-safe; needs neither HDF5 nor the service.
 */
#ifndef ECH_IO_KIND_H
#define ECH_IO_KIND_H

#include "runtime/base/status.h"

typedef enum {
    ECH_SEAL_NONE, /* an HDF5 file of others */
    ECH_SEAL_DATA,
    ECH_SEAL_SPLIT,
    ECH_SEAL_CHECKPOINT,
    ECH_SEAL_RECORD,
    ECH_SEAL_MEMO,
    ECH_SEAL_RESULTS,
    ECH_SEAL_SHARDS,
    ECH_SEAL_KIND_COUNT
} ech_seal_kind;

/** The kind in words, with its article: "a checkpoint". */
const char *ech_seal_kind_text(ech_seal_kind kind);

/**
 * Check a file's digest and tell its kind.
 *
 * @return ECH_OK; ECH_ERR_FILE (cannot be read); ECH_ERR_FORMAT (torn, damaged, no HDF5 file).
 */
ech_status ech_seal_read(const char *path, ech_seal_kind *kind);

#endif
