/**
 * @file output_priv.h
 * A file that appears under its name only when it is whole.
 *
 * It is written under a temporary name in the same folder (made anew, 0600, locked by its writer),
 * synced, renamed, and the folder synced. Private to `io`; no HDF5.
 */
#ifndef ECH_IO_OUTPUT_PRIV_H
#define ECH_IO_OUTPUT_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Opaque. */
typedef struct ech_output ech_output;

/** Make the temporary file for `path`. @return ECH_OK, ECH_ERR_FILE, ECH_ERR_MEMORY. */
ech_status ech_output_create(const char *path, ech_output **out);

/** Remove the temporary file unless it was committed; free. Accepts NULL. */
void ech_output_destroy(ech_output **output);

/** Descriptor, open for reading and writing; the output's. */
int ech_output_descriptor(const ech_output *output);

/** Final path, for messages; borrowed. */
const char *ech_output_path(const ech_output *output);

/** Make the file so long, with all of its blocks, so that a full disk shows now. */
ech_status ech_output_reserve(const ech_output *output, uint64_t bytes);

ech_status ech_output_write(const ech_output *output, uint64_t offset, const void *data,
                            size_t bytes);

typedef enum {
    ECH_OUTPUT_DURABLE,  /* file and folder are synced: it survives a power cut */
    ECH_OUTPUT_FLEETING, /* soon replaced by the next one: a power cut may tear it */
} ech_output_durability;

/** Sync, rename, sync the folder. @return ECH_OK, or ECH_ERR_FILE: the old file is in place. */
ech_status ech_output_commit(ech_output *output, ech_output_durability durability);

/** Can files be made in the folder? @return ECH_OK or ECH_ERR_FILE. */
ech_status ech_output_probe_folder(const char *folder);

/** Remove temporary files for names that begin with `prefix`, whose writers are dead. */
void ech_output_remove_stale(const char *folder, const char *prefix);

#endif
