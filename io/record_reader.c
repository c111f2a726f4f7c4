#include <inttypes.h>
#include <string.h>

#include "io/record.h"
#include "io/record_tables_priv.h"
#include "io/sealed_reader_priv.h"
#include "runtime/base/memory.h"

enum { TEXT_BYTES_MAX = 1 << 24, PIECE_ROWS = 32768 };

struct ech_record {
    ech_io *io;
    char *path;
    hid_t file;
    char *config;
    ech_record_fact *machine;
    size_t machine_count;
    char *app_text; /* [app_count][ECH_RECORD_APP_NAME_BYTES + 1] */
    const char **app_names;
    ech_record_info info;
};

static ech_status bad(const ech_record *record, const char *what)
{
    return ech_h5_fail(ECH_ERR_FORMAT, record->path, what);
}

static ech_status read_head(ech_record *record)
{
    uint64_t version = 0;
    uint64_t finished = 0;
    if (!ech_h5_get_u64(record->file, "version", &version) ||
        !ech_h5_get_u64(record->file, "finished", &finished)) {
        return bad(record, "read the attributes version and finished");
    }
    if (version != ECH_RECORD_VERSION) {
        return ech_fail(ECH_ERR_FORMAT, "%s: a run record of version %" PRIu64 ", %d was expected",
                        record->path, version, ECH_RECORD_VERSION);
    }
    record->info.finished = finished != 0;
    record->config = ech_h5_read_text(record->file, "/config", TEXT_BYTES_MAX);
    return record->config != NULL ? ECH_OK : bad(record, "read /config");
}

static int64_t count_rows(hid_t dataset)
{
    hid_t space = dataset >= 0 ? H5Dget_space(dataset) : H5I_INVALID_HID;
    const hssize_t count = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    ech_h5_close(&space);
    return count;
}

static ech_status read_counts(ech_record *record)
{
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        const char *name = ech_record_table_name(t);
        if (!ech_h5_exists(record->file, name)) {
            continue;
        }
        hid_t dataset = H5Dopen2(record->file, name, H5P_DEFAULT);
        const int64_t count = count_rows(dataset);
        ech_h5_close(&dataset);
        if (count < 0) {
            return bad(record, name);
        }
        record->info.rows[t] = (uint64_t)count;
    }
    return ECH_OK;
}

static herr_t visit_fact(hid_t group, const char *name, const H5A_info_t *info, void *user)
{
    (void)info;
    ech_record *record = user;
    ech_record_fact *fact = &record->machine[record->machine_count++];
    fact->name = ech_strdup(name);
    fact->value = ech_h5_get_text(group, name, TEXT_BYTES_MAX);
    return fact->name != NULL && fact->value != NULL ? 0 : -1;
}

static ech_status read_machine(ech_record *record)
{
    hid_t group = H5Gopen2(record->file, "/machine", H5P_DEFAULT);
    H5O_info_t info;
    ech_status status = ECH_OK;
    if (group < 0 || H5Oget_info(group, &info) < 0) {
        status = bad(record, "open /machine");
    } else {
        record->machine = ech_calloc(info.num_attrs, sizeof *record->machine);
        if (record->machine == NULL) {
            status = ECH_ERR_MEMORY;
        } else if (H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_fact, record) < 0) {
            status = bad(record, "read the attributes of /machine");
        }
    }
    ech_h5_close(&group);
    return status;
}

static ech_status take_app_names(ech_record *record, hid_t dataset, size_t count)
{
    enum { STRIDE = ECH_RECORD_APP_NAME_BYTES + 1 };
    record->app_text = ech_calloc(count, STRIDE);
    record->app_names = ech_calloc(count, sizeof *record->app_names);
    if (record->app_text == NULL || record->app_names == NULL) {
        return ECH_ERR_MEMORY;
    }
    hid_t type = ech_h5_text_type(STRIDE);
    const bool read =
        count == 0 || H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, record->app_text) >= 0;
    ech_h5_close(&type);
    for (size_t i = 0; i < count; i++) {
        record->app_names[i] = record->app_text + i * STRIDE;
    }
    record->info.app_count = count;
    return read ? ECH_OK : bad(record, "read /apps");
}

static ech_status read_apps(ech_record *record)
{
    hid_t dataset = H5Dopen2(record->file, "apps", H5P_DEFAULT);
    const int64_t count = count_rows(dataset);
    const ech_status status =
        count >= 0 ? take_app_names(record, dataset, (size_t)count) : bad(record, "open /apps");
    ech_h5_close(&dataset);
    return status;
}

static ech_status open_on_thread(void *argument)
{
    ech_record *record = argument;
    ech_status status = ech_sealed_open_kind(record->path, ECH_SEAL_RECORD, &record->file);
    if (status == ECH_OK) {
        status = read_head(record);
    }
    if (status == ECH_OK) {
        status = read_counts(record);
    }
    if (status == ECH_OK) {
        status = read_machine(record);
    }
    return status == ECH_OK ? read_apps(record) : status;
}

ech_status ech_record_open(ech_io *io, const char *path, ech_record **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_record *record = *out;
    record->io = io;
    record->path = ech_strdup(path);
    const ech_status status =
        record->path != NULL ? ech_io_run(io, open_on_thread, record) : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_record_close(out);
        return status;
    }
    record->info.path = record->path;
    record->info.config = record->config;
    record->info.machine = record->machine;
    record->info.machine_count = record->machine_count;
    record->info.app_names = record->app_names;
    return ECH_OK;
}

static ech_status close_on_thread(void *argument)
{
    ech_record *record = argument;
    ech_h5_close(&record->file);
    return ECH_OK;
}

void ech_record_close(ech_record **record)
{
    if (record == NULL || *record == NULL) {
        return;
    }
    ech_record *dying = *record;
    if (dying->file > 0) {
        ech_io_run(dying->io, close_on_thread, dying);
    }
    for (size_t i = 0; i < dying->machine_count; i++) {
        ech_free((void *)dying->machine[i].name);
        ech_free((void *)dying->machine[i].value);
    }
    ech_free(dying->machine);
    ech_free(dying->app_names);
    ech_free(dying->app_text);
    ech_free(dying->config);
    ech_free(dying->path);
    ech_free(dying);
    *record = NULL;
}

const ech_record_info *ech_record_describe(const ech_record *record)
{
    return &record->info;
}

typedef struct {
    ech_record *record;
    ech_record_table table;
    uint64_t first;
    uint64_t count;
    void *rows;
} read_job;

static bool read_rows(hid_t dataset, hid_t type, const read_job *job)
{
    const hsize_t first = job->first;
    const hsize_t count = job->count;
    hid_t in_file = H5Dget_space(dataset);
    hid_t in_memory = H5Screate_simple(1, &count, NULL);
    const bool read =
        in_file >= 0 && in_memory >= 0 &&
        H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &first, NULL, &count, NULL) >= 0 &&
        H5Dread(dataset, type, in_memory, in_file, H5P_DEFAULT, job->rows) >= 0;
    ech_h5_close(&in_memory);
    ech_h5_close(&in_file);
    return read;
}

static ech_status read_on_thread(void *argument)
{
    const read_job *job = argument;
    const char *name = ech_record_table_name(job->table);
    hid_t type = ech_record_row_type(job->table);
    hid_t dataset = H5Dopen2(job->record->file, name, H5P_DEFAULT);
    const bool read = dataset >= 0 && type >= 0 && read_rows(dataset, type, job);
    ech_h5_close(&dataset);
    ech_h5_close(&type);
    return read ? ECH_OK : bad(job->record, name);
}

ech_status ech_record_read(ech_record *record, ech_record_table table, uint64_t first,
                           uint64_t count, void *rows)
{
    const uint64_t there = record->info.rows[table];
    if (first > there || count > there - first) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "%s: rows %" PRIu64 " to %" PRIu64 " of the %" PRIu64 " of /%s",
                        record->path, first, first + count, there, ech_record_table_name(table));
    }
    memset(rows, 0, count * ech_record_row_bytes(table));
    read_job job = {record, table, first, count, rows};
    return count > 0 ? ech_io_run(record->io, read_on_thread, &job) : ECH_OK;
}

ech_status ech_record_visit(ech_record *record, ech_record_table table, uint64_t count,
                            ech_record_visitor visit, void *self)
{
    if (count == 0) {
        return ECH_OK;
    }
    void *rows =
        ech_calloc(count < PIECE_ROWS ? (size_t)count : PIECE_ROWS, ech_record_row_bytes(table));
    ech_status status = rows != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (uint64_t first = 0; first < count && status == ECH_OK; first += PIECE_ROWS) {
        const uint64_t left = count - first;
        const uint64_t piece = left < PIECE_ROWS ? left : PIECE_ROWS;
        status = ech_record_read(record, table, first, piece, rows);
        if (status == ECH_OK) {
            status = visit(self, rows, (size_t)piece);
        }
    }
    ech_free(rows);
    return status;
}
