/**
 * @file array_file_priv.h
 * An HDF5 file as a set of named arrays, read row by row. Private to `io`; wherever HDF5 may be
 * called: on the service's thread, or in the child that reads files of others.
 *
 * Checks what a damaged or hostile file may claim: an array's promised size against what is stored,
 * data that lies in other files, types that are no plain numbers.
 */
#ifndef ECH_IO_ARRAY_FILE_PRIV_H
#define ECH_IO_ARRAY_FILE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/h5_priv.h"
#include "runtime/base/status.h"

enum { ECH_ARRAY_DIMENSIONS_MAX = 4 };

typedef enum { ECH_ARRAY_SIGNED, ECH_ARRAY_UNSIGNED, ECH_ARRAY_REAL } ech_array_class;

/* Plain data of fixed layout: it also travels over the child's socket. */
typedef struct {
    uint32_t present; /* 0: the file has no such array; the rest is then 0 */
    uint32_t class;   /* ech_array_class */
    uint32_t element_bytes;
    uint32_t dimension_count; /* at least 1 */
    uint64_t shape[ECH_ARRAY_DIMENSIONS_MAX];
} ech_array_info;

/** Bytes of one row: of all elements that share a first index. */
uint64_t ech_array_row_bytes(const ech_array_info *info);

/** Integer `i` of elements as ech_array_file_read gives them; an unsigned one beyond INT64_MAX
 * comes out negative. */
int64_t ech_array_integer(const ech_array_info *info, const void *elements, uint64_t i);

/** Opaque. */
typedef struct ech_array_file ech_array_file;

/**
 * Read an open file as arrays.
 *
 * @param file   HDF5's handle; becomes the array file's, also on failure.
 * @param shown  the path in messages; borrowed for the file's life.
 * @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_array_file_create(hid_t file, const char *shown, ech_array_file **out);
void ech_array_file_close(ech_array_file **file);

/** Look at an array of plain numbers; one that is absent is not a failure. */
ech_status ech_array_file_describe(ech_array_file *file, const char *name, ech_array_info *info);

/** Read rows [first, first + count) in the file's own type, this machine's byte order. */
ech_status ech_array_file_read(ech_array_file *file, const char *name, uint64_t first,
                               uint64_t count, void *rows);

/** An integer attribute of an array or group; `present` tells whether there is one. */
ech_status ech_array_file_attribute(ech_array_file *file, const char *object, const char *name,
                                    bool *present, uint64_t *value);

#endif
