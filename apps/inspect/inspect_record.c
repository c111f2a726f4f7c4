#include <inttypes.h>
#include <stdio.h>

#include "apps/inspect/inspect.h"
#include "io/record.h"
#include "runtime/base/json.h"

enum { LAST_ROUNDS = 10 };

static void print_round(const ech_round_row *row)
{
    printf("%8u %9u %11u %13.4f %10.4f %10.4f %9.3f %14" PRIu64 " %14" PRIu64 "\n", row->round,
           row->selected, row->contributed, row->test_accuracy, row->test_loss, row->train_loss,
           row->total_seconds, row->logical_up_bytes, row->logical_down_bytes);
}

static ech_status print_last_rounds(ech_record *record)
{
    const uint64_t count = ech_record_describe(record)->rows[ECH_RECORD_ROUNDS];
    const uint64_t shown = count < LAST_ROUNDS ? count : LAST_ROUNDS;
    ech_round_row rows[LAST_ROUNDS];
    const ech_status status =
        ech_record_read(record, ECH_RECORD_ROUNDS, count - shown, shown, rows);
    if (status != ECH_OK) {
        return status;
    }
    printf("\nlast rounds\n%8s %9s %11s %13s %10s %10s %9s %14s %14s\n", "round", "selected",
           "contributed", "test accuracy", "test loss", "train loss", "seconds", "bytes up",
           "bytes down");
    for (uint64_t i = 0; i < shown; i++) {
        print_round(&rows[i]);
    }
    return ECH_OK;
}

static ech_status print_text(ech_record *record)
{
    const ech_record_info *info = ech_record_describe(record);
    printf("%s: run record, %s\n", info->path,
           info->finished ? "of a run that came to its end" : "of a run that has not ended");
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        printf("  /%-10s %12" PRIu64 " rows\n", ech_record_table_name(t), info->rows[t]);
    }
    printf("\n/machine\n");
    for (size_t i = 0; i < info->machine_count; i++) {
        printf("  %-20s %s\n", info->machine[i].name, info->machine[i].value);
    }
    const ech_status status = print_last_rounds(record);
    printf("\n/config\n%s", info->config);
    return status;
}

static void write_round(ech_json *json, const ech_round_row *row)
{
    ech_json_begin_object(json, NULL);
    ech_json_unsigned(json, "round", row->round);
    ech_json_unsigned(json, "selected", row->selected);
    ech_json_unsigned(json, "contributed", row->contributed);
    ech_json_unsigned(json, "late", row->late);
    ech_json_real(json, "test_accuracy", row->test_accuracy);
    ech_json_real(json, "test_loss", row->test_loss);
    ech_json_real(json, "train_loss", row->train_loss);
    ech_json_real(json, "seconds", row->total_seconds);
    ech_json_unsigned(json, "logical_up_bytes", row->logical_up_bytes);
    ech_json_unsigned(json, "logical_down_bytes", row->logical_down_bytes);
    ech_json_unsigned(json, "wire_up_bytes", row->wire_up_bytes);
    ech_json_unsigned(json, "wire_down_bytes", row->wire_down_bytes);
    ech_json_end_object(json);
}

static ech_status write_rounds(void *json, const void *rows, size_t count)
{
    const ech_round_row *row = rows;
    for (size_t i = 0; i < count; i++) {
        write_round(json, &row[i]);
    }
    return ECH_OK;
}

static void write_site(ech_json *json, const ech_site_row *row)
{
    ech_json_begin_object(json, NULL);
    ech_json_unsigned(json, "round", row->round);
    ech_json_text(json, "name", row->name);
    ech_json_unsigned(json, "node", row->node);
    ech_json_unsigned(json, "workers", row->workers);
    ech_json_bool(json, "counted", row->counted != 0);
    ech_json_real(json, "seconds", row->seconds);
    ech_json_real(json, "down_seconds", row->down_seconds);
    ech_json_real(json, "up_seconds", row->up_seconds);
    ech_json_unsigned(json, "raw_up_bytes", row->raw_up_bytes);
    ech_json_unsigned(json, "raw_down_bytes", row->raw_down_bytes);
    ech_json_unsigned(json, "wire_up_bytes", row->wire_up_bytes);
    ech_json_unsigned(json, "wire_down_bytes", row->wire_down_bytes);
    ech_json_end_object(json);
}

static ech_status write_sites(void *json, const void *rows, size_t count)
{
    const ech_site_row *row = rows;
    for (size_t i = 0; i < count; i++) {
        write_site(json, &row[i]);
    }
    return ECH_OK;
}

static ech_status write_table(ech_json *json, ech_record *record, ech_record_table table,
                              ech_record_visitor write_rows)
{
    ech_json_begin_list(json, ech_record_table_name(table));
    const ech_status status =
        ech_record_visit(record, table, ech_record_describe(record)->rows[table], write_rows, json);
    ech_json_end_list(json);
    return status;
}

static ech_status print_json(ech_record *record)
{
    const ech_record_info *info = ech_record_describe(record);
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", info->path);
    ech_json_text(&json, "kind", "record");
    ech_json_bool(&json, "finished", info->finished);
    ech_json_begin_object(&json, "rows");
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        ech_json_unsigned(&json, ech_record_table_name(t), info->rows[t]);
    }
    ech_json_end_object(&json);
    ech_json_begin_object(&json, "machine");
    for (size_t i = 0; i < info->machine_count; i++) {
        ech_json_text(&json, info->machine[i].name, info->machine[i].value);
    }
    ech_json_end_object(&json);
    ech_status status = write_table(&json, record, ECH_RECORD_ROUNDS, write_rounds);
    if (status == ECH_OK) {
        status = write_table(&json, record, ECH_RECORD_SITES, write_sites);
    }
    ech_json_text(&json, "config", info->config);
    ech_json_end_object(&json);
    const ech_status finished = ech_json_finish(&json);
    return status != ECH_OK ? status : finished;
}

ech_status ech_inspect_record(ech_io *io, const char *path, bool json)
{
    ech_record *record = NULL;
    ech_status status = ech_record_open(io, path, &record);
    if (status == ECH_OK) {
        status = json ? print_json(record) : print_text(record);
    }
    ech_record_close(&record);
    return status;
}
