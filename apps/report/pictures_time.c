#include "apps/report/pictures.h"

#include <math.h>
#include <stdio.h>

#include "apps/report/chart_bars.h"
#include "apps/report/phases.h"
#include "apps/report/pictures_priv.h"
#include "runtime/base/memory.h"

/* Runs up to which each one's rounds are drawn by phase. */
enum { ROUND_PICTURES_MAX = 6 };

static ech_status finish(ech_page *page, const char *name, ech_status status, ech_buffer *svg,
                         ech_buffer *csv)
{
    if (status == ECH_OK) {
        return ech_page_picture(page, name, svg, csv);
    }
    ech_buffer_clear(svg);
    ech_buffer_clear(csv);
    return status;
}

static void phases_by_run(const ech_runs *runs, double *values, const char **labels,
                          ech_buffer *svg, ech_buffer *csv)
{
    ech_stack stacks[ECH_PHASE_COUNT];
    for (size_t p = 0; p < ECH_PHASE_COUNT; p++) {
        for (size_t i = 0; i < runs->count; i++) {
            values[p * runs->count + i] = ech_phase_of_run(&runs->items[i], (ech_phase)p);
            labels[i] = runs->items[i].label;
        }
        stacks[p] = (ech_stack){ech_phase_names[p], ech_phase_colours[p], values + p * runs->count};
    }
    const ech_chart chart = {.title = "Where the time went",
                             .note = "Seconds of each phase, mean over the ranks, summed over the "
                                     "rounds.",
                             .x = {.unit = ECH_UNIT_SECONDS}};
    const ech_rows rows = {.count = runs->count, .labels = labels};
    ech_chart_bars(svg, &chart, rows, stacks, ECH_PHASE_COUNT);
    ech_csv_stacks(csv, "run", rows, stacks, ECH_PHASE_COUNT);
}

static ech_status picture_of_runs(ech_page *page, const ech_runs *runs)
{
    double *values = ech_calloc(ECH_PHASE_COUNT * runs->count, sizeof *values);
    const char **labels = ech_calloc(runs->count, sizeof *labels);
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    const ech_status status = values != NULL && labels != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        phases_by_run(runs, values, labels, &svg, &csv);
    }
    ech_free(values);
    ech_free(labels);
    return finish(page, "phases", status, &svg, &csv);
}

static void phases_by_round(const ech_run *run, double *values, ech_buffer *svg, ech_buffer *csv)
{
    ech_stack stacks[ECH_PHASE_COUNT - 1];
    const size_t count = run->round_count;
    for (size_t p = ECH_PHASE_SEND; p < ECH_PHASE_COUNT; p++) {
        double *own = values + (p - ECH_PHASE_SEND) * count;
        for (size_t i = 0; i < count; i++) {
            own[i] = ech_phase_of_round(&run->rounds[i], (ech_phase)p);
        }
        stacks[p - ECH_PHASE_SEND] = (ech_stack){ech_phase_names[p], ech_phase_colours[p], own};
    }
    char title[512];
    snprintf(title, sizeof title, "Phases of each round: %s", run->label);
    const ech_chart chart = {
        .title = title,
        .note = "Seconds of each phase, mean over the ranks; round 0 evaluates the initial model.",
        .x = {.title = "round", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.unit = ECH_UNIT_SECONDS, .from_zero = true}};
    const uint64_t first = run->rounds[0].round;
    ech_chart_columns(svg, &chart, first, count, stacks, ECH_PHASE_COUNT - 1);
    ech_csv_stacks(csv, "round", (ech_rows){.count = count, .first = first}, stacks,
                   ECH_PHASE_COUNT - 1);
}

static ech_status picture_of_rounds(ech_page *page, const ech_run *run, size_t number)
{
    double *values = ech_calloc((ECH_PHASE_COUNT - 1) * run->round_count, sizeof *values);
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    if (values != NULL) {
        phases_by_round(run, values, &svg, &csv);
    }
    char name[32];
    snprintf(name, sizeof name, "phases-%zu", number + 1);
    const ech_status status = values != NULL ? ECH_OK : ECH_ERR_MEMORY;
    ech_free(values);
    return finish(page, name, status, &svg, &csv);
}

static ech_status picture_of_round_times(ech_page *page, const ech_runs *runs)
{
    ech_series series = {0};
    for (size_t i = 0; i < runs->count; i++) {
        const ech_run *run = &runs->items[i];
        double *x;
        double *y;
        ech_series_add(&series, run->label, i, run->round_count, &x, &y);
        for (size_t j = 0; x != NULL && j < run->round_count; j++) {
            const ech_round_row *row = &run->rounds[j];
            x[j] = row->round > 0 ? (double)row->round : NAN; /* 0 is the initial model's */
            y[j] = row->total_seconds;
        }
    }
    const ech_chart chart = {
        .title = "Time of each round",
        .note = "Wall time, evaluation included.",
        .x = {.title = "round", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.unit = ECH_UNIT_SECONDS, .from_zero = true}};
    return ech_report_put_lines(page, "round-time", &chart, "round", "seconds", &series, ECH_OK);
}

ech_status ech_report_time(ech_page *page, const ech_runs *runs)
{
    size_t with_rounds = 0;
    for (size_t i = 0; i < runs->count; i++) {
        with_rounds += runs->items[i].round_count > 0 ? 1 : 0;
    }
    if (with_rounds == 0) {
        return ECH_OK;
    }
    ech_page_section(page, "Time");
    ech_status status = picture_of_runs(page, runs);
    if (status == ECH_OK) {
        status = picture_of_round_times(page, runs);
    }
    for (size_t i = 0; i < runs->count && runs->count <= ROUND_PICTURES_MAX && status == ECH_OK;
         i++) {
        if (runs->items[i].round_count > 0) {
            status = picture_of_rounds(page, &runs->items[i], i);
        }
    }
    return status;
}
