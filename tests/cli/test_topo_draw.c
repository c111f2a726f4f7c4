#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/child.h"
#include "tests/limits.h"
#include "tests/support.h"

static const char *const program = ECH_BUILD_DIR "/bin/echelon";
static char directory[ECH_TEST_PATH_BYTES];
static char picture[2 * ECH_TEST_PATH_BYTES];

static void make(void)
{
    ech_test_make_directory(directory);
}

static void clear(void)
{
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(topo_draw, .init = make, .fini = clear);

/* Run `echelon topo draw --out directory/NAME ...`; the caller frees the result. */
static ech_child_result draw(const char *name, const char *const *more, size_t count,
                             const char *const *environment)
{
    const char *arguments[16] = {program, "topo", "draw", "--out", picture};
    snprintf(picture, sizeof picture, "%s/%s", directory, name);
    for (size_t i = 0; i < count; i++) {
        arguments[5 + i] = more[i];
    }
    const ech_child_options options = {.arguments = arguments,
                                       .environment = environment,
                                       .timeout_ns = ech_test_limit_ns(60),
                                       .output_bytes_max = 1 << 16};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    return result;
}

/* What is written of this name; the caller frees it. */
static char *drawn(const char *name, const char *const *more, size_t count)
{
    ech_child_result result = draw(name, more, count, NULL);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
    FILE *file = fopen(picture, "rb");
    cr_assert_not_null(file);
    char *text = calloc(1, 1 << 20);
    cr_assert_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

static char *graph(const char *const *more, size_t count)
{
    return drawn("tree.dot", more, count);
}

static size_t occurrences(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        count++;
    }
    return count;
}

Test(topo_draw, a_small_tree_has_all_its_nodes_by_name_and_kind)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "tree.yaml",
                        "\"the \\\"boss\\\"\": {kind: leader, children: [A, w]}\n"
                        "A: {kind: aggregator, children: [v, u]}\n"
                        "u: {kind: worker}\nv: {kind: worker}\nw: {kind: worker}\n",
                        path);
    const char *arguments[] = {path};
    char *text = graph(arguments, 1);
    cr_expect_eq(occurrences(text, " -> "), 4);
    cr_expect_eq(occurrences(text, "#d9f0e8"), 3);
    cr_expect_not_null(strstr(text, "label=\"the \\\"boss\\\"\""));
    cr_expect_null(strstr(text, "subgraph"));
    free(text);
}

Test(topo_draw, hosts_are_boxes_that_hold_their_nodes)
{
    static const char *const arguments[] = {"--workers", "8", "--height", "2", "--hosts", "2"};
    char *text = graph(arguments, 6);
    const char *second = strstr(text, "label=\"host 1\"");
    cr_assert_not_null(second);
    cr_expect_lt((size_t)(strstr(text, "worker-0") - text), (size_t)(second - text));
    cr_expect_gt((size_t)(strstr(text, "worker-7") - text), (size_t)(second - text));
    free(text);
}

Test(topo_draw, a_larger_tree_is_drawn_in_rings)
{
    static const char *const arguments[] = {"--workers", "256", "--height", "8", "--hosts", "4"};
    char *text = graph(arguments, 6);
    cr_expect_not_null(strstr(text, "layout=twopi root=n0"));
    cr_expect_eq(occurrences(text, " -> "), 510);
    cr_expect_not_null(strstr(text, "host 3</font>"));
    free(text);
}

Test(topo_draw, a_huge_tree_is_summed_up)
{
    static const char *const arguments[] = {"--workers", "1000000", "--height", "4"};
    char *text = graph(arguments, 4);
    cr_expect_lt(occurrences(text, " -> "), 3000);
    cr_expect_not_null(strstr(text, "label=\"+ "));
    free(text);
}

Test(topo_draw, a_deep_tree_ends_with_the_number_of_its_workers)
{
    char *yaml = calloc(1, 1 << 20);
    char path[ECH_TEST_PATH_BYTES];
    size_t used = (size_t)sprintf(yaml, "L: {kind: leader, children: [a0]}\n");
    for (int i = 0; i < 1999; i++) {
        used +=
            (size_t)sprintf(yaml + used, "a%d: {kind: aggregator, children: [a%d]}\n", i, i + 1);
    }
    sprintf(yaml + used, "a1999: {kind: worker}\n");
    ech_test_write_text(directory, "deep.yaml", yaml, path);
    free(yaml);
    const char *arguments[] = {path};
    char *text = graph(arguments, 1);
    cr_expect_not_null(strstr(text, "label=\"1 worker\""));
    free(text);
}

Test(topo_draw, graphviz_draws_it_or_its_absence_is_told)
{
    static const char *const arguments[] = {"--workers", "8"};
    static const char *const nowhere[] = {"PATH=/nowhere", NULL};
    ech_child_result result = draw("tree.svg", arguments, 2, nowhere);
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.errors, "graphviz is needed"), "%s", result.errors);
    ech_child_result_free(&result);
    cr_expect_eq(ech_test_count_entries(directory), 0);

    const bool installed = access("/usr/bin/dot", X_OK) == 0;
    result = draw("tree.svg", arguments, 2, NULL);
    cr_expect_eq(result.exit_code, installed ? 0 : 1, "%s", result.errors);
    ech_child_result_free(&result);
    cr_expect_eq(ech_test_count_entries(directory), installed ? 1 : 0);
}

/* Where the text of a node stands in an SVG: y, which grows downwards. */
static double height_of(const char *svg, const char *name)
{
    const char *at = strstr(svg, name);
    cr_assert_not_null(at, "no %s in the picture", name);
    while (strncmp(at, " y=\"", 4) != 0) {
        cr_assert_gt(at, svg);
        at--;
    }
    return strtod(at + 4, NULL);
}

/* aggregator-2.2 is on the leader's host, its parent on the other. */
Test(topo_draw, a_tier_stands_in_one_line_whatever_its_hosts)
{
    static const char *const arguments[] = {"--workers", "16", "--height", "3", "--hosts", "2"};
    if (access("/usr/bin/dot", X_OK) != 0) {
        return;
    }
    char *svg = drawn("tree.svg", arguments, 6);
    const double child = height_of(svg, ">aggregator&#45;2.2<");
    cr_expect_eq(child, height_of(svg, ">aggregator&#45;2.3<"));
    cr_expect_gt(child, height_of(svg, ">aggregator&#45;1.1<"));
    free(svg);
}

Test(topo_draw, other_endings_are_refused)
{
    static const char *const arguments[] = {"--workers", "8"};
    ech_child_result result = draw("tree.gif", arguments, 2, NULL);
    cr_expect_eq(result.exit_code, 2);
    cr_expect_not_null(strstr(result.errors, ".svg, .png or .dot"));
    ech_child_result_free(&result);
}
