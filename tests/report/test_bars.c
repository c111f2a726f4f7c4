#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "apps/report/chart_bars.h"
#include "tests/report/chart_fixture.h"
#include "tests/support.h"

static ech_buffer svg;
static ech_buffer csv;

static void clear(void)
{
    ech_buffer_clear(&svg);
    ech_buffer_clear(&csv);
    ech_test_expect_no_leak();
}

TestSuite(report_bars, .fini = clear);

/* The rectangle whose tip reads so. */
static const xml_element *bar(const xml_document *picture, const char *tip)
{
    const xml_element *title = xml_find_text(picture, "title", tip);
    cr_assert_not_null(title, "no bar says %s", tip);
    return &picture->elements[title->parent];
}

Test(report_bars, bars_are_stacked_end_to_end)
{
    const char *labels[] = {"first", "second"};
    const double train[] = {2.0, 4.0};
    const double wait[] = {3.0, NAN};
    const ech_stack stacks[] = {{"train", 0, train}, {"wait", 1, wait}};
    const ech_chart chart = {.title = "Phases", .x = {.unit = ECH_UNIT_SECONDS}};
    const ech_rows rows = {.count = 2, .labels = labels};
    ech_chart_bars(&svg, &chart, rows, stacks, 2);
    xml_document *picture = read_picture(&svg);

    const xml_element *lower = bar(picture, "train: 2.00 s");
    const xml_element *upper = bar(picture, "wait: 3.00 s");
    cr_expect_float_eq(xml_number(lower, "x"), x_tick(picture, "0"), 0.02);
    cr_expect_float_eq(xml_number(upper, "x"), x_tick(picture, "2 s"), 0.02);
    cr_expect_float_eq(xml_number(upper, "x") + xml_number(upper, "width"), x_tick(picture, "5 s"),
                       0.02);
    cr_expect_float_eq(xml_number(lower, "y"), xml_number(upper, "y"), 1e-9);
    cr_expect_lt(xml_number(lower, "y"), xml_number(bar(picture, "train: 4.00 s"), "y"));
    cr_expect_str_eq(fill_of(picture, lower), "#0072b2");
    cr_expect_str_eq(fill_of(picture, upper), "#d55e00");
    xml_free(&picture);
}

Test(report_bars, columns_stand_on_each_other)
{
    const double low[] = {10.0, 20.0, 0.0};
    const double high[] = {30.0, 0.0, 0.0};
    const ech_stack stacks[] = {{"class 0", 0, low}, {"class 1", 1, high}};
    const ech_chart chart = {
        .title = "Labels",
        .x = {.title = "worker", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.unit = ECH_UNIT_COUNT, .from_zero = true}};
    ech_chart_columns(&svg, &chart, 7, 3, stacks, 2);
    xml_document *picture = read_picture(&svg);
    const xml_element *lower = bar(picture, "class 0 at 7: 10");
    const xml_element *upper = bar(picture, "class 1 at 7: 30");
    cr_expect_float_eq(xml_number(upper, "y"), y_tick(picture, "40"), 0.02);
    cr_expect_float_eq(xml_number(lower, "y"), y_tick(picture, "10"), 0.02);
    cr_expect_float_eq(xml_number(lower, "y") + xml_number(lower, "height"), y_tick(picture, "0"),
                       0.02);
    cr_expect_float_eq(xml_number(lower, "x") + xml_number(lower, "width") / 2.0,
                       x_tick(picture, "7"), 0.02);
    xml_free(&picture);
}

Test(report_bars, many_columns_stay_small_and_keep_their_mean)
{
    enum { MANY = 96000 };
    double *values = calloc(MANY, sizeof *values);
    for (size_t i = 0; i < MANY; i++) {
        values[i] = i % 2 == 0 ? 20.0 : 0.0;
    }
    const ech_stack stack = {"rounds", 0, values};
    const ech_chart chart = {.title = "Many", .x = {.exact = true}, .y = {.from_zero = true}};
    ech_chart_columns(&svg, &chart, 0, MANY, &stack, 1);
    cr_expect_lt(svg.length, 40000, "%zu bytes", svg.length);
    xml_document *picture = read_picture(&svg);
    const double ten = y_tick(picture, "10");
    const xml_element *column = xml_find(picture, "rect", 5); /* the first is the paper */
    cr_expect_float_eq(xml_number(column, "y"), ten, 0.3);
    xml_free(&picture);
    free(values);
}

Test(report_bars, nothing_to_draw_is_a_picture_too)
{
    const ech_chart chart = {.title = "Empty"};
    ech_chart_columns(&svg, &chart, 0, 0, NULL, 0);
    xml_document *picture = read_picture(&svg);
    xml_free(&picture);
    const char *labels[] = {"only"};
    const double zero[] = {0.0};
    const ech_stack stack = {"zero", 0, zero};
    ech_chart_bars(&svg, &chart, (ech_rows){.count = 1, .labels = labels}, &stack, 1);
    picture = read_picture(&svg);
    cr_expect_not_null(xml_find_text(picture, "text", "only"));
    xml_free(&picture);
}

Test(report_bars, more_classes_than_colours_are_told_apart)
{
    enum { CLASSES = 2 * ECH_COLOUR_COUNT };
    const double value[] = {1.0};
    ech_stack stacks[CLASSES];
    for (int i = 0; i < CLASSES; i++) {
        stacks[i] = (ech_stack){"class", i % ECH_COLOUR_COUNT, value};
    }
    const ech_chart chart = {.title = "Classes", .x = {.whole = true}};
    ech_chart_columns(&svg, &chart, 0, 1, stacks, CLASSES);
    xml_document *picture = read_picture(&svg);
    size_t faded = 0;
    for (size_t i = 0; i < picture->count; i++) {
        const xml_element *element = &picture->elements[i];
        faded += xml_attribute(element, "class") != NULL &&
                         xml_attribute(element, "fill-opacity") != NULL
                     ? 1
                     : 0;
    }
    cr_expect_eq(faded, ECH_COLOUR_COUNT);
    xml_free(&picture);
}

Test(report_bars, the_table_has_a_column_a_stack)
{
    const char *labels[] = {"a, b", "c"};
    const double up[] = {1.0, 2.5};
    const double down[] = {3.0, NAN};
    const ech_stack stacks[] = {{"up", 0, up}, {"down", 1, down}};
    ech_csv_stacks(&csv, "run", (ech_rows){.count = 2, .labels = labels}, stacks, 2);
    cr_expect_str_eq(csv.bytes, "run,up,down\n\"a, b\",1,3\nc,2.5,\n");
}
