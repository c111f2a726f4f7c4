/**
 * @file results.h
 * The results of many runs as one table in a file:
 *
 *     /runs     one row a run, a compound dataset with the caller's columns
 *     /study    what was asked for, YAML text
 *
 * Not collective. Functions block; they run on the service's thread.
 */
#ifndef ECH_IO_RESULTS_H
#define ECH_IO_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/status.h"

typedef enum {
    ECH_RESULT_TEXT, /* an array of char, ended by a NUL */
    ECH_RESULT_U64,
    ECH_RESULT_REAL, /* double; NaN: not known */
} ech_result_kind;

/** A column: a member of the row struct. */
typedef struct {
    const char *name;
    ech_result_kind kind;
    size_t offset; /* in the row */
    size_t bytes;  /* of the member */
} ech_result_column;

typedef struct {
    const char *study;
    const ech_result_column *columns;
    size_t column_count;
    const void *rows;
    size_t row_bytes;
    uint64_t row_count;
} ech_results;

/** Write a file of results: temporary name, synced, renamed. @return ECH_OK; ECH_ERR_FILE;
 *  ECH_ERR_HDF5; ECH_ERR_MEMORY. */
ech_status ech_results_write(ech_io *io, const char *path, const ech_results *results);

typedef struct {
    uint64_t row_count;
    uint64_t column_count;
} ech_results_info;

/** @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT. */
ech_status ech_results_read_info(ech_io *io, const char *path, ech_results_info *out);

#endif
