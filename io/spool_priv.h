/**
 * @file spool_priv.h
 * Rows of one size, appended to a private file in batches by the service's thread. Private to `io`;
 * no HDF5. Appending and flushing: one owner; reading: on the service's thread.
 */
#ifndef ECH_IO_SPOOL_PRIV_H
#define ECH_IO_SPOOL_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

/** Opaque. */
typedef struct ech_spool ech_spool;

/** The first so many rows, and their hash. */
typedef struct {
    uint64_t rows;
    ech_hash128 hash;
} ech_spool_mark;

/**
 * Make a spool, or go on with one.
 *
 * @param resume  rows that must be there and stay, those behind them go; NULL: begin a new file.
 * @return ECH_OK; ECH_ERR_FILE (also: another living process writes it); ECH_ERR_FORMAT (the rows
 *         are not there); ECH_ERR_MEMORY.
 */
ech_status ech_spool_open(ech_io *io, const char *path, size_t row_bytes,
                          const ech_spool_mark *resume, ech_spool **out);

/** Wait for writes in flight and close. Rows in memory are dropped. Accepts NULL. */
void ech_spool_close(ech_spool **spool);

/** Remove the file from its folder. */
void ech_spool_remove(const ech_spool *spool);

/**
 * Copy rows. A batch that is full is written while the next one fills.
 *
 * @return ECH_OK; ECH_ERR_FILE: it cannot be written, and there is no room for all of the rows;
 * those without room are left out.
 */
ech_status ech_spool_append(ech_spool *spool, const void *rows, size_t count);

/** Queue what is in memory. Jobs that are submitted later find it written. @return ECH_OK, or the
 *  failure of an earlier write, which is tried again by the next call. */
ech_status ech_spool_flush(ech_spool *spool);

/** All rows appended so far. */
ech_spool_mark ech_spool_position(const ech_spool *spool);

/** On the service's thread: read bytes of written rows. */
ech_status ech_spool_read(const ech_spool *spool, uint64_t offset, void *data, size_t bytes);

/** On the service's thread: make what is written safe from a power cut. @return ECH_OK;
 *  ECH_ERR_FILE, also where the last write failed. */
ech_status ech_spool_sync(const ech_spool *spool);

#endif
