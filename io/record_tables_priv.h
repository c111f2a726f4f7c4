/**
 * @file record_tables_priv.h
 * The tables of a run record as HDF5 sees them: the row structs of record.h. Private to `io`.
 */
#ifndef ECH_IO_RECORD_TABLES_PRIV_H
#define ECH_IO_RECORD_TABLES_PRIV_H

#include "io/h5_priv.h"
#include "io/record.h"

enum { ECH_RECORD_VERSION = 1, ECH_RECORD_APP_NAME_BYTES = 64 };

size_t ech_record_row_bytes(ech_record_table table);

/** A new compound type of the row struct; the caller closes it; negative on failure. */
hid_t ech_record_row_type(ech_record_table table);

#endif
