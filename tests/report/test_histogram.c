#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/report/chart_histogram.h"
#include "tests/report/chart_fixture.h"
#include "tests/support.h"

static ech_buffer svg;
static ech_buffer csv;

static const ech_chart chart = {.title = "Run times",
                                .x = {.scale = ECH_SCALE_LOG10, .unit = ECH_UNIT_SECONDS},
                                .y = {.unit = ECH_UNIT_PERCENT, .from_zero = true}};

static void clear(void)
{
    ech_buffer_clear(&svg);
    ech_buffer_clear(&csv);
    ech_test_expect_no_leak();
}

TestSuite(report_histogram, .fini = clear);

Test(report_histogram, quantiles_are_right_to_within_a_bin)
{
    static ech_histogram values;
    for (int i = 1; i <= 10000; i++) {
        ech_histogram_add(&values, 1e-6 * i);
    }
    cr_expect_eq(values.total, 10000);
    cr_expect_float_eq(ech_histogram_quantile(&values, 0.5) / 5e-3, 1.0, 0.075);
    cr_expect_float_eq(ech_histogram_quantile(&values, 0.99) / 9.9e-3, 1.0, 0.075);
    cr_expect_leq(ech_histogram_quantile(&values, 0.0), 1.1e-6);
}

Test(report_histogram, all_durations_count)
{
    static ech_histogram values;
    ech_histogram_add(&values, 0.0);
    ech_histogram_add(&values, -1.0);
    ech_histogram_add(&values, 1e30);
    ech_histogram_add(&values, INFINITY);
    ech_histogram_add(&values, NAN);
    cr_expect_eq(values.total, 4);
    cr_expect_eq(values.counts[0], 2);
    cr_expect_eq(values.counts[ECH_HISTOGRAM_BINS - 1], 2);
}

Test(report_histogram, an_empty_one_has_no_quantile_and_is_a_picture)
{
    static ech_histogram values;
    cr_expect(isnan(ech_histogram_quantile(&values, 0.5)));
    const ech_histogram_series series = {"none", 0, 0, &values};
    ech_chart_histogram(&svg, &chart, &series, 1);
    xml_document *picture = read_picture(&svg);
    xml_free(&picture);
}

Test(report_histogram, steps_are_as_high_as_their_share)
{
    static ech_histogram values;
    for (int i = 0; i < 3; i++) {
        ech_histogram_add(&values, 1.1e-3);
    }
    ech_histogram_add(&values, 0.5);
    const ech_histogram_series series = {"tasks", 0, 0, &values};
    ech_csv_histogram(&csv, &series, 1);
    cr_expect_not_null(strstr(csv.bytes, "tasks,0.001,0.00133352,3\n"));
    ech_chart_histogram(&svg, &chart, &series, 1);
    xml_document *picture = read_picture(&svg);
    const char *path = xml_attribute(xml_find(picture, "path", 0), "d");
    double x;
    double bottom;
    double top;
    double right;
    cr_assert_eq(sscanf(path, "M%lf %lfV%lfH%lf", &x, &bottom, &top, &right), 4);
    cr_expect_float_eq(x, x_tick(picture, "1 ms"), 0.02);
    cr_expect_float_eq(bottom, y_tick(picture, "0"), 0.02);
    cr_expect_float_eq(bottom - top, 0.75 / 0.8 * (bottom - y_tick(picture, "80 %")), 0.05);
    xml_free(&picture);
}
