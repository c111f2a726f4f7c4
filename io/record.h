/**
 * @file record.h
 * The run record: what happened in a run, in one HDF5 file that readers may open at any time.
 *
 *     /history   one row a worker and round            (ech_history_row)
 *     /rounds    one row a round; row 0 is the initial model (ech_round_row)
 *     /tiers     bytes of a round by tier              (ech_tier_row)
 *     /arrivals  one row an update of an async run, in the order in which they were applied
 *                                                      (ech_arrival_row)
 *     /sites     one row a remote site and round       (ech_site_row)
 *     /tasks     one row a task, once the run has ended (ech_task_row); /apps their names
 *     /machine   attributes: processor, ranks, hosts, ...
 *     /config    effective configuration, YAML text
 *
 * Rows are appended to private working files beside the record ("spools"), in batches, by the
 * service's thread: memory stays flat. Every few seconds the record is built from them under a
 * temporary name and renamed: a reader never sees a torn file and never holds up the run. Building
 * it takes at most 2 % of the thread's time, whatever its size: the larger the record the rarer.
 * The spools also carry a run across a kill: a checkpoint keeps a mark, and a run that resumes from
 * it goes on behind the rows that the mark names.
 *
 * Not collective: rank 0 alone writes. One owner a handle.
 */
#ifndef ECH_IO_RECORD_H
#define ECH_IO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

typedef enum {
    ECH_RECORD_HISTORY,
    ECH_RECORD_ROUNDS,
    ECH_RECORD_TIERS,
    ECH_RECORD_ARRIVALS,
    ECH_RECORD_SITES,
    ECH_RECORD_TASKS,
    ECH_RECORD_TABLE_COUNT
} ech_record_table;

/* A worker's part in a round. Times are seconds since the run began. */
typedef struct {
    uint32_t round;
    uint32_t node;      /* in the topology */
    uint32_t parent;    /* the node that got the update */
    uint32_t staleness; /* versions that the model had moved on; 0 in sync mode */
    uint64_t samples;
    double loss; /* of the last local epoch; NaN if it trained none, or was left out */
    double accuracy;
    double start;
    double end;
} ech_history_row;

/* A round. NaN where it was not evaluated. Seconds of phases are means over the ranks. */
typedef struct {
    uint32_t round;
    uint32_t selected;    /* workers */
    uint32_t contributed; /* workers whose update is in the model */
    uint32_t late;        /* workers whose update came after the round's end */
    double test_accuracy;
    double test_loss;
    double train_loss;    /* mean over the samples of the contributors */
    double start;         /* seconds since the run began */
    double total_seconds; /* wall time */
    double send_seconds;
    double train_seconds;
    double aggregate_seconds;
    double evaluate_seconds;
    double wait_seconds;
    uint64_t logical_up_bytes;
    uint64_t logical_down_bytes;
    uint64_t wire_up_bytes;
    uint64_t wire_down_bytes;
} ech_round_row;

/* Bytes over the edges between tier - 1 and tier, in one round. */
typedef struct {
    uint32_t round;
    uint32_t tier; /* 1: below the leader */
    uint64_t logical_up_bytes;
    uint64_t logical_down_bytes;
    uint64_t wire_up_bytes;
    uint64_t wire_down_bytes;
} ech_tier_row;

/* An update of an async run at the node that applied it. */
typedef struct {
    uint32_t node; /* in the topology: where it came from */
    uint32_t parent;
    uint32_t round;     /* of the node */
    uint32_t staleness; /* versions that the parent's model had moved on */
    uint64_t version;   /* of the parent's model that the node had started from */
} ech_arrival_row;

enum { ECH_SITE_ROW_NAME_BYTES = 64 };

/* A remote site's part in a round. Chunks' bytes before packing (raw) and as they were sent (wire).
 */
typedef struct {
    uint32_t round;
    uint32_t node;       /* in the topology */
    uint32_t workers;    /* that were asked */
    uint32_t counted;    /* 1: its update is in the model; 0: it was left out */
    double seconds;      /* from the round's start until then */
    double down_seconds; /* of them until the site had the model */
    double up_seconds;   /* from its update's first chunk to its last */
    uint64_t raw_up_bytes;
    uint64_t raw_down_bytes;
    uint64_t wire_up_bytes;
    uint64_t wire_down_bytes;
    char name[ECH_SITE_ROW_NAME_BYTES];
} ech_site_row;

/* A task. Times are nanoseconds since 1970. */
typedef struct {
    uint64_t id;
    uint32_t app; /* index into /apps */
    uint32_t attempt;
    int32_t rank;
    int32_t host;
    int32_t core;
    uint32_t status; /* ech_status */
    uint64_t queued_ns;
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t bytes; /* arguments and result */
} ech_task_row;

/** Where a record stood when a checkpoint was taken. Plain data: goes into the checkpoint as a
 * blob. */
typedef struct {
    uint64_t rows[ECH_RECORD_TABLE_COUNT];
    ech_hash128 hash[ECH_RECORD_TABLE_COUNT]; /* of those rows */
} ech_record_mark;

/** A fact about the machine, such as {"ranks", "2"}. */
typedef struct {
    const char *name;
    const char *value;
} ech_record_fact;

typedef struct {
    const char *path;               /* of the record, such as out/run.h5 */
    const char *config;             /* effective configuration; copied */
    const ech_record_fact *machine; /* copied */
    size_t machine_count;
    const char *const *app_names; /* copied; /apps */
    size_t app_count;
    const ech_record_mark *resume; /* go on behind these rows; NULL: begin a new record */
    double seconds_between;        /* publications, at least; 0: 2 s */
} ech_record_options;

/** Opaque: a record that is being written. */
typedef struct ech_record_writer ech_record_writer;

/**
 * Begin or continue a record. A new one replaces a file of that name at its first publication.
 *
 * @return ECH_OK; ECH_ERR_FILE (folder cannot be written; another living process writes this
 *         record); ECH_ERR_FORMAT (spools do not hold the rows that the mark names);
 * ECH_ERR_MEMORY.
 */
ech_status ech_record_writer_create(ech_io *io, const ech_record_options *options,
                                    ech_record_writer **out);

/**
 * Append rows of the table's row type; copied. Blocks only while the disk is slower than the rows.
 *
 * @return ECH_OK; ECH_ERR_FILE: the disk takes none (it is tried again at each call) and memory for
 *         rows is full: those without room are left out.
 */
ech_status ech_record_append(ech_record_writer *writer, ech_record_table table, const void *rows,
                             size_t count);

/**
 * Publish if it is time to and the last publication is done. Cheap; call it once a round.
 *
 * @return ECH_OK, or the failure of the last publication, whose file is then missing or the one
 *         before.
 */
ech_status ech_record_tick(ech_record_writer *writer);

/**
 * Where the record stands. The rows are written and synced by a job that is queued here; what
 * relies on them asks ech_record_check_mark.
 */
ech_status ech_record_take_mark(ech_record_writer *writer, ech_record_mark *mark);

/**
 * Add a fact about the machine that only the run's end knows; both texts are copied. It is in the
 * publications that begin afterwards. @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_record_add_fact(ech_record_writer *writer, const char *name, const char *value);

/**
 * On the service's thread, in a job that was submitted after ech_record_take_mark: are the rows of
 * that mark safe on disk? For the precondition of a checkpoint.
 *
 * @param writer  an ech_record_writer.
 */
ech_status ech_record_check_mark(void *writer);

/**
 * Publish all rows and tasks, synced, and wait. Nothing may be appended afterwards.
 *
 * @param complete  the run came to its end: the spools go. Otherwise (stopped early, failed) they
 *                  stay if a mark was taken, for the run that resumes.
 * @return as ech_record_tick; after a failure the spools stay.
 */
ech_status ech_record_finish(ech_record_writer *writer, bool complete);

/** Close. Without ech_record_finish what was not published is lost, unless a mark names it. Accepts
 *  NULL. */
void ech_record_writer_destroy(ech_record_writer **writer);

/** Opaque: a published record, open to read. */
typedef struct ech_record ech_record;

/** @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT (torn, damaged, not a run record). */
ech_status ech_record_open(ech_io *io, const char *path, ech_record **out);
void ech_record_close(ech_record **record);

typedef struct {
    const char *path;
    const char *config;
    uint64_t rows[ECH_RECORD_TABLE_COUNT];
    const ech_record_fact *machine;
    size_t machine_count;
    const char *const *app_names;
    size_t app_count;
    bool finished; /* the run came to its end */
} ech_record_info;

/** Borrowed, lives as long as the handle. */
const ech_record_info *ech_record_describe(const ech_record *record);

/** Read rows [first, first + count) of a table into the caller's array of its row type. */
ech_status ech_record_read(ech_record *record, ech_record_table table, uint64_t first,
                           uint64_t count, void *rows);

/** What to do with `count` rows of a table's row type. A failure ends the visit. */
typedef ech_status (*ech_record_visitor)(void *self, const void *rows, size_t count);

/**
 * Hand the first `count` rows of a table to `visit`, in order, piece by piece: memory stays flat.
 *
 * @return as ech_record_read; ECH_ERR_MEMORY; the visitor's failure.
 */
ech_status ech_record_visit(ech_record *record, ech_record_table table, uint64_t count,
                            ech_record_visitor visit, void *self);

/** A table's name in the file: "history". Static. */
const char *ech_record_table_name(ech_record_table table);

#endif
