#include <stdio.h>
#include <string.h>

#include "io/record.h"
#include "io/record_restore_priv.h"
#include "io/record_tables_priv.h"
#include "io/sealed_writer_priv.h"
#include "io/spool_priv.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { COPY_BYTES = 1 << 20, PUBLISH_SHARE = 50, OBJECTS = 8 };

static const double seconds_between = 2.0;

/* What one publication is made from: rows that the spools had when it was queued. */
typedef struct {
    ech_spool_mark tables[ECH_RECORD_TABLE_COUNT];
    bool with_tasks;
    bool complete;
    ech_output_durability durability;
    uint64_t cost_ns; /* set by the job */
} publication;

struct ech_record_writer {
    ech_io *io;
    char *path;
    char *config;
    ech_record_fact *machine;
    size_t machine_count;
    char *app_names; /* [app_count][ECH_RECORD_APP_NAME_BYTES] */
    size_t app_count;
    ech_spool *spools[ECH_RECORD_TABLE_COUNT];
    ech_io_job *sync_job;
    ech_failure synced; /* what it ended with; the service's thread's */
    ech_io_job *publish_job;
    publication next;
    uint64_t interval_ns;
    uint64_t due_ns;
    bool keep_spools; /* a run that resumes may rely on them */
};

static char *spool_path(const char *record_path, ech_record_table table)
{
    const char *slash = strrchr(record_path, '/');
    const int folder_length = slash != NULL ? (int)(slash - record_path + 1) : 0;
    const char *table_name = ech_record_table_name(table);
    const size_t bytes = strlen(record_path) + strlen(table_name) + 4;
    char *path = ech_alloc(bytes);
    if (path != NULL) {
        snprintf(path, bytes, "%.*s.%s.%s", folder_length, record_path, record_path + folder_length,
                 table_name);
    }
    return path;
}

static ech_status open_spool(ech_record_writer *writer, ech_record_table table,
                             const ech_record_mark *resume)
{
    char *path = spool_path(writer->path, table);
    if (path == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_spool_mark mark = {0};
    ech_status status = ECH_OK;
    if (resume != NULL) {
        mark = (ech_spool_mark){resume->rows[table], resume->hash[table]};
        status = ech_record_restore_spool(writer->io, writer->path, table, mark.rows, path);
    }
    if (status == ECH_OK) {
        status = ech_spool_open(writer->io, path, ech_record_row_bytes(table),
                                resume != NULL ? &mark : NULL, &writer->spools[table]);
    }
    ech_free(path);
    return status;
}

static ech_status add_fact(ech_record_writer *writer, const char *name, const char *value)
{
    ech_record_fact *grown =
        ech_realloc(writer->machine, writer->machine_count + 1, sizeof *writer->machine);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->machine = grown;
    ech_record_fact *fact = &grown[writer->machine_count++];
    *fact = (ech_record_fact){.name = ech_strdup(name), .value = ech_strdup(value)};
    return fact->name != NULL && fact->value != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status copy_machine(ech_record_writer *writer, const ech_record_options *options)
{
    ech_status status = ECH_OK;
    for (size_t i = 0; i < options->machine_count && status == ECH_OK; i++) {
        status = add_fact(writer, options->machine[i].name, options->machine[i].value);
    }
    return status;
}

static ech_status copy_apps(ech_record_writer *writer, const ech_record_options *options)
{
    writer->app_count = options->app_count;
    writer->app_names = ech_calloc(options->app_count, ECH_RECORD_APP_NAME_BYTES);
    if (writer->app_names == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < options->app_count; i++) {
        snprintf(writer->app_names + i * ECH_RECORD_APP_NAME_BYTES, ECH_RECORD_APP_NAME_BYTES, "%s",
                 options->app_names[i]);
    }
    return ECH_OK;
}

static ech_status take_options(ech_record_writer *writer, const ech_record_options *options)
{
    const double between =
        options->seconds_between > 0 ? options->seconds_between : seconds_between;
    writer->interval_ns = (uint64_t)(between * 1e9);
    writer->due_ns = ech_clock_ns() + writer->interval_ns;
    writer->keep_spools = options->resume != NULL;
    writer->path = ech_strdup(options->path);
    writer->config = ech_strdup(options->config);
    if (writer->path == NULL || writer->config == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = copy_machine(writer, options);
    return status == ECH_OK ? copy_apps(writer, options) : status;
}

ech_status ech_record_writer_create(ech_io *io, const ech_record_options *options,
                                    ech_record_writer **out)
{
    *out = NULL;
    ech_record_writer *writer = ech_calloc(1, sizeof *writer);
    if (writer == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->io = io;
    ech_status status = take_options(writer, options);
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT && status == ECH_OK; t++) {
        status = open_spool(writer, t, options->resume);
    }
    if (status != ECH_OK) {
        ech_record_writer_destroy(&writer);
    }
    *out = writer;
    return status;
}

static void remove_spools(const ech_record_writer *writer)
{
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        if (writer->spools[t] != NULL) {
            ech_spool_remove(writer->spools[t]);
        }
    }
}

static void free_texts(ech_record_writer *writer)
{
    for (size_t i = 0; i < writer->machine_count; i++) {
        ech_free((void *)writer->machine[i].name);
        ech_free((void *)writer->machine[i].value);
    }
    ech_free(writer->machine);
    ech_free(writer->app_names);
    ech_free(writer->config);
    ech_free(writer->path);
}

static ech_status wait_job(ech_io_job **job)
{
    return *job != NULL ? ech_io_wait(job) : ECH_OK;
}

static void end_job(ech_io_job **job)
{
    if (wait_job(job) != ECH_OK) {
        ech_log(ECH_LOG_ERROR, "%s", ech_status_message());
    }
}

void ech_record_writer_destroy(ech_record_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    ech_record_writer *dying = *writer;
    end_job(&dying->sync_job);
    end_job(&dying->publish_job);
    if (!dying->keep_spools) {
        remove_spools(dying);
    }
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        ech_spool_close(&dying->spools[t]);
    }
    free_texts(dying);
    ech_free(dying);
    *writer = NULL;
}

ech_status ech_record_append(ech_record_writer *writer, ech_record_table table, const void *rows,
                             size_t count)
{
    return ech_spool_append(writer->spools[table], rows, count);
}

static ech_status flush(ech_record_writer *writer)
{
    ech_status status = ECH_OK;
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        const ech_status flushed = ech_spool_flush(writer->spools[t]);
        status = status == ECH_OK ? flushed : status;
    }
    return status;
}

static ech_status sync_on_thread(void *argument)
{
    ech_record_writer *writer = argument;
    ech_status status = ECH_OK;
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT && status == ECH_OK; t++) {
        status = ech_spool_sync(writer->spools[t]);
    }
    writer->synced = ech_failure_keep(status);
    return status;
}

ech_status ech_record_check_mark(void *writer)
{
    return ech_failure_restore(&((const ech_record_writer *)writer)->synced);
}

ech_status ech_record_take_mark(ech_record_writer *writer, ech_record_mark *mark)
{
    *mark = (ech_record_mark){0};
    (void)wait_job(&writer->sync_job); /* a failure was the checkpoint's that relied on it */
    ech_status status = flush(writer);
    if (status == ECH_OK) {
        status = ech_io_submit(writer->io, sync_on_thread, writer, &writer->sync_job);
    }
    if (status != ECH_OK) {
        return status;
    }
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        const ech_spool_mark position = ech_spool_position(writer->spools[t]);
        mark->rows[t] = position.rows;
        mark->hash[t] = position.hash;
    }
    writer->keep_spools = true;
    return ECH_OK;
}

/* The publication that runs reads the facts. */
ech_status ech_record_add_fact(ech_record_writer *writer, const char *name, const char *value)
{
    end_job(&writer->publish_job);
    return add_fact(writer, name, value);
}

/* One publication: the arrays' numbers in the file, by table. */
typedef struct {
    const ech_record_writer *writer;
    ech_sealed_writer *file;
    size_t arrays[ECH_RECORD_TABLE_COUNT];
    size_t apps;
} publish_work;

static bool is_published(const publication *what, ech_record_table table)
{
    return table != ECH_RECORD_TASKS || what->with_tasks;
}

static ech_status lay_out_table(publish_work *work, ech_record_table table)
{
    const ech_spool_mark *rows = &work->writer->next.tables[table];
    hid_t type = ech_record_row_type(table);
    const ech_sealed_array array = {ech_record_table_name(table), type, 1, &rows->rows,
                                    &rows->hash};
    const ech_status status = ech_sealed_writer_add(work->file, &array, &work->arrays[table]);
    ech_h5_close(&type);
    return status;
}

static ech_status lay_out_apps(publish_work *work)
{
    const uint64_t count = work->writer->app_count;
    hid_t type = ech_h5_text_type(ECH_RECORD_APP_NAME_BYTES);
    const ech_sealed_array array = {"apps", type, 1, &count, NULL};
    const ech_status status = ech_sealed_writer_add(work->file, &array, &work->apps);
    ech_h5_close(&type);
    return status;
}

static ech_status lay_out_head(publish_work *work)
{
    const ech_record_writer *writer = work->writer;
    ech_status status = ech_sealed_writer_put_text(work->file, "/", "kind", "record");
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(work->file, "/", "version", ECH_RECORD_VERSION);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_put_u64(work->file, "/", "finished", writer->next.complete);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add_text(work->file, "/config", writer->config);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add_group(work->file, "/machine");
    }
    for (size_t i = 0; i < writer->machine_count && status == ECH_OK; i++) {
        status = ech_sealed_writer_put_text(work->file, "/machine", writer->machine[i].name,
                                            writer->machine[i].value);
    }
    return status == ECH_OK ? lay_out_apps(work) : status;
}

static ech_status lay_out(publish_work *work)
{
    ech_status status = lay_out_head(work);
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT && status == ECH_OK; t++) {
        status = is_published(&work->writer->next, t) ? lay_out_table(work, t) : ECH_OK;
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(work->file) : status;
}

static ech_status copy_table(publish_work *work, ech_record_table table, unsigned char *piece)
{
    const uint64_t length = work->writer->next.tables[table].rows * ech_record_row_bytes(table);
    ech_status status = ECH_OK;
    for (uint64_t offset = 0; offset < length && status == ECH_OK;) {
        const uint64_t left = length - offset;
        const size_t bytes = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = ech_spool_read(work->writer->spools[table], offset, piece, bytes);
        if (status == ECH_OK) {
            status = ech_sealed_writer_write(work->file, work->arrays[table], offset, piece, bytes);
        }
        offset += bytes;
    }
    return status;
}

static ech_status copy_content(publish_work *work)
{
    const ech_record_writer *writer = work->writer;
    unsigned char *piece = ech_alloc(COPY_BYTES);
    if (piece == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_sealed_writer_write(work->file, work->apps, 0, writer->app_names,
                                                writer->app_count * ECH_RECORD_APP_NAME_BYTES);
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT && status == ECH_OK; t++) {
        status = is_published(&writer->next, t) ? copy_table(work, t, piece) : ECH_OK;
    }
    ech_free(piece);
    return status;
}

static ech_status publish_on_thread(void *argument)
{
    ech_record_writer *writer = argument;
    publish_work work = {.writer = writer};
    const uint64_t began = ech_clock_ns();
    ech_status status =
        ech_sealed_writer_create(writer->path, ECH_SEAL_RECORD, OBJECTS, &work.file);
    if (status == ECH_OK) {
        status = lay_out(&work);
    }
    if (status == ECH_OK) {
        status = copy_content(&work);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(work.file, writer->next.durability);
    }
    ech_sealed_writer_destroy(&work.file);
    writer->next.cost_ns = ech_clock_ns() - began;
    return status;
}

static ech_status begin_publication(ech_record_writer *writer, const publication *what)
{
    const ech_status status = flush(writer);
    if (status != ECH_OK) {
        return status;
    }
    writer->next = *what;
    for (ech_record_table t = 0; t < ECH_RECORD_TABLE_COUNT; t++) {
        writer->next.tables[t] = ech_spool_position(writer->spools[t]);
    }
    return ech_io_submit(writer->io, publish_on_thread, writer, &writer->publish_job);
}

static ech_status end_publication(ech_record_writer *writer)
{
    const bool was_there = writer->publish_job != NULL;
    const ech_status status = wait_job(&writer->publish_job);
    if (was_there) {
        const uint64_t pause = PUBLISH_SHARE * writer->next.cost_ns;
        writer->due_ns =
            ech_clock_ns() + (pause > writer->interval_ns ? pause : writer->interval_ns);
    }
    return status;
}

ech_status ech_record_tick(ech_record_writer *writer)
{
    if (writer->publish_job != NULL) {
        return ech_io_poll(writer->publish_job) ? end_publication(writer) : ECH_OK;
    }
    if (ech_clock_ns() < writer->due_ns) {
        return ECH_OK;
    }
    const publication what = {.durability = ECH_OUTPUT_FLEETING};
    return begin_publication(writer, &what);
}

static ech_status publish_all(ech_record_writer *writer, bool complete)
{
    const publication what = {
        .with_tasks = true, .complete = complete, .durability = ECH_OUTPUT_DURABLE};
    (void)wait_job(&writer->sync_job);
    const ech_status status = begin_publication(writer, &what);
    return status == ECH_OK ? end_publication(writer) : status;
}

ech_status ech_record_finish(ech_record_writer *writer, bool complete)
{
    end_job(&writer->publish_job);
    const ech_status status = publish_all(writer, complete);
    if (status != ECH_OK) {
        writer->keep_spools = true;
    } else if (complete) {
        writer->keep_spools = false;
    }
    return status;
}
