/**
 * @file memo_file.h
 * Results by key, kept from one run of a program to the next: a sealed HDF5 file, and beside it a
 * journal (`.journal` appended to its name) of what came since. A result that was put is in the
 * journal at once, so it outlives the process however that ends; a power cut may cost what was put
 * since the last flush.
 *
 * Not collective; one owner. One process at a time has the file.
 *
 *     /keys   uint64 [count][2]  high and low half
 *     /ends   uint64 [count]     where each value ends in /values
 *     /values uint8  [bytes]
 */
#ifndef ECH_IO_MEMO_FILE_H
#define ECH_IO_MEMO_FILE_H

#include <stddef.h>

#include "io/service.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

/** Opaque. */
typedef struct ech_memo_file ech_memo_file;

/** Receives one result; `value` is valid during the call. Called on the service's thread. */
typedef ech_status (*ech_memo_file_visit)(void *visitor, ech_hash128 key, const void *value,
                                          size_t value_bytes);

typedef struct {
    uint64_t results;
    uint64_t value_bytes;
} ech_memo_file_info;

/**
 * Open the file and its journal; neither needs to exist, the folder does.
 *
 * @return ECH_OK; ECH_ERR_FILE (also: another process has it); ECH_ERR_FORMAT (damaged, or another
 *         kind of file); ECH_ERR_MEMORY.
 */
ech_status ech_memo_file_open(ech_io *io, const char *path, ech_memo_file **out);

/** Hand every result to `visit`, once, and stop at its first failure. */
ech_status ech_memo_file_load(ech_memo_file *file, ech_memo_file_visit visit, void *visitor);

/** Keep a result, whose key must be new. @return ECH_OK, ECH_ERR_FILE (a full disk: it is not kept,
 *  what was kept before is intact), ECH_ERR_MEMORY. */
ech_status ech_memo_file_put(ech_memo_file *file, ech_hash128 key, const void *value,
                             size_t value_bytes);

/** Move the journal's results into the HDF5 file, durably. After a failure both are as before. */
ech_status ech_memo_file_flush(ech_memo_file *file);

/** What it holds, journal included. */
ech_memo_file_info ech_memo_file_describe(const ech_memo_file *file);

/** Close without a flush: nothing is lost. Accepts NULL. */
void ech_memo_file_close(ech_memo_file **file);

/** Number and bytes of the results in the HDF5 file alone, which is read only. @return as for
 *  open. */
ech_status ech_memo_file_read_info(ech_io *io, const char *path, ech_memo_file_info *out);

#endif
