#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/report/chart_schedule.h"
#include "apps/report/timeline.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "tests/report/chart_fixture.h"
#include "tests/support.h"

static ech_buffer svg;
static ech_buffer csv;
static ech_schedule *schedule;

static const char *const apps[] = {"train", "evaluate"};
static const ech_schedule_kinds kinds = {.names = apps, .count = 2, .noun = "app"};
static const ech_chart chart = {.title = "Tasks by rank",
                                .x = {.unit = ECH_UNIT_SECONDS, .exact = true},
                                .y = {.title = "rank"}};

static void clear(void)
{
    ech_buffer_clear(&svg);
    ech_buffer_clear(&csv);
    ech_schedule_destroy(&schedule);
    ech_test_expect_no_leak();
}

TestSuite(report_schedule, .fini = clear);

static xml_document *draw(size_t rows)
{
    ech_chart_schedule(&svg, &chart, schedule, (ech_rows){.count = rows}, &kinds);
    return read_picture(&svg);
}

static void add(uint64_t row, double start, double end, uint32_t kind)
{
    ech_schedule_add(schedule, &(ech_schedule_bar){row, start, end, kind});
}

Test(report_schedule, bars_lie_at_their_times_and_rows)
{
    cr_assert_eq(ech_schedule_create(2, (ech_range){0.0, 10.0}, &schedule), ECH_OK);
    add(0, 0.0, 4.0, 0);
    add(1, 6.0, 8.0, 1);
    xml_document *picture = draw(2);
    const xml_element *tip = xml_find_text(picture, "title", "evaluate: 2.00 s from 6.00 s");
    cr_assert_not_null(tip);
    const xml_element *bar = &picture->elements[tip->parent];
    cr_expect_float_eq(xml_number(bar, "x"), x_tick(picture, "6 s"), 0.02);
    cr_expect_float_eq(xml_number(bar, "x") + xml_number(bar, "width") + 0.5,
                       x_tick(picture, "8 s"), 0.02);
    cr_expect_float_eq(xml_number(bar, "y") + xml_number(bar, "height") / 2.0, y_tick(picture, "1"),
                       0.02);
    cr_expect_str_eq(fill_of(picture, bar), "#d55e00");
    xml_free(&picture);
}

Test(report_schedule, what_lies_outside_is_left_out)
{
    cr_assert_eq(ech_schedule_create(2, (ech_range){0.0, 10.0}, &schedule), ECH_OK);
    add(5, 1.0, 2.0, 0);
    add(0, 12.0, 13.0, 0);
    add(0, NAN, 3.0, 0);
    add(0, 3.0, 1.0, 0);
    add(1, 8.0, 14.0, 0);
    ech_csv_schedule(&csv, schedule, (ech_rows){.count = 2}, &kinds);
    cr_expect_not_null(strstr(csv.bytes, "1,8.000000000,10.000000000,1.000,train\n"));
    size_t lines = 0;
    for (const char *at = csv.bytes; *at != '\0'; at++) {
        lines += *at == '\n' ? 1 : 0;
    }
    cr_expect_eq(lines, 3, "%s", csv.bytes); /* NaN as a start is the range's own */
}

Test(report_schedule, rounds_get_colours_from_dark_to_light)
{
    cr_assert_eq(ech_schedule_create(1, (ech_range){0.0, 3.0}, &schedule), ECH_OK);
    add(0, 0.0, 1.0, 1);
    add(0, 1.0, 2.0, 2);
    add(0, 2.0, 3.0, 3);
    const ech_schedule_kinds rounds = {.low = 1, .high = 3, .noun = "round"};
    ech_chart_schedule(&svg, &chart, schedule, (ech_rows){.count = 1}, &rounds);
    xml_document *picture = read_picture(&svg);
    cr_expect_not_null(xml_find_text(picture, "text", "round 1 to 3"));
    unsigned light[3];
    for (unsigned i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "round %u: 1.00 s from %s", i + 1,
                 i == 0   ? "0"
                 : i == 1 ? "1.00 s"
                          : "2.00 s");
        const xml_element *tip = xml_find_text(picture, "title", text);
        cr_assert_not_null(tip, "%s", text);
        unsigned colour[3];
        cr_assert_eq(sscanf(fill_of(picture, &picture->elements[tip->parent]), "#%2x%2x%2x",
                            &colour[0], &colour[1], &colour[2]),
                     3);
        light[i] = 2 * colour[0] + 7 * colour[1] + colour[2];
    }
    cr_expect_lt(light[0], light[1]);
    cr_expect_lt(light[1], light[2]);
    xml_free(&picture);
}

/* Busy seconds that a table of stretches adds up to, of one row or all (row -1). */
static double busy_seconds(const char *table, int wanted)
{
    double sum = 0.0;
    for (const char *line = strchr(table, '\n') + 1; *line != '\0'; line = strchr(line, '\n') + 1) {
        int row;
        double start;
        double end;
        double share;
        cr_assert_eq(sscanf(line, "%d,%lf,%lf,%lf", &row, &start, &end, &share), 4);
        sum += wanted == -1 || row == wanted ? (end - start) * share : 0.0;
    }
    return sum;
}

Test(report_schedule, a_hundred_thousand_tasks_stay_small)
{
    enum { TASKS = 100000, RANKS = 8 };
    const size_t before = ech_memory_held_bytes();
    cr_assert_eq(ech_schedule_create(RANKS, (ech_range){0.0, 100.0}, &schedule), ECH_OK);
    ech_random random = ech_random_stream(3, ECH_RANDOM_TEST, 0, 0, 0);
    for (int i = 0; i < TASKS; i++) {
        const int turn = i / RANKS;
        const double start = 100.0 * RANKS / TASKS * turn;
        const double end = start + 0.004 * ech_random_uniform(&random);
        add((uint64_t)(i % RANKS), start, end, ech_random_below(&random, 2) == 0);
    }
    cr_expect_lt(ech_memory_held_bytes() - before, 4 << 20);
    ech_chart_schedule(&svg, &chart, schedule, (ech_rows){.count = RANKS}, &kinds);
    cr_expect_lt(svg.length, 200000, "%zu bytes", svg.length);
    xml_document *picture = read_picture(&svg);
    xml_free(&picture);
}

Test(report_schedule, many_rows_share_bands)
{
    enum { RANKS = 100000 };
    cr_assert_eq(ech_schedule_create(RANKS, (ech_range){0.0, 1.0}, &schedule), ECH_OK);
    for (uint64_t i = 0; i < RANKS; i++) {
        add(i, 0.0, 0.5, 0);
    }
    xml_document *picture = draw(RANKS);
    const xml_element *path = xml_find(picture, "path", 0);
    cr_expect_str_eq(xml_attribute(path, "stroke-opacity"), "1.00");
    double x;
    double y;
    double length;
    cr_assert_eq(sscanf(xml_attribute(path, "d"), "M%lf %lfh%lf", &x, &y, &length), 3);
    cr_expect_float_eq(x, x_tick(picture, "0"), 0.02);
    cr_expect_float_eq(x + length, (x_tick(picture, "0.4 s") + x_tick(picture, "0.6 s")) / 2.0,
                       1.1);
    xml_free(&picture);
}

Test(report_schedule, the_raster_keeps_busy_time_and_the_leading_kind)
{
    enum { BARS = 33000 };
    cr_assert_eq(ech_schedule_create(2, (ech_range){0.0, 66.0}, &schedule), ECH_OK);
    for (int i = 0; i < BARS; i++) { /* row 0: always busy; row 1: half of each cell */
        const double start = 66.0 * i / BARS;
        add(0, start, start + 66.0 / BARS, i % 10 == 0);
        add(1, start, start + 33.0 / BARS, 1);
    }
    ech_csv_schedule(&csv, schedule, (ech_rows){.count = 2}, &kinds);
    cr_expect_float_eq(busy_seconds(csv.bytes, 0), 66.0, 1e-3);
    cr_expect_float_eq(busy_seconds(csv.bytes, 1), 33.0, 1e-3);
    cr_expect_not_null(strstr(csv.bytes, "0,0.000000000,66.000000000,1.000,train\n"));
    cr_expect_not_null(strstr(csv.bytes, "1,0.000000000,66.000000000,0.500,evaluate\n"));
}

Test(report_schedule, an_empty_one_is_a_picture_too)
{
    cr_assert_eq(ech_schedule_create(1, (ech_range){0.0, 0.0}, &schedule), ECH_OK);
    xml_document *picture = draw(1);
    xml_free(&picture);
    add(0, 0.0, 0.0, 0);
    picture = draw(1);
    xml_free(&picture);
}

Test(report_schedule, timelines_count_what_is_open)
{
    double middles[ECH_TIMELINE_BINS];
    double means[ECH_TIMELINE_BINS];
    ech_timeline *timeline = NULL;
    const double end = ECH_TIMELINE_BINS; /* a bin a second */
    cr_assert_eq(ech_timeline_create((ech_range){0.0, end}, &timeline), ECH_OK);
    ech_timeline_add(timeline, 0.0, end);
    ech_timeline_add(timeline, 10.25, 12.5);
    ech_timeline_add(timeline, 20.25, 20.5);
    ech_timeline_add(timeline, -5.0, 1.0);
    ech_timeline_add(timeline, end - 1.0, end + 7.0);
    ech_timeline_add(timeline, 40.0, 40.0);
    ech_timeline_means(timeline, 2.0, middles, means);
    cr_expect_float_eq(middles[0], 0.5, 1e-12);
    cr_expect_float_eq(means[0], 4.0, 1e-12);
    cr_expect_float_eq(means[9], 2.0, 1e-12);
    cr_expect_float_eq(means[10], 3.5, 1e-12);
    cr_expect_float_eq(means[11], 4.0, 1e-12);
    cr_expect_float_eq(means[12], 3.0, 1e-12);
    cr_expect_float_eq(means[20], 2.5, 1e-12);
    cr_expect_float_eq(means[40], 2.0, 1e-12);
    cr_expect_float_eq(means[ECH_TIMELINE_BINS - 1], 4.0, 1e-12);
    ech_timeline_destroy(&timeline);
}
