#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/report/chart_line.h"
#include "tests/report/chart_fixture.h"
#include "tests/support.h"

enum { LONG = 100000 };

static ech_buffer svg;
static ech_buffer csv;

static const ech_chart chart = {
    .title = "Accuracy & <loss>",
    .note = "A note.",
    .x = {.title = "round", .unit = ECH_UNIT_COUNT, .exact = true},
    .y = {.title = "accuracy", .from_zero = true},
};

static void clear(void)
{
    ech_buffer_clear(&svg);
    ech_buffer_clear(&csv);
    ech_test_expect_no_leak();
}

TestSuite(report_line, .fini = clear);

static xml_document *draw(const ech_line *lines, size_t count)
{
    ech_chart_line(&svg, &chart, lines, count);
    return read_picture(&svg);
}

/* The path that is drawn with this stroke. */
static const xml_element *path_of(const xml_document *picture, const char *stroke)
{
    for (size_t i = 0; i < xml_count(picture, "path"); i++) {
        const xml_element *path = xml_find(picture, "path", i);
        const xml_element *group = &picture->elements[path->parent];
        if (strcmp(xml_attribute(group, "stroke"), stroke) == 0) {
            return path;
        }
    }
    cr_assert_fail("no path has the stroke %s", stroke);
    return NULL;
}

Test(report_line, points_lie_where_the_ticks_say)
{
    const double x[] = {0.0, 4.0, 10.0};
    const double y[] = {0.0, 0.8, 0.4};
    const ech_line line = {.label = "a run", .x = x, .y = y, .count = 3};
    xml_document *picture = draw(&line, 1);

    char expected[128];
    snprintf(expected, sizeof expected, "M%.4g %.4gL%.4g %.4gL%.4g %.4g", x_tick(picture, "0"),
             y_tick(picture, "0"), x_tick(picture, "4"), y_tick(picture, "0.8"),
             x_tick(picture, "10"), y_tick(picture, "0.4"));
    double drawn[6];
    double wanted[6];
    const char *shape = "M%lf %lfL%lf %lfL%lf %lf";
    cr_assert_eq(sscanf(xml_attribute(path_of(picture, "#0072b2"), "d"), shape, &drawn[0],
                        &drawn[1], &drawn[2], &drawn[3], &drawn[4], &drawn[5]),
                 6);
    cr_assert_eq(sscanf(expected, shape, &wanted[0], &wanted[1], &wanted[2], &wanted[3], &wanted[4],
                        &wanted[5]),
                 6);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_float_eq(drawn[i], wanted[i], 0.06, "coordinate %zu: %g for %g", i, drawn[i],
                           wanted[i]);
    }
    xml_free(&picture);
}

Test(report_line, texts_are_there_and_escaped)
{
    const double value[] = {1.0};
    const ech_line line = {.label = "<run> & \"co\"", .x = value, .y = value, .count = 1};
    xml_document *picture = draw(&line, 1);
    cr_expect_not_null(xml_find_text(picture, "title", "Accuracy & <loss>"));
    cr_expect_not_null(xml_find_text(picture, "text", "Accuracy & <loss>"));
    cr_expect_not_null(xml_find_text(picture, "desc", "A note."));
    cr_expect_not_null(xml_find_text(picture, "text", "<run> & \"co\""));
    cr_expect_not_null(xml_find_text(picture, "text", "round"));
    cr_expect_not_null(xml_find_text(picture, "title", "<run> & \"co\": 1.00 at 1"));
    xml_free(&picture);
}

/* One that nearly is the same keeps its width: it can be seen. */
Test(report_line, a_line_that_another_hides_is_drawn_wider)
{
    const double x[] = {1.0, 2.0, 3.0};
    const double y[] = {0.1, NAN, 0.3};
    const double near[] = {0.1, NAN, 0.31};
    const ech_line lines[] = {{.label = "a", .x = x, .y = y, .count = 3, .colour = 0},
                              {.label = "b", .x = x, .y = y, .count = 3, .colour = 1},
                              {.label = "c", .x = x, .y = near, .count = 3, .colour = 2},
                              {.label = "d", .x = x, .y = y, .count = 3, .colour = 3}};
    static const char *const widths[][2] = {
        {"#0072b2", "1.75"}, {"#d55e00", "4.75"}, {"#009e73", "1.75"}, {"#cc79a7", "7.75"}};
    xml_document *picture = draw(lines, 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(xml_attribute(path_of(picture, widths[i][0]), "stroke-width"),
                         widths[i][1], "line %s", lines[i].label);
    }
    xml_free(&picture);
}

Test(report_line, one_point_is_a_dot_and_no_path)
{
    const double x[] = {3.0};
    const double y[] = {0.5};
    const ech_line line = {.label = "one", .x = x, .y = y, .count = 1};
    xml_document *picture = draw(&line, 1);
    cr_expect_eq(xml_count(picture, "circle"), 1);
    cr_expect_eq(xml_count(picture, "path"), 0);
    xml_free(&picture);
}

Test(report_line, no_points_and_no_lines_are_pictures_too)
{
    const double nothing[] = {NAN, NAN};
    const ech_line lines[] = {{.label = "empty", .x = nothing, .y = nothing, .count = 0},
                              {.label = "nan", .x = nothing, .y = nothing, .count = 2}};
    xml_document *picture = draw(lines, 2);
    cr_expect_eq(xml_count(picture, "circle"), 0);
    xml_free(&picture);
    picture = draw(NULL, 0);
    cr_expect_not_null(xml_find_text(picture, "text", "Accuracy & <loss>"));
    xml_free(&picture);
}

Test(report_line, a_missing_value_breaks_the_line)
{
    const double x[] = {0.0, 1.0, 2.0, 3.0, 4.0};
    const double y[] = {0.1, 0.2, NAN, 0.4, 0.5};
    const ech_line line = {.label = "gap", .x = x, .y = y, .count = 5};
    xml_document *picture = draw(&line, 1);
    const char *path = xml_attribute(path_of(picture, "#0072b2"), "d");
    cr_expect_eq(*path, 'M');
    cr_expect_not_null(strchr(path + 1, 'M'));
    cr_expect_null(strstr(path, "nan"));
    cr_expect_eq(xml_count(picture, "circle"), 4);
    xml_free(&picture);
}

Test(report_line, a_long_line_is_small_and_keeps_its_peaks)
{
    double *x = calloc(LONG, sizeof *x);
    double *y = calloc(LONG, sizeof *y);
    for (size_t i = 0; i < LONG; i++) {
        x[i] = (double)i;
        y[i] = 0.2 + 0.1 * (double)(i % 7) / 7.0;
    }
    y[34567] = 1.0;
    y[56789] = 0.0;
    const ech_line line = {.label = "long", .x = x, .y = y, .count = LONG};
    ech_chart_line(&svg, &chart, &line, 1);
    cr_expect_lt(svg.length, 60000, "%zu bytes", svg.length);
    xml_document *picture = read_picture(&svg);
    const char *path = xml_attribute(path_of(picture, "#0072b2"), "d");
    double highest = 1e9;
    double lowest = 0.0;
    for (const char *at = path; *at != '\0'; at++) {
        double px;
        double py;
        if ((*at == 'M' || *at == 'L') && sscanf(at + 1, "%lf %lf", &px, &py) == 2) {
            highest = fmin(highest, py);
            lowest = fmax(lowest, py);
        }
    }
    cr_expect_float_eq(highest, y_tick(picture, "1.0"), 0.02);
    cr_expect_float_eq(lowest, y_tick(picture, "0"), 0.02);
    xml_free(&picture);
    free(x);
    free(y);
}

Test(report_line, colours_repeat_with_other_dashes)
{
    const double x[] = {0.0, 1.0};
    const double y[] = {0.0, 1.0};
    ech_line lines[2] = {{.label = "first", .x = x, .y = y, .count = 2},
                         {.label = "other", .x = x, .y = y, .count = 2, .dashes = 1}};
    xml_document *picture = draw(lines, 2);
    cr_expect_str_neq(xml_attribute(xml_find(picture, "path", 0), "stroke-dasharray"),
                      xml_attribute(xml_find(picture, "path", 1), "stroke-dasharray"));
    xml_free(&picture);
}

Test(report_line, a_legend_names_two_dozen_and_counts_the_rest)
{
    enum { MANY = 40 };
    const double value[] = {1.0};
    char labels[MANY][16];
    ech_line lines[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(labels[i], sizeof labels[i], "run %d", i);
        lines[i] = (ech_line){.label = labels[i], .x = value, .y = value, .count = 1};
    }
    xml_document *picture = draw(lines, MANY);
    cr_expect_not_null(xml_find_text(picture, "text", "run 23"));
    cr_expect_null(xml_find_text(picture, "text", "run 24"));
    cr_expect_not_null(xml_find_text(picture, "text", "and 16 more"));
    xml_free(&picture);
}

Test(report_line, a_spread_is_a_band_around_its_line)
{
    const double x[] = {1.0, 2.0};
    const double y[] = {0.5, 0.5};
    const double low[] = {0.4, 0.2};
    const double high[] = {0.6, 1.0};
    const ech_line line = {.label = "band", .x = x, .y = y, .low = low, .high = high, .count = 2};
    ech_csv_lines(&csv, "ranks", "seconds", &line, 1);
    cr_expect_str_eq(csv.bytes, "series,ranks,seconds,low,high\nband,1,0.5,0.4,0.6\n"
                                "band,2,0.5,0.2,1\n");
    xml_document *picture = draw(&line, 1);
    const xml_element *band = xml_find(picture, "path", 0);
    cr_assert_not_null(xml_attribute(band, "fill-opacity"));
    double corner[8];
    cr_assert_eq(sscanf(xml_attribute(band, "d"), "M%lf %lfL%lf %lfL%lf %lfL%lf %lfZ", &corner[0],
                        &corner[1], &corner[2], &corner[3], &corner[4], &corner[5], &corner[6],
                        &corner[7]),
                 8);
    cr_expect_float_eq(corner[3], y_tick(picture, "1.0"), 0.02);
    cr_expect_float_eq(corner[5], y_tick(picture, "0.2"), 0.02);
    xml_free(&picture);
}

Test(report_line, the_table_holds_what_is_drawn)
{
    const double x[] = {0.0, 1.0};
    const double y[] = {0.25, NAN};
    const ech_line line = {.label = "a, b", .x = x, .y = y, .count = 2};
    ech_csv_lines(&csv, "round", "accuracy", &line, 1);
    cr_expect_str_eq(csv.bytes, "series,round,accuracy\n\"a, b\",0,0.25\n\"a, b\",1,\n");
}
