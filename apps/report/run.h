/**
 * @file run.h
 * Run records as a report reads them: the small tables whole, the large ones in blocks, so that
 * memory does not grow with the number of tasks.
 *
 * Not collective. One owner a set.
 */
#ifndef ECH_REPORT_RUN_H
#define ECH_REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/report/buffer.h"
#include "io/record.h"

/** A setting of the effective configuration: keys joined by dots, value as text. */
typedef struct {
    char *key;
    char *value;
} ech_run_setting;

typedef struct {
    ech_record *record;
    const ech_record_info *info;
    char *label; /* tells the run apart from the others of its set */
    ech_run_setting *settings;
    size_t setting_count;
    ech_round_row *rounds;
    size_t round_count;
} ech_run;

typedef struct {
    ech_run *items;
    size_t count;
} ech_runs;

/**
 * Open records and read their configurations and rounds.
 *
 * @return ECH_OK; ECH_ERR_FILE, ECH_ERR_FORMAT (naming the file); ECH_ERR_MEMORY. Free the set in
 *         any case.
 */
ech_status ech_runs_open(ech_io *io, const char *const *paths, size_t count, ech_runs *out);
void ech_runs_close(ech_runs *runs);

/** Value of a setting, or of a fact about the machine, of a run; NULL if it has none. */
const char *ech_run_setting_of(const ech_run *run, const char *key);
const char *ech_run_fact(const ech_run *run, const char *name);

/** The same as a number; `otherwise` if there is none. */
double ech_run_number(const char *text, double otherwise);

/** Workers of the topology as configured, or else the most that took part in a round. */
double ech_run_workers(const ech_run *run);

/** Has a setting this value? */
bool ech_run_setting_is(const ech_run *run, const char *key, const char *value);

/** Is a setting's value the same in all runs? */
bool ech_runs_agree_on(const ech_runs *runs, const char *key);

/** Does the key say where or how a run was kept, rather than what was run? (name, paths,
 * checkpoints) */
bool ech_run_setting_is_place(const char *key);

/** Append what a run's setting says to those who know the key: "height 4", "fedprox". */
void ech_run_write_distinction(const ech_run *run, const char *key, ech_buffer *out);

/**
 * Keys of all runs, each once, in the order in which the runs first name them.
 *
 * @param[out] out  the caller's: ech_free. The keys themselves are borrowed from the runs.
 */
ech_status ech_runs_keys(const ech_runs *runs, const char ***out, size_t *count);

/** Hand all rows of a table to `visit`, in order, piece by piece. */
ech_status ech_run_visit(const ech_run *run, ech_record_table table, ech_record_visitor visit,
                         void *self);

#endif
