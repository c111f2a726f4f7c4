#include "io/record_tables_priv.h"

#include <stddef.h>

typedef enum { COLUMN_U32, COLUMN_I32, COLUMN_U64, COLUMN_REAL, COLUMN_NAME } column_type;

typedef struct {
    const char *name;
    column_type type;
    size_t offset;
} column;

#define COLUMN(row, field, type)                                                                   \
    {                                                                                              \
#field, type, offsetof(row, field)                                                         \
    }

static const column history_columns[] = {
    COLUMN(ech_history_row, round, COLUMN_U32),     COLUMN(ech_history_row, node, COLUMN_U32),
    COLUMN(ech_history_row, parent, COLUMN_U32),    COLUMN(ech_history_row, staleness, COLUMN_U32),
    COLUMN(ech_history_row, samples, COLUMN_U64),   COLUMN(ech_history_row, loss, COLUMN_REAL),
    COLUMN(ech_history_row, accuracy, COLUMN_REAL), COLUMN(ech_history_row, start, COLUMN_REAL),
    COLUMN(ech_history_row, end, COLUMN_REAL),
};

static const column round_columns[] = {
    COLUMN(ech_round_row, round, COLUMN_U32),
    COLUMN(ech_round_row, selected, COLUMN_U32),
    COLUMN(ech_round_row, contributed, COLUMN_U32),
    COLUMN(ech_round_row, late, COLUMN_U32),
    COLUMN(ech_round_row, test_accuracy, COLUMN_REAL),
    COLUMN(ech_round_row, test_loss, COLUMN_REAL),
    COLUMN(ech_round_row, train_loss, COLUMN_REAL),
    COLUMN(ech_round_row, start, COLUMN_REAL),
    COLUMN(ech_round_row, total_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, send_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, train_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, aggregate_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, evaluate_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, wait_seconds, COLUMN_REAL),
    COLUMN(ech_round_row, logical_up_bytes, COLUMN_U64),
    COLUMN(ech_round_row, logical_down_bytes, COLUMN_U64),
    COLUMN(ech_round_row, wire_up_bytes, COLUMN_U64),
    COLUMN(ech_round_row, wire_down_bytes, COLUMN_U64),
};

static const column tier_columns[] = {
    COLUMN(ech_tier_row, round, COLUMN_U32),
    COLUMN(ech_tier_row, tier, COLUMN_U32),
    COLUMN(ech_tier_row, logical_up_bytes, COLUMN_U64),
    COLUMN(ech_tier_row, logical_down_bytes, COLUMN_U64),
    COLUMN(ech_tier_row, wire_up_bytes, COLUMN_U64),
    COLUMN(ech_tier_row, wire_down_bytes, COLUMN_U64),
};

static const column arrival_columns[] = {
    COLUMN(ech_arrival_row, node, COLUMN_U32),    COLUMN(ech_arrival_row, parent, COLUMN_U32),
    COLUMN(ech_arrival_row, round, COLUMN_U32),   COLUMN(ech_arrival_row, staleness, COLUMN_U32),
    COLUMN(ech_arrival_row, version, COLUMN_U64),
};

static const column site_columns[] = {
    COLUMN(ech_site_row, round, COLUMN_U32),
    COLUMN(ech_site_row, node, COLUMN_U32),
    COLUMN(ech_site_row, workers, COLUMN_U32),
    COLUMN(ech_site_row, counted, COLUMN_U32),
    COLUMN(ech_site_row, seconds, COLUMN_REAL),
    COLUMN(ech_site_row, down_seconds, COLUMN_REAL),
    COLUMN(ech_site_row, up_seconds, COLUMN_REAL),
    COLUMN(ech_site_row, raw_up_bytes, COLUMN_U64),
    COLUMN(ech_site_row, raw_down_bytes, COLUMN_U64),
    COLUMN(ech_site_row, wire_up_bytes, COLUMN_U64),
    COLUMN(ech_site_row, wire_down_bytes, COLUMN_U64),
    COLUMN(ech_site_row, name, COLUMN_NAME),
};

static const column task_columns[] = {
    COLUMN(ech_task_row, id, COLUMN_U64),         COLUMN(ech_task_row, app, COLUMN_U32),
    COLUMN(ech_task_row, attempt, COLUMN_U32),    COLUMN(ech_task_row, rank, COLUMN_I32),
    COLUMN(ech_task_row, host, COLUMN_I32),       COLUMN(ech_task_row, core, COLUMN_I32),
    COLUMN(ech_task_row, status, COLUMN_U32),     COLUMN(ech_task_row, queued_ns, COLUMN_U64),
    COLUMN(ech_task_row, started_ns, COLUMN_U64), COLUMN(ech_task_row, ended_ns, COLUMN_U64),
    COLUMN(ech_task_row, bytes, COLUMN_U64),
};

typedef struct {
    const char *name;
    size_t row_bytes;
    const column *columns;
    size_t column_count;
} table_description;

#define TABLE(name, row, columns)                                                                  \
    {                                                                                              \
        name, sizeof(row), columns, sizeof(columns) / sizeof(columns)[0]                           \
    }

static const table_description tables[ECH_RECORD_TABLE_COUNT] = {
    [ECH_RECORD_HISTORY] = TABLE("history", ech_history_row, history_columns),
    [ECH_RECORD_ROUNDS] = TABLE("rounds", ech_round_row, round_columns),
    [ECH_RECORD_TIERS] = TABLE("tiers", ech_tier_row, tier_columns),
    [ECH_RECORD_ARRIVALS] = TABLE("arrivals", ech_arrival_row, arrival_columns),
    [ECH_RECORD_SITES] = TABLE("sites", ech_site_row, site_columns),
    [ECH_RECORD_TASKS] = TABLE("tasks", ech_task_row, task_columns),
};

const char *ech_record_table_name(ech_record_table table)
{
    return tables[table].name;
}

size_t ech_record_row_bytes(ech_record_table table)
{
    return tables[table].row_bytes;
}

/* A text of ECH_SITE_ROW_NAME_BYTES, ended by a NUL. The caller closes it. */
static hid_t name_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, ECH_SITE_ROW_NAME_BYTES) < 0) {
        ech_h5_close(&type);
        type = H5I_INVALID_HID;
    }
    return type;
}

static hid_t native(column_type type)
{
    switch (type) {
    case COLUMN_U32:
        return H5T_NATIVE_UINT32;
    case COLUMN_I32:
        return H5T_NATIVE_INT32;
    case COLUMN_U64:
        return H5T_NATIVE_UINT64;
    default:
        return H5T_NATIVE_DOUBLE;
    }
}

hid_t ech_record_row_type(ech_record_table table)
{
    const table_description *description = &tables[table];
    hid_t type = H5Tcreate(H5T_COMPOUND, description->row_bytes);
    for (size_t c = 0; c < description->column_count && type >= 0; c++) {
        const column *field = &description->columns[c];
        hid_t own = field->type == COLUMN_NAME ? name_type() : H5I_INVALID_HID;
        const hid_t of_field = field->type == COLUMN_NAME ? own : native(field->type);
        if (of_field < 0 || H5Tinsert(type, field->name, field->offset, of_field) < 0) {
            ech_h5_close(&type);
            type = H5I_INVALID_HID;
        }
        ech_h5_close(&own);
    }
    return type;
}
