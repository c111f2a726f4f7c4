#include "apps/report/pictures.h"

#include <math.h>
#include <stdio.h>

#include "apps/report/chart_schedule.h"
#include "apps/report/pictures_priv.h"
#include "apps/report/published.h"
#include "runtime/base/memory.h"

enum { STALENESS_MAX = 64, IDLE_NODES_MAX = 1024 };

/* What a first reading of /history finds. */
typedef struct {
    uint64_t rows;
    uint32_t node_low;
    uint32_t node_high;
    uint32_t round_low;
    uint32_t round_high;
    ech_range time;
    uint64_t by_staleness[STALENESS_MAX + 1]; /* the last: that much and more */
    uint32_t staleness_high;
} extent;

static ech_status measure_rows(void *user, const void *rows, size_t count)
{
    extent *seen = user;
    const ech_history_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        const bool first = seen->rows == 0;
        seen->node_low = first || row->node < seen->node_low ? row->node : seen->node_low;
        seen->node_high = first || row->node > seen->node_high ? row->node : seen->node_high;
        seen->round_low = first || row->round < seen->round_low ? row->round : seen->round_low;
        seen->round_high = first || row->round > seen->round_high ? row->round : seen->round_high;
        const uint32_t stale = row->staleness < STALENESS_MAX ? row->staleness : STALENESS_MAX;
        seen->by_staleness[stale]++;
        seen->staleness_high = stale > seen->staleness_high ? stale : seen->staleness_high;
        ech_range_add(&seen->time, row->start);
        ech_range_add(&seen->time, row->end);
        seen->rows++;
    }
    return ECH_OK;
}

static ech_status measure(const ech_run *run, extent *seen)
{
    *seen = (extent){.time = ech_range_empty()};
    return ech_run_visit(run, ECH_RECORD_HISTORY, measure_rows, seen);
}

static uint64_t node_count(const extent *seen)
{
    return (uint64_t)seen->node_high - seen->node_low + 1;
}

/* Rows of /history on their way into a schedule. */
typedef struct {
    ech_schedule *schedule;
    uint32_t node_low;
} schedule_filler;

static ech_status schedule_rows(void *user, const void *rows, size_t count)
{
    const schedule_filler *filler = user;
    const ech_history_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        const ech_schedule_bar bar = {row->node - filler->node_low, row->start, row->end,
                                      row->round};
        ech_schedule_add(filler->schedule, &bar);
    }
    return ECH_OK;
}

static ech_status put_schedule(ech_page *page, const ech_run *run, size_t number,
                               const extent *seen, const ech_schedule *schedule)
{
    char title[512];
    char name[32];
    snprintf(title, sizeof title, "Schedule by worker: %s", run->label);
    snprintf(name, sizeof name, "schedule-%zu", number + 1);
    const ech_chart chart = {
        .title = title,
        .note = "A bar for each worker and round, from the start of its training to its end.",
        .x = {.title = "time since the run began",
              .unit = ECH_UNIT_SECONDS,
              .from_zero = true,
              .exact = true},
        .y = {.title = "node"}};
    const ech_schedule_kinds kinds = {
        .low = seen->round_low, .high = seen->round_high, .noun = "round"};
    const ech_rows rows = {.count = (size_t)node_count(seen), .first = seen->node_low};
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_schedule(&svg, &chart, schedule, rows, &kinds);
    ech_csv_schedule(&csv, schedule, rows, &kinds);
    return ech_page_picture(page, name, &svg, &csv);
}

static ech_status picture_of_schedule(ech_page *page, const ech_run *run, size_t number,
                                      const extent *seen, ech_range time)
{
    schedule_filler filler = {.node_low = seen->node_low};
    ech_status status = ech_schedule_create(node_count(seen), time, &filler.schedule);
    if (status == ECH_OK) {
        status = ech_run_visit(run, ECH_RECORD_HISTORY, schedule_rows, &filler);
    }
    if (status == ECH_OK) {
        status = put_schedule(page, run, number, seen, filler.schedule);
    }
    ech_schedule_destroy(&filler.schedule);
    return status;
}

/* Sums over a run's /history, by node and by round. */
typedef struct {
    const extent *seen;
    double *busy;        /* [nodes], seconds */
    ech_range *by_node;  /* [nodes], first start to last end */
    ech_range *by_round; /* [rounds] */
} idle_sums;

static ech_status idle_rows(void *user, const void *rows, size_t count)
{
    idle_sums *sums = user;
    const ech_history_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        const size_t node = row->node - sums->seen->node_low;
        const size_t round = row->round - sums->seen->round_low;
        sums->busy[node] += row->end - row->start;
        ech_range_add(&sums->by_node[node], row->start);
        ech_range_add(&sums->by_node[node], row->end);
        ech_range_add(&sums->by_round[round], row->start);
        ech_range_add(&sums->by_round[round], row->end);
    }
    return ECH_OK;
}

static void fill_idle(const idle_sums *sums, bool async, double *x, double *y)
{
    const size_t rounds = (size_t)sums->seen->round_high - sums->seen->round_low + 1;
    double together = 0.0;
    for (size_t i = 0; i < rounds; i++) {
        together += sums->by_round[i].high - sums->by_round[i].low;
    }
    for (size_t i = 0; i < node_count(sums->seen); i++) {
        const double own = sums->by_node[i].high - sums->by_node[i].low;
        x[i] = (double)i + 1.0;
        y[i] = 1.0 - sums->busy[i] / (async ? own : together);
    }
}

static ech_status add_idle(ech_series *series, const ech_run *run, size_t number,
                           const extent *seen)
{
    const size_t nodes = (size_t)node_count(seen);
    const size_t rounds = (size_t)seen->round_high - seen->round_low + 1;
    idle_sums sums = {.seen = seen,
                      .busy = ech_calloc(nodes, sizeof(double)),
                      .by_node = ech_calloc(nodes, sizeof(ech_range)),
                      .by_round = ech_calloc(rounds, sizeof(ech_range))};
    ech_status status = ECH_ERR_MEMORY;
    if (sums.busy != NULL && sums.by_node != NULL && sums.by_round != NULL) {
        for (size_t i = 0; i < nodes; i++) {
            sums.by_node[i] = ech_range_empty();
        }
        for (size_t i = 0; i < rounds; i++) {
            sums.by_round[i] = ech_range_empty();
        }
        status = ech_run_visit(run, ECH_RECORD_HISTORY, idle_rows, &sums);
    }
    if (status == ECH_OK) {
        double *x;
        double *y;
        ech_series_add(series, run->label, number, nodes, &x, &y);
        if (x != NULL) {
            fill_idle(&sums, ech_run_setting_is(run, "process", "async"), x, y);
            ech_series_last(series)->marks_only = true;
        }
        status = series->status;
    }
    ech_free(sums.busy);
    ech_free(sums.by_node);
    ech_free(sums.by_round);
    return status;
}

/* Only where each worker had a processor of its own does the time in between belong to it; and only
 * where all took part in each round was it kept waiting. */
static bool has_idle_time(const ech_run *run, const extent *seen)
{
    const bool simulated = ech_run_setting_is(run, "clock", "virtual");
    const double ranks = ech_run_number(ech_run_fact(run, "ranks"), 0.0);
    const uint64_t nodes = node_count(seen);
    const uint64_t rounds = (uint64_t)seen->round_high - seen->round_low + 1;
    return seen->rows > 0 && nodes <= IDLE_NODES_MAX && seen->rows == nodes * rounds &&
           (simulated || ranks >= (double)nodes);
}

static void add_published_idle(ech_series *series, const ech_runs *runs)
{
    const ech_run *run = &runs->items[0];
    if (ech_run_setting_is(run, "model.name", "smallconv") && ech_run_workers(run) == 12.0) {
        ech_published_idle(series, "sync");
        ech_published_idle(series, "async");
    }
}

static ech_status picture_of_idle(ech_page *page, const ech_runs *runs, const extent *seen,
                                  bool published)
{
    ech_series series = {0};
    ech_status status = ECH_OK;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        if (has_idle_time(&runs->items[i], &seen[i])) {
            status = add_idle(&series, &runs->items[i], i, &seen[i]);
        }
    }
    if (published && series.count > 0) {
        add_published_idle(&series, runs);
    }
    const ech_chart chart = {
        .title = "Idle share by worker",
        .note =
            "Share of a worker's time in which it did not train: sync, of the rounds' time from "
            "their first start to their last end; async, up to the worker's own last end.",
        .x = {.title = "worker", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.unit = ECH_UNIT_PERCENT, .from_zero = true}};
    return ech_report_put_lines(page, "idle", &chart, "worker", "idle_share", &series, status);
}

static ech_status picture_of_staleness(ech_page *page, const ech_runs *runs, const extent *seen)
{
    ech_series series = {0};
    for (size_t i = 0; i < runs->count; i++) {
        double *x;
        double *y;
        if (seen[i].staleness_high == 0) {
            continue;
        }
        ech_series_add(&series, runs->items[i].label, i, seen[i].staleness_high + 1, &x, &y);
        for (size_t j = 0; x != NULL && j <= seen[i].staleness_high; j++) {
            x[j] = (double)j;
            y[j] = (double)seen[i].by_staleness[j] / (double)seen[i].rows;
        }
    }
    const ech_chart chart = {
        .title = "Staleness of the updates",
        .note = "Share of the updates by the versions that the model had moved on meanwhile; the "
                "value 64 stands for 64 and more.",
        .x = {.title = "versions", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.unit = ECH_UNIT_PERCENT, .from_zero = true}};
    return ech_report_put_lines(page, "staleness", &chart, "staleness", "share", &series, ECH_OK);
}

static ech_status pictures_of_all(ech_page *page, const ech_runs *runs, const extent *seen,
                                  bool published)
{
    ech_page_section(page, "Workers");
    ech_status status = ECH_OK;
    ech_time_span span = {0};
    for (size_t i = 0; i < runs->count; i++) {
        ech_time_span_add(&span, seen[i].rows > 0 ? seen[i].time.high : 0.0);
    }
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        if (seen[i].rows > 0) {
            status = picture_of_schedule(page, &runs->items[i], i, &seen[i],
                                         ech_time_span_axis(&span, seen[i].time.high));
        }
        if (status == ECH_OK) {
            status = ech_report_training(page, &runs->items[i], i);
        }
    }
    if (status == ECH_OK) {
        status = picture_of_idle(page, runs, seen, published);
    }
    return status == ECH_OK ? picture_of_staleness(page, runs, seen) : status;
}

ech_status ech_report_workers(ech_page *page, const ech_runs *runs, bool published)
{
    extent *seen = ech_calloc(runs->count, sizeof *seen);
    ech_status status = seen != NULL ? ECH_OK : ECH_ERR_MEMORY;
    bool any = false;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        status = measure(&runs->items[i], &seen[i]);
        any = any || seen[i].rows > 0;
    }
    if (status == ECH_OK && any) {
        status = pictures_of_all(page, runs, seen, published);
    }
    ech_free(seen);
    return status;
}
