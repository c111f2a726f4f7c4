#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/report/pictures.h"
#include "apps/report/scale.h"
#include "runtime/base/memory.h"

/* Longer values would push a table off the page. */
enum { VALUE_WIDTH_MAX = 60 };

static void number_cell(ech_page *page, ech_unit unit, double value)
{
    char text[ECH_VALUE_BYTES];
    ech_unit_write(unit, value, text);
    ech_page_cell(page, text);
}

static void accuracy_cell(ech_page *page, double value)
{
    char text[ECH_VALUE_BYTES];
    snprintf(text, sizeof text, "%.4f", value);
    ech_page_cell(page, isfinite(value) ? text : "–");
}

/* The last round that was evaluated, or NULL. */
static const ech_round_row *last_evaluated(const ech_run *run)
{
    for (size_t i = run->round_count; i-- > 0;) {
        if (isfinite(run->rounds[i].test_accuracy)) {
            return &run->rounds[i];
        }
    }
    return NULL;
}

static double best_accuracy(const ech_run *run)
{
    double best = NAN;
    for (size_t i = 0; i < run->round_count; i++) {
        best = fmax(best, run->rounds[i].test_accuracy);
    }
    return best;
}

/* Mean of the starting models of the last 20 rounds: how hierarchical runs are compared. */
static double late_accuracy(const ech_run *run)
{
    enum { LAST = 20 };
    if (run->round_count < LAST + 1) {
        return NAN;
    }
    double sum = 0.0;
    for (size_t i = run->round_count - 1 - LAST; i < run->round_count - 1; i++) {
        sum += run->rounds[i].test_accuracy;
    }
    return sum / LAST;
}

static double total_seconds(const ech_run *run)
{
    if (run->round_count == 0) {
        return NAN;
    }
    const ech_round_row *last = &run->rounds[run->round_count - 1];
    return last->start + last->total_seconds;
}

static void byte_cells(ech_page *page, const ech_run *run)
{
    double logical = 0.0;
    double wire = 0.0;
    for (size_t i = 0; i < run->round_count; i++) {
        const ech_round_row *row = &run->rounds[i];
        logical += (double)row->logical_up_bytes + (double)row->logical_down_bytes;
        wire += (double)row->wire_up_bytes + (double)row->wire_down_bytes;
    }
    number_cell(page, ECH_UNIT_BYTES, logical);
    number_cell(page, ECH_UNIT_BYTES, wire);
}

static void result_row(ech_page *page, const ech_run *run)
{
    const ech_round_row *evaluated = last_evaluated(run);
    const double rounds =
        run->round_count > 0 ? (double)run->rounds[run->round_count - 1].round : 0.0;
    ech_page_row_open(page, run->label);
    number_cell(page, ECH_UNIT_COUNT, rounds);
    accuracy_cell(page, evaluated != NULL ? evaluated->test_accuracy : NAN);
    accuracy_cell(page, best_accuracy(run));
    accuracy_cell(page, late_accuracy(run));
    accuracy_cell(page, evaluated != NULL ? evaluated->test_loss : NAN);
    number_cell(page, ECH_UNIT_SECONDS, total_seconds(run));
    byte_cells(page, run);
    number_cell(page, ECH_UNIT_COUNT, (double)run->info->rows[ECH_RECORD_TASKS]);
    number_cell(page, ECH_UNIT_BYTES, ech_run_number(ech_run_fact(run, "peak_rss_bytes"), NAN));
    ech_page_cell(page, run->info->finished ? "yes" : "no");
    ech_page_row_close(page);
}

static void put_results(ech_page *page, const ech_runs *runs)
{
    static const char *const heads[] = {
        "run",        "rounds",        "test accuracy", "best",  "mean of last 20", "test loss",
        "total time", "logical bytes", "wire bytes",    "tasks", "peak memory",     "finished"};
    ech_page_table_open(page, "Results", false, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < runs->count; i++) {
        result_row(page, &runs->items[i]);
    }
    ech_page_table_close(page);
}

static void value_cell(ech_page *page, const char *value)
{
    char cut[VALUE_WIDTH_MAX + 4];
    if (value != NULL && strlen(value) > VALUE_WIDTH_MAX) {
        const char *kept = value + strlen(value) - VALUE_WIDTH_MAX;
        while (((unsigned char)*kept & 0xC0U) == 0x80U) {
            kept++; /* not in the middle of a character */
        }
        snprintf(cut, sizeof cut, "…%s", kept);
        value = cut;
    }
    ech_page_cell(page, value != NULL ? value : "–");
}

/* A table with a column a run, whose rows are added between open and close. */
static ech_status open_by_run(ech_page *page, const ech_runs *runs, const char *caption,
                              bool folded, const char *first)
{
    const char **heads = ech_calloc(runs->count + 1, sizeof *heads);
    if (heads == NULL) {
        return ECH_ERR_MEMORY;
    }
    heads[0] = first;
    for (size_t i = 0; i < runs->count; i++) {
        heads[i + 1] = runs->items[i].label;
    }
    ech_page_table_open(page, caption, folded, heads, runs->count + 1);
    ech_free(heads);
    return ECH_OK;
}

static void setting_row(ech_page *page, const ech_runs *runs, const char *key)
{
    ech_page_row_open(page, key);
    for (size_t i = 0; i < runs->count; i++) {
        value_cell(page, ech_run_setting_of(&runs->items[i], key));
    }
    ech_page_row_close(page);
}

/* The settings in which the runs differ, or all of them. */
static ech_status put_settings(ech_page *page, const ech_runs *runs, const char *const *keys,
                               size_t key_count, bool differing)
{
    const char *caption =
        differing ? "Settings in which the runs differ" : "Effective configuration, in full";
    const ech_status status = open_by_run(page, runs, caption, !differing, "setting");
    if (status != ECH_OK) {
        return status;
    }
    for (size_t i = 0; i < key_count; i++) {
        if (!differing || !ech_runs_agree_on(runs, keys[i])) {
            setting_row(page, runs, keys[i]);
        }
    }
    ech_page_table_close(page);
    return ECH_OK;
}

static bool differ_anywhere(const ech_runs *runs, const char *const *keys, size_t key_count)
{
    for (size_t i = 0; i < key_count; i++) {
        if (!ech_runs_agree_on(runs, keys[i])) {
            return true;
        }
    }
    return false;
}

/* Does an earlier run have this fact? Then it has its row already. */
static bool was_listed(const ech_runs *runs, size_t before, const char *name)
{
    for (size_t i = 0; i < before; i++) {
        if (ech_run_fact(&runs->items[i], name) != NULL) {
            return true;
        }
    }
    return false;
}

static void fact_row(ech_page *page, const ech_runs *runs, const char *name)
{
    static const char bytes_suffix[] = "_bytes";
    const size_t length = strlen(name);
    const size_t suffix = sizeof bytes_suffix - 1;
    const bool is_bytes = length > suffix && strcmp(name + length - suffix, bytes_suffix) == 0;
    ech_page_row_open(page, name);
    for (size_t i = 0; i < runs->count; i++) {
        const char *value = ech_run_fact(&runs->items[i], name);
        const double number = ech_run_number(value, NAN);
        if (is_bytes && isfinite(number)) {
            number_cell(page, ECH_UNIT_BYTES, number);
        } else {
            value_cell(page, value);
        }
    }
    ech_page_row_close(page);
}

static ech_status put_machines(ech_page *page, const ech_runs *runs)
{
    const ech_status status = open_by_run(page, runs, "Machines", true, "fact");
    if (status != ECH_OK) {
        return status;
    }
    for (size_t i = 0; i < runs->count; i++) {
        const ech_record_info *info = runs->items[i].info;
        for (size_t j = 0; j < info->machine_count; j++) {
            if (!was_listed(runs, i, info->machine[j].name)) {
                fact_row(page, runs, info->machine[j].name);
            }
        }
    }
    ech_page_row_open(page, "file");
    for (size_t i = 0; i < runs->count; i++) {
        value_cell(page, runs->items[i].info->path);
    }
    ech_page_row_close(page);
    ech_page_table_close(page);
    return ECH_OK;
}

ech_status ech_report_tables(ech_page *page, const ech_runs *runs)
{
    const char **keys = NULL;
    size_t key_count = 0;
    ech_status status = ech_runs_keys(runs, &keys, &key_count);
    if (status == ECH_OK) {
        ech_page_section(page, "Runs");
        put_results(page, runs);
        if (differ_anywhere(runs, keys, key_count)) {
            status = put_settings(page, runs, keys, key_count, true);
        }
    }
    if (status == ECH_OK) {
        status = put_settings(page, runs, keys, key_count, false);
    }
    if (status == ECH_OK) {
        status = put_machines(page, runs);
    }
    ech_free(keys);
    return status;
}
