#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/report/chart_line.h"
#include "apps/report/page.h"
#include "apps/report/published.h"
#include "tests/report/xml.h"
#include "tests/support.h"

static char directory[ECH_TEST_PATH_BYTES];
static ech_page *page;

static void make(void)
{
    ech_test_make_directory(directory);
}

static void clear(void)
{
    ech_page_destroy(&page);
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(report_page, .init = make, .fini = clear);

static char *read_file(const char *name)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    char *text = calloc(1, 1 << 20);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    return text;
}

static void put_picture(const char *name)
{
    static const double x[] = {0.0, 1.0};
    static const double y[] = {0.1, 0.9};
    const ech_line line = {.label = "run", .x = x, .y = y, .count = 2};
    const ech_chart chart = {.title = "Accuracy"};
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_line(&svg, &chart, &line, 1);
    ech_csv_lines(&csv, "round", "accuracy", &line, 1);
    cr_assert_eq(ech_page_picture(page, name, &svg, &csv), ECH_OK);
    cr_expect_null(svg.bytes);
    cr_expect_null(csv.bytes);
}

static void make_page(void)
{
    static const char *const heads[] = {"run", "rounds & <time>"};
    cr_assert_eq(ech_page_create(directory, "Report of <a> & b", &page), ECH_OK);
    ech_page_section(page, "Runs");
    ech_page_table_open(page, "Results", false, heads, 2);
    ech_page_row_open(page, "first \"run\"");
    ech_page_cell(page, "10 < 20");
    ech_page_row_close(page);
    ech_page_table_close(page);
    ech_page_table_open(page, "Settings", true, heads, 2);
    ech_page_table_close(page);
    ech_page_section(page, "Accuracy & loss");
    put_picture("accuracy");
    put_picture("loss");
    ech_page_paragraph(page, "That is <all>.");
    cr_assert_eq(ech_page_finish(page), ECH_OK);
}

Test(report_page, it_is_well_formed_and_holds_all)
{
    make_page();
    xml_document *html = xml_parse_file(ech_page_path(page));
    cr_expect_str_eq(html->elements[0].name, "html");
    cr_expect_not_null(xml_find_text(html, "h1", "Report of <a> & b"));
    cr_expect_not_null(xml_find_text(html, "h2", "Accuracy & loss"));
    cr_expect_not_null(xml_find_text(html, "td", "10 < 20"));
    cr_expect_not_null(xml_find_text(html, "th", "first \"run\""));
    cr_expect_not_null(xml_find_text(html, "summary", "Settings"));
    cr_expect_not_null(xml_find_text(html, "p", "That is <all>."));
    cr_expect_eq(xml_count(html, "section"), 2);
    cr_expect_eq(xml_count(html, "figure"), 2);
    cr_expect_eq(xml_count(html, "svg"), 2);
    xml_free(&html);
}

Test(report_page, it_needs_no_scripts_and_no_network)
{
    make_page();
    xml_document *html = xml_parse_file(ech_page_path(page));
    static const char *const loaders[] = {"script", "link", "img", "iframe", "object", "image"};
    for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++) {
        cr_expect_eq(xml_count(html, loaders[i]), 0, "<%s>", loaders[i]);
    }
    for (size_t i = 0; i < html->count; i++) {
        for (size_t j = 0; j < html->elements[i].attribute_count; j++) {
            const char *name = html->elements[i].names[j];
            cr_expect(strcmp(name, "xmlns") == 0 ||
                          strstr(html->elements[i].values[j], "://") == NULL,
                      "%s=%s", name, html->elements[i].values[j]);
        }
        cr_expect_null(strstr(html->elements[i].text, "url("));
        cr_expect_null(strstr(html->elements[i].text, "@import"));
    }
    xml_free(&html);
}

Test(report_page, its_links_lead_to_sections_and_files)
{
    make_page();
    xml_document *html = xml_parse_file(ech_page_path(page));
    cr_expect_eq(xml_count(html, "a"), 6);
    for (size_t i = 0; i < xml_count(html, "a"); i++) {
        const char *target = xml_attribute(xml_find(html, "a", i), "href");
        bool found = false;
        for (size_t j = 0; *target == '#' && j < html->count; j++) {
            const char *id = xml_attribute(&html->elements[j], "id");
            found = found || (id != NULL && strcmp(id, target + 1) == 0);
        }
        char path[2 * ECH_TEST_PATH_BYTES];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", directory, target);
        cr_expect(found || (*target != '#' && stat(path, &status) == 0), "%s", target);
    }
    xml_free(&html);
}

Test(report_page, pictures_stand_alone_too)
{
    make_page();
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/accuracy.svg", directory);
    xml_document *picture = xml_parse_file(path);
    cr_expect_str_eq(picture->elements[0].name, "svg");
    cr_expect_str_eq(xml_attribute(&picture->elements[0], "xmlns"), "http://www.w3.org/2000/svg");
    cr_expect_not_null(strstr(xml_find(picture, "style", 0)->text, "prefers-color-scheme:dark"));
    xml_free(&picture);
    char *csv = read_file("accuracy.csv");
    cr_expect_str_eq(csv, "series,round,accuracy\nrun,0,0.1\nrun,1,0.9\n");
    free(csv);
}

Test(report_page, the_directory_is_made_with_its_parents)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/a/b/c", directory);
    cr_assert_eq(ech_page_create(path, "Deep", &page), ECH_OK);
    cr_expect_eq(ech_page_finish(page), ECH_OK);
    struct stat status;
    cr_expect_eq(stat(ech_page_path(page), &status), 0);
}

Test(report_page, a_file_in_the_way_is_named)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "taken", "", path);
    cr_expect_eq(ech_page_create(path, "Taken", &page), ECH_ERR_FILE);
    cr_expect_not_null(strstr(ech_status_message(), path));
    cr_expect_null(page);
}

static const ech_line *line_of(const ech_series *series, const char *label)
{
    for (size_t i = 0; i < series->count; i++) {
        if (strcmp(series->lines[i].label, label) == 0) {
            return &series->lines[i];
        }
    }
    cr_assert_fail("no line is called %s", label);
    return NULL;
}

Test(report_page, published_curves_are_marked_and_begin_with_the_initial_model)
{
    ech_series series = {0};
    ech_published_hierarchy(&series, "fedprox");
    cr_assert_eq(series.status, ECH_OK);
    cr_assert_eq(series.count, 4);
    const ech_line *line = line_of(&series, "Flight, height 8 (published, other machines)");
    cr_expect_eq(line->count, 100);
    cr_expect_eq(line->x[0], 0.0);
    cr_expect_eq(line->x[99], 99.0);
    double late = 0.0;
    for (size_t i = 80; i < 100; i++) {
        late += line->y[i] / 20.0;
    }
    cr_expect_float_eq(late, 0.761, 6e-4);
    ech_series_clear(&series);
    ech_published_hierarchy(&series, "krum");
    cr_expect_eq(series.count, 0);
    ech_series_clear(&series);
}

Test(report_page, published_tables_are_read_by_model_mode_and_round)
{
    ech_series series = {0};
    ech_published_scaling(&series, "resnet18");
    const ech_line *flower = line_of(&series, "Flower, resnet18 (published, other machines)");
    for (size_t i = 0; i < flower->count; i++) {
        if (flower->x[i] == 512.0) {
            cr_expect_float_eq(flower->y[i], 196.4, 1e-9);
        }
    }
    ech_published_idle(&series, "async");
    const ech_line *idle = line_of(&series, "Flight, async (published, other machines)");
    cr_expect_eq(idle->count, 12);
    cr_expect_float_eq(idle->y[0], 0.000362982, 1e-12);
    cr_expect(idle->marks_only);
    ech_published_remote(&series);
    const ech_line *remote = line_of(&series, "Flight, remote sites (published, other machines)");
    cr_expect_eq(remote->x[0], 0.0);
    cr_expect_float_eq(remote->y[9], 0.86, 1e-12);
    ech_series_clear(&series);
}
