/**
 * @file source_priv.h
 * Arrays of any HDF5 file: a sealed one is checked and opened in this process, one of others
 * through the child. Private to `io`; on the service's thread.
 */
#ifndef ECH_IO_SOURCE_PRIV_H
#define ECH_IO_SOURCE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "io/array_file_priv.h"
#include "io/seal_priv.h"
#include "io/service.h"

/** Opaque. */
typedef struct ech_source ech_source;

/**
 * Open a file.
 *
 * @param path  borrowed for the source's life.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT; ECH_ERR_MEMORY; ECH_ERR_SYSTEM (no child).
 */
ech_status ech_source_open(const ech_io *io, const char *path, ech_source **out);
void ech_source_close(ech_source **source);

/** A file of Echelon must be of this kind; one of others may be. @return ECH_OK, ECH_ERR_FORMAT. */
ech_status ech_source_expect(const ech_source *source, ech_seal_kind kind);

/* As the functions of array_file_priv.h. */
ech_status ech_source_describe(ech_source *source, const char *name, ech_array_info *info);
ech_status ech_source_read(ech_source *source, const char *name, const ech_array_info *info,
                           uint64_t first, uint64_t count, void *rows);
ech_status ech_source_attribute(ech_source *source, const char *object, const char *name,
                                bool *present, uint64_t *value);

#endif
