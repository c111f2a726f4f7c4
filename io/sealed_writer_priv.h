/**
 * @file sealed_writer_priv.h
 * Writes one sealed HDF5 file. HDF5 only lays it out (groups, attributes, contiguous datasets
 * without content); the content goes to its place by plain writes, straight from the caller's
 * memory, which are cheap and whose failures are clear. Private to `io`; on the service's thread.
 *
 *     create -> put attributes, add arrays -> layout_done -> write arrays -> commit -> destroy
 */
#ifndef ECH_IO_SEALED_WRITER_PRIV_H
#define ECH_IO_SEALED_WRITER_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "io/h5_priv.h"
#include "io/seal_priv.h"
#include "runtime/base/hash.h"

/** Opaque. */
typedef struct ech_sealed_writer ech_sealed_writer;

/** Begin the file that will be `path`. @param object_count  datasets and groups expected. */
ech_status ech_sealed_writer_create(const char *path, ech_seal_kind kind, size_t object_count,
                                    ech_sealed_writer **out);

/** Give everything up that was not committed; the old file, if any, stays. Accepts NULL. */
void ech_sealed_writer_destroy(ech_sealed_writer **writer);

typedef struct {
    const char *name; /* path in the file; groups on the way are made */
    hid_t type;       /* also the type in memory: a fixed native type */
    uint32_t dimension_count;
    const uint64_t *shape;
    const ech_hash128 *checksum; /* becomes the attribute xxh128; NULL: none */
} ech_sealed_array;

/** Add a dataset. @param[out] which  its number, for the writes; may be NULL if it is empty. */
ech_status ech_sealed_writer_add(ech_sealed_writer *writer, const ech_sealed_array *array,
                                 size_t *which);

/** Add a group, with those on the way to it. */
ech_status ech_sealed_writer_add_group(ech_sealed_writer *writer, const char *name);

/** Give the group, dataset or file ("/") `where` an attribute. */
ech_status ech_sealed_writer_put_text(ech_sealed_writer *writer, const char *where,
                                      const char *name, const char *text);
ech_status ech_sealed_writer_put_u64(ech_sealed_writer *writer, const char *where, const char *name,
                                     uint64_t value);

/** Add a text dataset and keep a borrowed pointer to it, which is written by layout_done. */
ech_status ech_sealed_writer_add_text(ech_sealed_writer *writer, const char *name,
                                      const char *text);

/** Close HDF5's part and reserve the blocks. */
ech_status ech_sealed_writer_layout_done(ech_sealed_writer *writer);

/** Write bytes [offset, offset + bytes) of an array's content. */
ech_status ech_sealed_writer_write(ech_sealed_writer *writer, size_t which, uint64_t offset,
                                   const void *data, size_t bytes);

/** Seal, sync, rename. Every array must have been written in full. */
ech_status ech_sealed_writer_commit(ech_sealed_writer *writer, ech_output_durability durability);

/** Where an array's content begins in the file; of an empty one it says nothing. */
uint64_t ech_sealed_writer_place(const ech_sealed_writer *writer, size_t which);

/** What the seal says, once it is committed. Borrowed. */
const ech_seal_claim *ech_sealed_writer_claim(const ech_sealed_writer *writer);

#endif
