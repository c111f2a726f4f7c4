#include <math.h>
#include <stdio.h>

#include "apps/report/chart_bars.h"
#include "apps/report/pictures.h"
#include "apps/report/pictures_priv.h"
#include "apps/report/published.h"
#include "apps/report/scaling.h"
#include "runtime/base/memory.h"

enum { NAME_BYTES = 64, TITLE_BYTES = 96 };

typedef double (*curve_value)(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at);

static void add_values(ech_series *series, const ech_scaling *study, const ech_scaling_curve *curve,
                       curve_value value)
{
    double *x;
    double *y;
    ech_series_add(series, curve->label, curve->number, curve->count, &x, &y);
    for (size_t i = 0; x != NULL && i < curve->count; i++) {
        x[i] = curve->points[i].x;
        y[i] = value(study->kind, curve, i);
    }
}

static double seconds_at(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    (void)kind;
    return curve->points[at].seconds;
}

static void add_spread(ech_series *series, const ech_scaling_curve *curve)
{
    double *low;
    double *high;
    ech_series_spread(series, &low, &high);
    for (size_t i = 0; low != NULL && i < curve->count; i++) {
        low[i] = curve->points[i].least;
        high[i] = curve->points[i].most;
    }
}

/* Thin and grey, named once however many curves have one. */
static void add_ideal(ech_series *series, const ech_scaling *study, const ech_scaling_curve *curve,
                      curve_value ideal)
{
    double *x;
    double *y;
    ech_series_add(series, "ideal, from the smallest size", 0, curve->count, &x, &y);
    for (size_t i = 0; x != NULL && i < curve->count; i++) {
        x[i] = curve->points[i].x;
        y[i] = ideal(study->kind, curve, i);
    }
    ech_line *line = ech_series_last(series);
    if (line != NULL) {
        line->colour = ECH_COLOUR_INK;
        line->dashes = 2;
        line->bare = true;
        line->unnamed = curve->number > 0;
    }
}

static void add_ideals(ech_series *series, const ech_scaling *study, curve_value ideal)
{
    for (size_t i = 0; i < study->count; i++) {
        add_ideal(series, study, &study->curves[i], ideal);
    }
}

/* Their rounds trained nothing: only such rounds of ours compare. */
static bool is_overhead_study(const ech_run *run)
{
    return ech_run_setting_is(run, "train.epochs", "0");
}

static void add_published(ech_series *series, const ech_scaling *study)
{
    for (size_t i = 0; i < study->count; i++) {
        const ech_run *run = study->curves[i].run;
        const char *model = ech_run_setting_of(run, "model.name");
        bool seen = false;
        for (size_t j = 0; model != NULL && j < i; j++) {
            seen = seen || ech_run_setting_is(study->curves[j].run, "model.name", model);
        }
        if (model != NULL && !seen && is_overhead_study(run)) {
            ech_published_scaling(series, model);
        }
    }
}

static ech_status picture_of_time(ech_page *page, const ech_scaling *study, const char *variant,
                                  bool published)
{
    char name[NAME_BYTES];
    ech_series series = {0};
    for (size_t i = 0; i < study->count; i++) {
        add_values(&series, study, &study->curves[i], seconds_at);
        add_spread(&series, &study->curves[i]);
    }
    add_ideals(&series, study, ech_scaling_ideal);
    if (published && study->kind != ECH_SCALING_STRONG) {
        add_published(&series, study);
    }
    const ech_chart chart = {
        .title = "Time of a round",
        .note = "Wall time without the start, median over the repeats; the band is their spread.",
        .x = {.title = ech_scaling_x_title(study),
              .unit = ECH_UNIT_COUNT,
              .scale = ECH_SCALE_LOG2,
              .exact = true},
        .y = {.unit = ECH_UNIT_SECONDS, .scale = ECH_SCALE_LOG10}};
    snprintf(name, sizeof name, "scaling-time%s", variant);
    return ech_report_put_lines(page, name, &chart, ech_scaling_x_title(study), "seconds", &series,
                                ECH_OK);
}

static double growth_at(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    (void)kind;
    return curve->points[at].x / curve->points[0].x;
}

static double one_at(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    (void)kind;
    (void)curve;
    (void)at;
    return 1.0;
}

static ech_status picture_of_ratio(ech_page *page, const ech_scaling *study, const char *name,
                                   const char *variant, const ech_chart *chart, curve_value value,
                                   curve_value ideal)
{
    char whole[NAME_BYTES];
    ech_series series = {0};
    for (size_t i = 0; i < study->count; i++) {
        add_values(&series, study, &study->curves[i], value);
    }
    add_ideals(&series, study, ideal);
    snprintf(whole, sizeof whole, "%s%s", name, variant);
    return ech_report_put_lines(page, whole, chart, ech_scaling_x_title(study), name, &series,
                                ECH_OK);
}

static ech_status pictures_of_ratios(ech_page *page, const ech_scaling *study, const char *variant)
{
    const ech_axis x = {.title = ech_scaling_x_title(study),
                        .unit = ECH_UNIT_COUNT,
                        .scale = ECH_SCALE_LOG2,
                        .exact = true};
    const ech_chart speedup = {
        .title = "Speed-up",
        .note = study->kind == ECH_SCALING_STRONG
                    ? "Time on the smallest number of ranks over the time, the work being the same."
                    : "Work done in the time that the smallest size takes, in its units.",
        .x = x,
        .y = {.scale = ECH_SCALE_LOG2, .unit = ECH_UNIT_COUNT, .exact = true}};
    const ech_chart efficiency = {
        .title = "Efficiency",
        .note = study->kind == ECH_SCALING_POOLED
                    ? "Time in proportion to the workers over the time: 100 % means that a worker "
                      "costs as much among many as among few."
                    : "Ideal over measured time.",
        .x = x,
        .y = {.unit = ECH_UNIT_PERCENT, .from_zero = true}};
    ech_status status = ECH_OK;
    if (study->kind != ECH_SCALING_POOLED) {
        status = picture_of_ratio(page, study, "scaling-speedup", variant, &speedup,
                                  ech_scaling_speedup, growth_at);
    }
    return status == ECH_OK ? picture_of_ratio(page, study, "scaling-efficiency", variant,
                                               &efficiency, ech_scaling_efficiency, one_at)
                            : status;
}

static size_t point_count(const ech_scaling *study)
{
    size_t count = 0;
    for (size_t i = 0; i < study->count; i++) {
        count += study->curves[i].count;
    }
    return count;
}

/* Fill the rows' labels and values: values[phase * rows + row]. */
static ech_status fill_phases(const ech_scaling *study, size_t rows, double *values,
                              ech_buffer *text, const char **labels)
{
    size_t row = 0;
    for (size_t i = 0; i < study->count; i++) {
        const ech_scaling_curve *curve = &study->curves[i];
        for (size_t j = 0; j < curve->count; j++, row++) {
            for (size_t p = 0; p < ECH_PHASE_COUNT; p++) {
                values[p * rows + row] = curve->points[j].phases[p];
            }
            ech_buffer_format(&text[row], "%s, %.0f %s", curve->label, curve->points[j].x,
                              ech_scaling_x_title(study));
            labels[row] = text[row].bytes;
            if (text[row].status != ECH_OK) {
                return text[row].status;
            }
        }
    }
    return ECH_OK;
}

static ech_status draw_phases(ech_page *page, const char *variant, const double *values,
                              const char *const *labels, size_t count)
{
    char name[NAME_BYTES];
    ech_stack stacks[ECH_PHASE_COUNT];
    for (size_t p = 0; p < ECH_PHASE_COUNT; p++) {
        stacks[p] = (ech_stack){ech_phase_names[p], ech_phase_colours[p], values + p * count};
    }
    const ech_chart chart = {.title = "Phases of a round by size",
                             .note =
                                 "Seconds, means over ranks and repeats, after the start, which "
                                 "each run pays once.",
                             .x = {.unit = ECH_UNIT_SECONDS}};
    const ech_rows rows = {.count = count, .labels = labels};
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_bars(&svg, &chart, rows, stacks, ECH_PHASE_COUNT);
    ech_csv_stacks(&csv, "size", rows, stacks, ECH_PHASE_COUNT);
    snprintf(name, sizeof name, "scaling-phases%s", variant);
    return ech_page_picture(page, name, &svg, &csv);
}

static ech_status picture_of_phases(ech_page *page, const ech_scaling *study, const char *variant)
{
    const size_t rows = point_count(study);
    double *values = ech_calloc(ECH_PHASE_COUNT * rows, sizeof *values);
    ech_buffer *text = ech_calloc(rows, sizeof *text);
    const char **labels = ech_calloc(rows, sizeof *labels);
    ech_status status = ECH_ERR_MEMORY;
    if (values != NULL && text != NULL && labels != NULL) {
        status = fill_phases(study, rows, values, text, labels);
    }
    if (status == ECH_OK) {
        status = draw_phases(page, variant, values, labels, rows);
    }
    for (size_t i = 0; text != NULL && i < rows; i++) {
        ech_buffer_clear(&text[i]);
    }
    ech_free(values);
    ech_free(text);
    ech_free(labels);
    return status;
}

/* ---- studies ---- */

static ech_status put_study(ech_page *page, const ech_runs *runs, const char *variant,
                            const char *words, bool published)
{
    static const char *const titles[] = {"", "Strong scaling", "Weak scaling",
                                         "Scaling over workers"};
    ech_scaling study;
    ech_status status = ech_scaling_create(runs, &study);
    if (status == ECH_OK && study.kind != ECH_SCALING_NONE) {
        char title[TITLE_BYTES];
        snprintf(title, sizeof title, "%s%s", titles[study.kind], words);
        ech_page_section(page, title);
        status = picture_of_time(page, &study, variant, published);
        status = status == ECH_OK ? pictures_of_ratios(page, &study, variant) : status;
        status = status == ECH_OK ? picture_of_phases(page, &study, variant) : status;
        status = status == ECH_OK ? ech_report_predictions(page, &study, variant) : status;
    }
    ech_scaling_free(&study);
    return status;
}

/* The runs of one variant; they stay the set's. */
static ech_status put_variant(ech_page *page, const ech_runs *all, bool processes, bool published)
{
    ech_runs some = {.items = ech_calloc(all->count, sizeof *some.items)};
    if (some.items == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < all->count; i++) {
        if (ech_scaling_is_processes(&all->items[i]) == processes) {
            some.items[some.count++] = all->items[i];
        }
    }
    const bool is_alone = some.count == all->count && !processes;
    const ech_status status = put_study(page, &some,
                                        is_alone    ? ""
                                        : processes ? "-processes"
                                                    : "-pooled",
                                        is_alone    ? ""
                                        : processes ? ": a rank a worker (processes)"
                                                    : ": many workers a rank (pooled)",
                                        published);
    ech_free(some.items);
    return status;
}

ech_status ech_report_scaling(ech_page *page, const ech_runs *runs, bool published)
{
    const ech_status status = put_variant(page, runs, true, published);
    return status == ECH_OK ? put_variant(page, runs, false, published) : status;
}
