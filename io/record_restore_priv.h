/**
 * @file record_restore_priv.h
 * Spools that are gone, made anew from the published record. Private to `io`.
 */
#ifndef ECH_IO_RECORD_RESTORE_PRIV_H
#define ECH_IO_RECORD_RESTORE_PRIV_H

#include "io/record.h"

/**
 * Make `spool_path` with the first `rows` rows of the record's table, unless it is there. A run
 * that came to its end has no spools, and may yet go on, for more rounds.
 *
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT (the record has fewer rows, or is damaged).
 */
ech_status ech_record_restore_spool(ech_io *io, const char *record_path, ech_record_table table,
                                    uint64_t rows, const char *spool_path);

#endif
