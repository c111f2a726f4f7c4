#define _GNU_SOURCE
#include "io/record_restore_priv.h"

#include <inttypes.h>
#include <unistd.h>

#include "io/output_priv.h"
#include "io/record_tables_priv.h"

typedef struct {
    ech_output *output;
    size_t row_bytes;
    uint64_t written_bytes;
} spool_copy;

static ech_status copy_rows(void *self, const void *rows, size_t count)
{
    spool_copy *copy = self;
    const size_t bytes = count * copy->row_bytes;
    const ech_status status = ech_output_write(copy->output, copy->written_bytes, rows, bytes);
    copy->written_bytes += bytes;
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
    spool_copy copy = {.row_bytes = ech_record_row_bytes(table)};
    ech_status status = ech_output_create(spool_path, &copy.output);
    if (status == ECH_OK) {
        status = ech_record_visit(record, table, rows, copy_rows, &copy);
    }
    if (status == ECH_OK) {
        status = ech_output_commit(copy.output, ECH_OUTPUT_DURABLE);
    }
    ech_output_destroy(&copy.output);
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
