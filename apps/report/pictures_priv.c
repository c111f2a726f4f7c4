#include "apps/report/pictures_priv.h"

static const double comparable_ratio = 4.0;

void ech_time_span_add(ech_time_span *span, double length_s)
{
    if (length_s > 0.0) {
        span->longest_s = length_s > span->longest_s ? length_s : span->longest_s;
        span->shortest_s =
            span->shortest_s == 0.0 || length_s < span->shortest_s ? length_s : span->shortest_s;
    }
}

ech_range ech_time_span_axis(const ech_time_span *span, double length_s)
{
    const bool comparable = span->longest_s <= comparable_ratio * span->shortest_s;
    const double end_s = comparable ? span->longest_s : length_s;
    return (ech_range){0.0, end_s > 0.0 ? end_s : 1.0};
}

ech_status ech_report_put_lines(ech_page *page, const char *name, const ech_chart *chart,
                                const char *x_name, const char *y_name, ech_series *series,
                                ech_status status)
{
    status = status == ECH_OK ? series->status : status;
    if (status == ECH_OK && series->count > 0) {
        ech_buffer svg = {0};
        ech_buffer csv = {0};
        ech_chart_line(&svg, chart, series->lines, series->count);
        ech_csv_lines(&csv, x_name, y_name, series->lines, series->count);
        status = ech_page_picture(page, name, &svg, &csv);
    }
    ech_series_clear(series);
    return status;
}
