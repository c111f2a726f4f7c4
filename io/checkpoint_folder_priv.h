/**
 * @file checkpoint_folder_priv.h
 * The files `checkpoint-<round>.h5` of a folder. Private to `io`; no HDF5.
 */
#ifndef ECH_IO_CHECKPOINT_FOLDER_PRIV_H
#define ECH_IO_CHECKPOINT_FOLDER_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

#define ECH_CHECKPOINT_PREFIX "checkpoint-"

/** "FOLDER/checkpoint-000012.h5"; the caller frees it; NULL without memory. */
char *ech_checkpoint_path(const char *folder, uint64_t round);

/**
 * Rounds of the checkpoints there, newest first. Free the list with ech_free.
 *
 * @return ECH_OK, ECH_ERR_FILE, ECH_ERR_MEMORY.
 */
ech_status ech_checkpoint_list(const char *folder, uint64_t **rounds, size_t *count);

/** Remove all but `newest` and the `keep - 1` before it; those after it are another run's. */
void ech_checkpoint_rotate(const char *folder, uint64_t newest, uint32_t keep);

#endif
