#define _GNU_SOURCE
#include "io/record_restore_priv.h"

#include <inttypes.h>
#include <unistd.h>

#include "io/output_priv.h"
#include "io/record_tables_priv.h"
#include "runtime/base/memory.h"

enum { PIECE_ROWS = 4096 };

static ech_status copy_rows(ech_record *record, ech_record_table table, uint64_t rows,
                            const ech_output *output)
{
    const size_t row_bytes = ech_record_row_bytes(table);
    void *piece = ech_calloc(PIECE_ROWS, row_bytes);
    ech_status status = piece != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (uint64_t first = 0; first < rows && status == ECH_OK; first += PIECE_ROWS) {
        const uint64_t left = rows - first;
        const size_t count = left < PIECE_ROWS ? (size_t)left : PIECE_ROWS;
        status = ech_record_read(record, table, first, count, piece);
        if (status == ECH_OK) {
            status = ech_output_write(output, first * row_bytes, piece, count * row_bytes);
        }
    }
    ech_free(piece);
    return status;
}

static ech_status copy_table(ech_record *record, ech_record_table table, uint64_t rows,
                             const char *spool_path)
{
    const uint64_t there = ech_record_describe(record)->rows[table];
    if (there < rows) {
        return ech_fail(
            ECH_ERR_FORMAT, "%s: %" PRIu64 " rows in /%s, the run to resume had %" PRIu64,
            ech_record_describe(record)->path, there, ech_record_table_name(table), rows);
    }
    ech_output *output = NULL;
    ech_status status = ech_output_create(spool_path, &output);
    if (status == ECH_OK) {
        status = copy_rows(record, table, rows, output);
    }
    if (status == ECH_OK) {
        status = ech_output_commit(output, ECH_OUTPUT_DURABLE);
    }
    ech_output_destroy(&output);
    return status;
}

ech_status ech_record_restore_spool(ech_io *io, const char *record_path, ech_record_table table,
                                    uint64_t rows, const char *spool_path)
{
    if (access(spool_path, F_OK) == 0) {
        return ECH_OK;
    }
    ech_record *record = NULL;
    ech_status status = ech_record_open(io, record_path, &record);
    if (status == ECH_OK) {
        status = copy_table(record, table, rows, spool_path);
    }
    ech_record_close(&record);
    return status;
}
