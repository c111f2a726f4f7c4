#define _POSIX_C_SOURCE 200809L
#include "apps/scale/collect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/report/report.h"
#include "apps/scale/folder.h"
#include "apps/scale/results.h"
#include "apps/scale/study.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { NAMED_MISSING_MAX = 5 };

typedef struct {
    const char *folder;
    ech_io *io;
    ech_study study;
    char *text; /* of study.yaml */
    /* of the runs that are done */
    size_t count;
    const ech_study_run **runs;
    char **paths; /* of their records */
    ech_runs records;
    ech_study_row *rows;
} collection;

/* The study as it was written, whatever became of the files that it was made from. */
static ech_status load_study(collection *all)
{
    char path[ECH_STUDY_PATH_BYTES];
    char base[ECH_STUDY_PATH_BYTES];
    snprintf(base, sizeof base, "config=%s/base.yaml", all->folder);
    snprintf(path, sizeof path, "%s/study.yaml", all->folder);
    const char *const sets[] = {base, "set=[]"};
    const ech_status status = ech_study_load(path, sets, 2, &all->study);
    return status == ECH_OK ? ech_config_write(all->study.config, &all->text) : status;
}

static void name_file(const collection *all, const ech_study_run *run, const char *name,
                      char path[ECH_STUDY_PATH_BYTES])
{
    snprintf(path, ECH_STUDY_PATH_BYTES, "%s/runs/%s/%s", all->folder, run->id, name);
}

static bool is_done(const collection *all, const ech_study_run *run)
{
    char path[ECH_STUDY_PATH_BYTES];
    name_file(all, run, "run.json", path);
    return access(path, R_OK) == 0;
}

static ech_status find_done(collection *all)
{
    const size_t count = all->study.run_count;
    size_t missing = 0;
    all->runs = ech_calloc(count, sizeof *all->runs);
    all->paths = ech_calloc(count, sizeof *all->paths);
    all->rows = ech_calloc(count, sizeof *all->rows);
    if (all->runs == NULL || all->paths == NULL || all->rows == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const ech_study_run *run = &all->study.runs[i];
        char path[ECH_STUDY_PATH_BYTES];
        if (!is_done(all, run)) {
            if (missing++ < NAMED_MISSING_MAX) {
                ech_log(ECH_LOG_WARNING, "%s is not done", run->id);
            }
            continue;
        }
        name_file(all, run, "run.h5", path);
        all->runs[all->count] = run;
        all->paths[all->count] = ech_strdup(path);
        if (all->paths[all->count++] == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    printf("%zu of %zu runs are done\n", all->count, count);
    return all->count > 0 ? ECH_OK
                          : ech_fail(ECH_ERR_NOT_FOUND, "%s: no run is done yet", all->folder);
}

static ech_status fill_rows(collection *all)
{
    ech_status status =
        ech_runs_open(all->io, (const char *const *)all->paths, all->count, &all->records);
    for (size_t i = 0; i < all->count && status == ECH_OK; i++) {
        char path[ECH_STUDY_PATH_BYTES];
        name_file(all, all->runs[i], "run.json", path);
        status = ech_study_row_fill(&all->study, all->runs[i], &all->records.items[i], path,
                                    &all->rows[i]);
    }
    return status;
}

static void print_rows(const collection *all)
{
    printf("%-44s %6s %8s %10s %10s %10s %10s %10s\n", "run", "ranks", "workers", "start s",
           "round s", "predicted", "peak MiB", "predicted");
    for (size_t i = 0; i < all->count; i++) {
        const ech_study_row *row = &all->rows[i];
        printf("%-44s %6llu %8llu %10.3f %10.4f %10.4f %10.1f %10.1f\n", row->run,
               (unsigned long long)row->ranks, (unsigned long long)row->workers, row->start_seconds,
               row->round_seconds, row->predicted_round_seconds,
               (double)row->peak_rss_bytes / (1 << 20), row->predicted_rank_bytes / (1 << 20));
    }
}

/* The same model over the same workers, on whatever ranks and by whatever transfer. */
static bool must_agree(const ech_study_row *a, const ech_study_row *b)
{
    return a->workers == b->workers && a->rounds == b->rounds && strcmp(a->model, b->model) == 0;
}

static ech_status compare_bits(const collection *all)
{
    for (size_t i = 0; i < all->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const ech_study_row *a = &all->rows[j];
            const ech_study_row *b = &all->rows[i];
            if (must_agree(a, b) && strcmp(a->model_xxh128, b->model_xxh128) != 0) {
                return ech_fail(ECH_ERR_NUMERIC, "%s and %s end with other bits: %s, %s", a->run,
                                b->run, a->model_xxh128, b->model_xxh128);
            }
        }
    }
    printf("bits: runs of one model over the same workers agree\n");
    return ECH_OK;
}

static ech_status draw(collection *all)
{
    char path[ECH_STUDY_PATH_BYTES];
    snprintf(path, sizeof path, "%s/report", all->folder);
    const ech_report_request request = {.paths = (const char *const *)all->paths,
                                        .path_count = all->count,
                                        .directory = path,
                                        .published = true};
    const ech_status status = ech_report_write(all->io, &request);
    if (status == ECH_OK) {
        printf("%s/results.h5, results.csv, report/report.html\n", all->folder);
    }
    return status;
}

static ech_status collect(collection *all)
{
    ech_status status = load_study(all);
    if (status == ECH_OK) {
        status = find_done(all);
    }
    if (status == ECH_OK) {
        status = ech_io_create(NULL, &all->io);
    }
    if (status == ECH_OK) {
        status = fill_rows(all);
    }
    if (status == ECH_OK) {
        status = ech_study_rows_write(all->io, all->folder, all->text, all->rows, all->count);
    }
    if (status == ECH_OK) {
        print_rows(all);
        status = draw(all);
    }
    return status == ECH_OK ? compare_bits(all) : status;
}

ech_status ech_study_collect(const char *folder)
{
    collection all = {.folder = folder};
    const ech_status status = collect(&all);
    ech_runs_close(&all.records);
    ech_io_destroy(&all.io);
    for (size_t i = 0; i < all.count; i++) {
        ech_free(all.paths[i]);
    }
    ech_free(all.paths);
    ech_free(all.runs);
    ech_free(all.rows);
    ech_free(all.text);
    ech_study_clear(&all.study);
    return status;
}
