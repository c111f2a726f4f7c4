/* What was predicted of a scaling study, beside what was measured. */
#include <math.h>
#include <stdio.h>

#include "apps/report/pictures_priv.h"

enum { NAME_BYTES = 64, LABEL_BYTES = 256, TEXT_BYTES = 384, DASHES_PREDICTED = 3 };

/* A figure of a point, measured and predicted. */
typedef struct {
    const char *title;
    const char *name;
    const char *y_name;
    ech_unit unit;
    double (*measured)(const ech_scaling_point *point);
    double (*predicted)(const ech_scaling_point *point);
    double (*error)(const ech_scaling_point *point); /* of the measured */
} figure;

static double measured_seconds(const ech_scaling_point *point)
{
    return point->seconds;
}

static double predicted_seconds(const ech_scaling_point *point)
{
    return point->predicted.round_seconds;
}

static double measured_rank(const ech_scaling_point *point)
{
    return point->rank_bytes;
}

static double predicted_rank(const ech_scaling_point *point)
{
    return point->predicted.rank_bytes;
}

static double measured_host(const ech_scaling_point *point)
{
    return point->host_bytes;
}

static double predicted_host(const ech_scaling_point *point)
{
    return point->predicted.host_bytes;
}

static double error_of_seconds(const ech_scaling_point *point)
{
    return point->seconds_error;
}

static double error_of_rank(const ech_scaling_point *point)
{
    return predicted_rank(point) / measured_rank(point) - 1.0;
}

static double error_of_host(const ech_scaling_point *point)
{
    return predicted_host(point) / measured_host(point) - 1.0;
}

static const figure figures[] = {
    {"Time of a round, predicted and measured", "scaling-predicted-time", "seconds",
     ECH_UNIT_SECONDS, measured_seconds, predicted_seconds, error_of_seconds},
    {"Memory of the largest rank, predicted and measured", "scaling-predicted-rank", "bytes",
     ECH_UNIT_BYTES, measured_rank, predicted_rank, error_of_rank},
    {"Memory of the largest host, predicted and measured", "scaling-predicted-host", "bytes",
     ECH_UNIT_BYTES, measured_host, predicted_host, error_of_host},
};

enum { FIGURES = sizeof figures / sizeof *figures };

static bool is_known(const ech_scaling *study, const figure *what)
{
    for (size_t i = 0; i < study->count; i++) {
        for (size_t j = 0; j < study->curves[i].count; j++) {
            if (isfinite(what->error(&study->curves[i].points[j]))) {
                return true;
            }
        }
    }
    return false;
}

/* ---- pictures ---- */

static void add_line(ech_series *series, const ech_scaling_curve *curve, const char *label,
                     double (*value)(const ech_scaling_point *point))
{
    double *x;
    double *y;
    ech_series_add(series, label, curve->number, curve->count, &x, &y);
    for (size_t i = 0; x != NULL && i < curve->count; i++) {
        x[i] = curve->points[i].x;
        y[i] = value(&curve->points[i]);
    }
}

static ech_status put_picture(ech_page *page, const ech_scaling *study, const figure *what,
                              const char *variant)
{
    char name[NAME_BYTES];
    ech_series series = {0};
    for (size_t i = 0; i < study->count; i++) {
        const ech_scaling_curve *curve = &study->curves[i];
        char label[LABEL_BYTES];
        snprintf(label, sizeof label, "%.200s, predicted", curve->label);
        add_line(&series, curve, curve->label, what->measured);
        add_line(&series, curve, label, what->predicted);
        ech_line *line = ech_series_last(&series);
        if (line != NULL) {
            line->dashes = DASHES_PREDICTED;
            line->bare = true;
        }
    }
    const ech_chart chart = {
        .title = what->title,
        .note = "Points: measured, over the repeats. Dashes: what `echelon plan` said before.",
        .x = {.title = ech_scaling_x_title(study),
              .unit = ECH_UNIT_COUNT,
              .scale = ECH_SCALE_LOG2,
              .exact = true},
        .y = {.unit = what->unit, .scale = ECH_SCALE_LOG10}};
    snprintf(name, sizeof name, "%s%s", what->name, variant);
    return ech_report_put_lines(page, name, &chart, ech_scaling_x_title(study), what->y_name,
                                &series, ECH_OK);
}

/* ---- the table ---- */

static void put_cell(ech_page *page, ech_unit unit, double value)
{
    char text[ECH_VALUE_BYTES];
    ech_unit_write(unit, value, text);
    ech_page_cell(page, text);
}

static void put_error(ech_page *page, double error)
{
    char text[ECH_VALUE_BYTES] = "–";
    if (isfinite(error)) {
        snprintf(text, sizeof text, "%+.1f %%", 100.0 * error);
    }
    ech_page_cell(page, text);
}

static void put_row(ech_page *page, const ech_scaling *study, const ech_scaling_curve *curve,
                    const ech_scaling_point *point)
{
    char head[LABEL_BYTES];
    snprintf(head, sizeof head, "%.200s, %.0f %s", curve->label, point->x,
             ech_scaling_x_title(study));
    ech_page_row_open(page, head);
    for (size_t f = 0; f < FIGURES; f++) {
        put_cell(page, figures[f].unit, figures[f].predicted(point));
        put_cell(page, figures[f].unit, figures[f].measured(point));
        put_error(page, figures[f].error(point));
    }
    ech_page_row_close(page);
}

static void put_table(ech_page *page, const ech_scaling *study)
{
    static const char *const heads[] = {
        "size",  "round, predicted", "measured", "error", "rank, predicted", "measured",
        "error", "host, predicted",  "measured", "error"};
    ech_page_table_open(page, "Predicted and measured", false, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < study->count; i++) {
        for (size_t j = 0; j < study->curves[i].count; j++) {
            put_row(page, study, &study->curves[i], &study->curves[i].points[j]);
        }
    }
    ech_page_table_close(page);
}

static double largest_error(const ech_scaling *study, const figure *what)
{
    double most = 0.0;
    for (size_t i = 0; i < study->count; i++) {
        for (size_t j = 0; j < study->curves[i].count; j++) {
            const double error = fabs(what->error(&study->curves[i].points[j]));
            most = isfinite(error) ? fmax(most, error) : most;
        }
    }
    return most;
}

static void put_summary(ech_page *page, const ech_scaling *study)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "Largest error of a prediction, of the measured: time of a round %.1f %%, memory of "
             "the largest rank %.1f %%, of the largest host %.1f %%. Of the time: each run by its "
             "own plan, and of the repeats the one in the middle.",
             100.0 * largest_error(study, &figures[0]), 100.0 * largest_error(study, &figures[1]),
             100.0 * largest_error(study, &figures[2]));
    ech_page_paragraph(page, text);
}

/* ---- what the memory allows ---- */

/* Only rounds without training do nothing but move models. */
static bool has_bound(const ech_scaling *study, const ech_scaling_curve *curve)
{
    const ech_scaling_point *last = &curve->points[curve->count - 1];
    return study->kind != ECH_SCALING_STRONG && curve->count > 1 &&
           ech_run_setting_is(curve->run, "train.epochs", "0") &&
           isfinite(last->predicted.worker_seconds);
}

static void put_bound(ech_page *page, const ech_scaling_curve *curve)
{
    const ech_scaling_point *first = &curve->points[0];
    const ech_scaling_point *last = &curve->points[curve->count - 1];
    const double slope = (last->seconds - first->seconds) / (last->x - first->x);
    char text[ECH_VALUE_BYTES];
    ech_page_row_open(page, curve->label);
    put_cell(page, ECH_UNIT_SECONDS, slope);
    put_cell(page, ECH_UNIT_SECONDS, last->predicted.worker_seconds);
    snprintf(text, sizeof text, "%.2f", slope / last->predicted.worker_seconds);
    ech_page_cell(page, text);
    put_cell(page, ECH_UNIT_BYTES, last->predicted.bytes_per_second);
    ech_page_row_close(page);
}

static void put_bounds(ech_page *page, const ech_scaling *study)
{
    static const char *const heads[] = {"model", "a worker, measured", "by memory alone",
                                        "measured over that", "bytes a second"};
    bool is_open = false;
    for (size_t i = 0; i < study->count; i++) {
        if (!has_bound(study, &study->curves[i])) {
            continue;
        }
        if (!is_open) {
            ech_page_paragraph(page, "What the memory's bandwidth allows: for P values a worker "
                                     "reads 4 P bytes and writes 4 P, the sum reads 4 P and reads "
                                     "and writes 16 P. Measured: from the fewest workers to the "
                                     "most.");
            ech_page_table_open(page, "Seconds that a worker adds to a round", false, heads,
                                sizeof heads / sizeof *heads);
            is_open = true;
        }
        put_bound(page, &study->curves[i]);
    }
    if (is_open) {
        ech_page_table_close(page);
    }
}

ech_status ech_report_predictions(ech_page *page, const ech_scaling *study, const char *variant)
{
    ech_status status = ECH_OK;
    bool any = false;
    for (size_t f = 0; f < FIGURES && status == ECH_OK; f++) {
        if (is_known(study, &figures[f])) {
            any = true;
            status = put_picture(page, study, &figures[f], variant);
        }
    }
    if (status == ECH_OK && any) {
        put_summary(page, study);
        put_table(page, study);
    }
    if (status == ECH_OK) {
        put_bounds(page, study);
    }
    return status;
}
