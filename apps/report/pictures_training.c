#include <math.h>
#include <stdio.h>

#include "apps/report/pictures_priv.h"
#include "runtime/base/memory.h"

/* Above so many lines or points nobody can tell them apart. */
enum { NODES_MAX = 16, ROWS_MAX = 1 << 16 };

/* Distinct numbers in the order in which they came. */
typedef struct {
    uint32_t items[NODES_MAX + 1];
    size_t count; /* NODES_MAX + 1: too many */
} node_set;

static void add_node(node_set *set, uint32_t node)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i] == node) {
            return;
        }
    }
    if (set->count <= NODES_MAX) {
        set->items[set->count++] = node;
    }
}

static void sort_nodes(node_set *set)
{
    for (size_t i = 1; i < set->count; i++) {
        for (size_t j = i; j > 0 && set->items[j - 1] > set->items[j]; j--) {
            const uint32_t node = set->items[j];
            set->items[j] = set->items[j - 1];
            set->items[j - 1] = node;
        }
    }
}

/* Points of one worker, in the order of its rounds. */
static void add_worker(ech_series *series, const ech_history_row *rows, size_t row_count,
                       uint32_t node, size_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        count += rows[i].node == node ? 1 : 0;
    }
    char label[32];
    snprintf(label, sizeof label, "node %u", node);
    double *x;
    double *y;
    ech_series_add(series, label, number, count, &x, &y);
    size_t used = 0;
    for (size_t i = 0; x != NULL && i < row_count; i++) {
        if (rows[i].node == node) {
            x[used] = rows[i].end;
            y[used] = rows[i].accuracy;
            used++;
        }
    }
}

/* Mean over the samples of an aggregator's children, at the end of the last of them. */
static void add_aggregator(ech_series *series, const ech_history_row *rows, size_t row_count,
                           uint32_t parent, uint32_t rounds)
{
    char label[48];
    snprintf(label, sizeof label, "aggregator, node %u", parent);
    double *x;
    double *y;
    ech_series_add(series, label, 0, rounds, &x, &y);
    double *samples = ech_calloc(rounds, sizeof *samples);
    if (x == NULL || samples == NULL) {
        series->status = ECH_ERR_MEMORY;
    }
    for (size_t i = 0; series->status == ECH_OK && i < row_count; i++) {
        if (rows[i].parent != parent || rows[i].round == 0) {
            continue;
        }
        const size_t round = rows[i].round - 1;
        const double weight = (double)rows[i].samples;
        const double sum = samples[round] > 0.0 ? y[round] * samples[round] : 0.0;
        samples[round] += weight;
        y[round] = (sum + weight * rows[i].accuracy) / samples[round];
        x[round] = fmax(isnan(x[round]) ? 0.0 : x[round], rows[i].end);
    }
    ech_line *line = ech_series_last(series);
    if (line != NULL) {
        line->colour = ECH_COLOUR_INK;
        line->dashes = (int)(series->count % 4);
    }
    ech_free(samples);
}

static ech_status draw(ech_page *page, const ech_run *run, size_t number,
                       const ech_history_row *rows, size_t row_count)
{
    node_set nodes = {0};
    node_set parents = {0};
    uint32_t rounds = 0;
    for (size_t i = 0; i < row_count; i++) {
        add_node(&nodes, rows[i].node);
        add_node(&parents, rows[i].parent);
        rounds = rows[i].round > rounds ? rows[i].round : rounds;
    }
    if (nodes.count > NODES_MAX || rounds == 0) {
        return ECH_OK;
    }
    sort_nodes(&nodes);
    sort_nodes(&parents);
    ech_series series = {0};
    for (size_t i = 0; i < nodes.count; i++) {
        add_worker(&series, rows, row_count, nodes.items[i], i);
    }
    for (size_t i = 0; parents.count > 1 && i < parents.count; i++) {
        add_aggregator(&series, rows, row_count, parents.items[i], rounds);
    }
    char title[512];
    char name[32];
    snprintf(title, sizeof title, "Training accuracy over time: %s", run->label);
    snprintf(name, sizeof name, "training-%zu", number + 1);
    const ech_chart chart = {
        .title = title,
        .note = "Of each worker's last local epoch, at the end of its training; of an aggregator, "
                "the mean over the samples of its workers.",
        .x = {.title = "time since the run began",
              .unit = ECH_UNIT_SECONDS,
              .from_zero = true,
              .exact = true},
        .y = {.title = "training accuracy"}};
    return ech_report_put_lines(page, name, &chart, "seconds", "training_accuracy", &series,
                                ECH_OK);
}

static bool was_trained(const ech_history_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isfinite(rows[i].accuracy)) {
            return true;
        }
    }
    return false;
}

ech_status ech_report_training(ech_page *page, const ech_run *run, size_t number)
{
    const uint64_t count = run->info->rows[ECH_RECORD_HISTORY];
    if (count == 0 || count > ROWS_MAX) {
        return ECH_OK;
    }
    ech_history_row *rows = ech_calloc((size_t)count, sizeof *rows);
    ech_status status = rows != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_record_read(run->record, ECH_RECORD_HISTORY, 0, count, rows);
    }
    if (status == ECH_OK && was_trained(rows, (size_t)count)) {
        status = draw(page, run, number, rows, (size_t)count);
    }
    ech_free(rows);
    return status;
}
