#include "apps/scale/results.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "apps/report/phases.h"
#include "apps/report/prediction.h"
#include "apps/scale/folder.h"
#include "io/results.h"
#include "runtime/base/yaml.h"

#define COLUMN(field, kind)                                                                        \
    {                                                                                              \
#field, kind, offsetof(ech_study_row, field), sizeof(((ech_study_row *)0)->field)          \
    }

static const ech_result_column columns[] = {
    COLUMN(run, ECH_RESULT_TEXT),
    COLUMN(model, ECH_RESULT_TEXT),
    COLUMN(variant, ECH_RESULT_TEXT),
    COLUMN(transfer, ECH_RESULT_TEXT),
    COLUMN(hosts, ECH_RESULT_U64),
    COLUMN(ranks, ECH_RESULT_U64),
    COLUMN(threads, ECH_RESULT_U64),
    COLUMN(workers, ECH_RESULT_U64),
    COLUMN(repeat, ECH_RESULT_U64),
    COLUMN(rounds, ECH_RESULT_U64),
    COLUMN(round_seconds, ECH_RESULT_REAL),
    COLUMN(start_seconds, ECH_RESULT_REAL),
    COLUMN(send_seconds, ECH_RESULT_REAL),
    COLUMN(train_seconds, ECH_RESULT_REAL),
    COLUMN(aggregate_seconds, ECH_RESULT_REAL),
    COLUMN(evaluate_seconds, ECH_RESULT_REAL),
    COLUMN(wait_seconds, ECH_RESULT_REAL),
    COLUMN(total_seconds, ECH_RESULT_REAL),
    COLUMN(samples_per_second, ECH_RESULT_REAL),
    COLUMN(test_accuracy, ECH_RESULT_REAL),
    COLUMN(logical_up_bytes, ECH_RESULT_U64),
    COLUMN(logical_down_bytes, ECH_RESULT_U64),
    COLUMN(wire_up_bytes, ECH_RESULT_U64),
    COLUMN(wire_down_bytes, ECH_RESULT_U64),
    COLUMN(peak_rss_bytes, ECH_RESULT_U64),
    COLUMN(host_pss_bytes, ECH_RESULT_U64),
    COLUMN(predicted_round_seconds, ECH_RESULT_REAL),
    COLUMN(predicted_rank_bytes, ECH_RESULT_REAL),
    COLUMN(predicted_host_bytes, ECH_RESULT_REAL),
    COLUMN(model_xxh128, ECH_RESULT_TEXT),
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

/* ---- a row ---- */

/* `null` where fit knew no number. */
static ech_status read_real(const ech_yaml_node *totals, const char *key, double *out)
{
    const ech_yaml_node *node = ech_yaml_find(totals, key);
    *out = NAN;
    return node == NULL || ech_yaml_node_kind(node) == ECH_YAML_NULL
               ? ECH_OK
               : ech_yaml_read_real(node, key, out);
}

static ech_status read_count(const ech_yaml_node *totals, const char *key, uint64_t *out)
{
    const ech_yaml_node *node = ech_yaml_find(totals, key);
    int64_t value = 0;
    if (node == NULL) {
        return ech_yaml_fail(totals, "%s: missing: expected what `echelon fit --json` writes", key);
    }
    const ech_status status = ech_yaml_read_integer(node, key, &value);
    *out = (uint64_t)value;
    return status;
}

static ech_status read_totals(const ech_yaml_node *totals, ech_study_row *out)
{
    const ech_yaml_node *seconds = ech_yaml_find(totals, "seconds");
    const ech_yaml_node *hash = ech_yaml_find(totals, "model_xxh128");
    const char *text = "";
    ech_status status = read_count(totals, "rounds", &out->rounds);
    if (status == ECH_OK && (seconds == NULL || hash == NULL)) {
        status = ech_yaml_fail(totals, "expected what `echelon fit --json` writes");
    }
    if (status == ECH_OK) {
        status = ech_yaml_read_text(hash, "model_xxh128", &text);
    }
    if (status == ECH_OK) {
        snprintf(out->model_xxh128, sizeof out->model_xxh128, "%s", text);
        status = read_count(totals, "peak_rss_bytes", &out->peak_rss_bytes);
    }
    if (status == ECH_OK) {
        status = read_count(totals, "host_pss_bytes", &out->host_pss_bytes);
    }
    if (status == ECH_OK) {
        status = read_real(seconds, "total", &out->total_seconds);
    }
    if (status == ECH_OK) {
        status = read_real(totals, "samples_per_second", &out->samples_per_second);
    }
    return status == ECH_OK ? read_real(totals, "test_accuracy", &out->test_accuracy) : status;
}

/* Rounds of the record, without the initial model's row. */
static void add_rounds(const ech_run *run, ech_study_row *out)
{
    double *const phases[ECH_PHASE_COUNT] = {
        [ECH_PHASE_SEND] = &out->send_seconds,
        [ECH_PHASE_TRAIN] = &out->train_seconds,
        [ECH_PHASE_AGGREGATE] = &out->aggregate_seconds,
        [ECH_PHASE_EVALUATE] = &out->evaluate_seconds,
        [ECH_PHASE_WAIT] = &out->wait_seconds,
    };
    double count = 0.0;
    for (size_t i = 0; i < run->round_count; i++) {
        const ech_round_row *round = &run->rounds[i];
        out->logical_up_bytes += round->logical_up_bytes;
        out->logical_down_bytes += round->logical_down_bytes;
        out->wire_up_bytes += round->wire_up_bytes;
        out->wire_down_bytes += round->wire_down_bytes;
        if (round->round > 0) {
            count += 1.0;
            out->round_seconds += round->total_seconds;
            for (int p = ECH_PHASE_SEND; p < ECH_PHASE_COUNT; p++) {
                *phases[p] += ech_phase_of_round(round, (ech_phase)p);
            }
        }
    }
    out->round_seconds /= count;
    for (int p = ECH_PHASE_SEND; p < ECH_PHASE_COUNT; p++) {
        *phases[p] /= count;
    }
    out->start_seconds = ech_phase_of_run(run, ECH_PHASE_START);
}

static void copy_setting(const ech_run *run, const char *key, char out[ECH_RESULT_NAME_BYTES])
{
    const char *value = ech_run_setting_of(run, key);
    snprintf(out, ECH_RESULT_NAME_BYTES, "%s", value != NULL ? value : "");
}

static ech_status add_prediction(const ech_run *run, ech_study_row *out)
{
    ech_prediction predicted;
    const ech_status status = ech_prediction_load(run->info->path, &predicted);
    out->predicted_round_seconds = predicted.round_seconds;
    out->predicted_rank_bytes = predicted.rank_bytes;
    out->predicted_host_bytes = predicted.host_bytes;
    return status;
}

ech_status ech_study_row_fill(const ech_study *study, const ech_study_run *what, const ech_run *run,
                              const char *totals_path, ech_study_row *out)
{
    const ech_study_job *job = &study->jobs[what->job];
    *out = (ech_study_row){.ranks = job->ranks,
                           .threads = job->threads,
                           .workers = what->workers,
                           .repeat = what->repeat};
    out->hosts = (uint64_t)ech_run_number(ech_run_fact(run, "hosts"), 0.0);
    snprintf(out->run, sizeof out->run, "%s", what->id);
    snprintf(out->variant, sizeof out->variant, "%s", ech_study_variant_name(job->variant));
    copy_setting(run, "model.name", out->model);
    copy_setting(run, "transfer", out->transfer);
    add_rounds(run, out);
    ech_yaml *totals = NULL;
    ech_status status = ech_yaml_load_file(totals_path, &totals);
    if (status == ECH_OK) {
        status = read_totals(ech_yaml_root(totals), out);
    }
    ech_yaml_destroy(&totals);
    return status == ECH_OK ? add_prediction(run, out) : status;
}

/* ---- the files ---- */

static void add_cell(ech_buffer *out, const ech_study_row *row, const ech_result_column *column)
{
    const char *at = (const char *)row + column->offset;
    switch (column->kind) {
    case ECH_RESULT_TEXT:
        ech_buffer_csv(out, at);
        return;
    case ECH_RESULT_U64:
        ech_buffer_format(out, "%" PRIu64, *(const uint64_t *)(const void *)at);
        return;
    case ECH_RESULT_REAL:
        ech_buffer_csv_number(out, *(const double *)(const void *)at);
        return;
    }
}

static ech_status write_csv(const char *path, const ech_study_row *rows, size_t count)
{
    ech_buffer text = {0};
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        ech_buffer_format(&text, "%s%s", c > 0 ? "," : "", columns[c].name);
    }
    ech_buffer_add(&text, "\n");
    for (size_t r = 0; r < count; r++) {
        for (size_t c = 0; c < COLUMN_COUNT; c++) {
            ech_buffer_add(&text, c > 0 ? "," : "");
            add_cell(&text, &rows[r], &columns[c]);
        }
        ech_buffer_add(&text, "\n");
    }
    const ech_status status = text.status == ECH_OK ? ech_buffer_write(&text, path) : text.status;
    ech_buffer_clear(&text);
    return status;
}

ech_status ech_study_rows_write(ech_io *io, const char *folder, const char *study,
                                const ech_study_row *rows, size_t count)
{
    char path[ECH_STUDY_PATH_BYTES];
    const ech_results results = {.study = study,
                                 .columns = columns,
                                 .column_count = COLUMN_COUNT,
                                 .rows = rows,
                                 .row_bytes = sizeof *rows,
                                 .row_count = count};
    snprintf(path, sizeof path, "%s/results.h5", folder);
    ech_status status = ech_results_write(io, path, &results);
    if (status == ECH_OK) {
        snprintf(path, sizeof path, "%s/results.csv", folder);
        status = write_csv(path, rows, count);
    }
    return status;
}
