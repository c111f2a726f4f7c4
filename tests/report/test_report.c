#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/report/report.h"
#include "tests/report/records.h"
#include "tests/report/xml.h"
#include "tests/support.h"

enum { RUNS_MAX = 24 };

static const char tree_config[] = "name: tree\nseed: 1\nprocess: sync\nclock: virtual\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: star, workers: 4}\n"
                                  "strategy: {name: fedavg, participation: 1.0}\n"
                                  "data: {normalize: {mean: [0.5, 0.5], std: [0.5]}}\n";

static ech_io *io;
static char folder[ECH_TEST_PATH_BYTES];
static char output[2 * ECH_TEST_PATH_BYTES];
static char paths[RUNS_MAX][ECH_TEST_PATH_BYTES];
static size_t path_count;

static void start(void)
{
    ech_test_make_directory(folder);
    snprintf(output, sizeof output, "%s/out", folder);
    cr_assert_eq(ech_io_create(NULL, &io), ECH_OK);
    path_count = 0;
}

static void stop(void)
{
    ech_io_destroy(&io);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(report, .init = start, .fini = stop);

static void add_run(const made_run *run)
{
    char name[32];
    snprintf(name, sizeof name, "run%zu", path_count);
    make_record(io, folder, name, run, paths[path_count++]);
}

static ech_status write_report(bool published)
{
    const char *given[RUNS_MAX];
    for (size_t i = 0; i < path_count; i++) {
        given[i] = paths[i];
    }
    return ech_report_write(io, &(ech_report_request){given, path_count, output, published});
}

static xml_document *page(void)
{
    char path[3 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/report.html", output);
    return xml_parse_file(path);
}

/* A table beside the page; the caller frees it. */
static char *table(const char *name)
{
    char path[3 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.csv", output, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    char *text = calloc(1, 1 << 22);
    const size_t bytes = fread(text, 1, (1 << 22) - 1, file);
    cr_assert_lt(bytes, (1 << 22) - 1);
    fclose(file);
    return text;
}

static bool has_picture(const xml_document *html, const char *name)
{
    for (size_t i = 0; i < xml_count(html, "figure"); i++) {
        if (strcmp(xml_attribute(xml_find(html, "figure", i), "id"), name) == 0) {
            return true;
        }
    }
    return false;
}

static void expect_line(const char *name, const char *line)
{
    char *text = table(name);
    cr_expect_not_null(strstr(text, line), "%s.csv lacks \"%s\":\n%.2000s", name, line, text);
    free(text);
}

Test(report, a_run_gives_all_its_pictures)
{
    add_run(&(made_run){tree_config, 4, 4, 5, 2, 400, 2.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    xml_document *html = page();
    static const char *const pictures[] = {
        "accuracy", "loss",        "accuracy-time", "phases",     "round-time",
        "phases-1", "bytes",       "schedule-1",    "training-1", "idle",
        "tasks-1",  "utilisation", "queue",         "wait-times", "run-times"};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        cr_expect(has_picture(html, pictures[i]), "%s", pictures[i]);
    }
    cr_expect_eq(xml_count(html, "figure"), sizeof pictures / sizeof *pictures);
    cr_expect_not_null(xml_find_text(html, "h1", "Echelon: tree"));
    cr_expect_not_null(xml_find_text(html, "td", "123 MB"));
    cr_expect_not_null(xml_find_text(html, "td", "a <fast> one & more"));
    cr_expect_not_null(xml_find_text(html, "td", "[0.5, 0.5]"));
    cr_expect_null(xml_find_text(html, "caption", "Settings in which the runs differ"));
    xml_free(&html);
}

Test(report, tables_hold_what_the_record_does)
{
    add_run(&(made_run){tree_config, 4, 4, 5, 2, 400, 2.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    expect_line("accuracy", "tree,0,0.1\ntree,1,0.55\n");
    expect_line("loss", "tree,5,0.333333333\n");
    expect_line("accuracy-time", "tree,0.6,0.1\ntree,1.2,0.55\n");
    expect_line("phases", "run,start,send,train,aggregate,evaluate,wait\ntree,0.5,0,2.5,0,0.6,0\n");
    expect_line("phases-1", "round,send,train,aggregate,evaluate,wait\n0,0,0,0,0.1,0\n1,0,0.5,");
    expect_line("round-time", "tree,5,0.6\n");
    expect_line("bytes", "tier,down,up\n\"tier 1, logical\",2500,5000\n\"tier 1, wire\",1250,2500\n"
                         "\"tier 2, logical\",5000,10000\n");
    expect_line("schedule-1", "2,0.500000000,0.700000000,1.000,round 1\n");
    expect_line("tasks-1", "1,0.000000000,0.001000000,1.000,train\n");
    expect_line("run-times", "tree (median 1.0");
    expect_line("wait-times", "series,from_s,to_s,count\n");
}

/* For durations proportional to w + 1 a worker idles 1 - (w + 1) / workers of each round. */
Test(report, idle_shares_equal_their_closed_form)
{
    add_run(&(made_run){tree_config, 1, 4, 5, 1, 0, 2.0, false});
    add_run(&(made_run){"name: free\nprocess: async\nclock: virtual\n", 1, 4, 5, 1, 0, 2.0, true});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    char *text = table("idle");
    double found[8];
    size_t count = 0;
    for (const char *at = strchr(text, '\n') + 1; *at != '\0' && count < 8;
         at = strchr(at, '\n') + 1) {
        cr_assert_eq(sscanf(at, "%*[^,],%*f,%lf", &found[count++]), 1);
    }
    cr_assert_eq(count, 8);
    for (size_t w = 0; w < 4; w++) {
        cr_expect_float_eq(found[w], 1.0 - (double)(w + 1) / 4.0, 1e-6);
        cr_expect_float_eq(found[4 + w], 0.0, 1e-6);
    }
    free(text);
}

/* There are more apps than colours; most have no task in a run. */
Test(report, colours_of_tasks_go_to_apps_that_ran)
{
    add_run(&(made_run){tree_config, 2, 4, 3, 1, 40, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect_not_null(xml_find_text(html, "text", "evaluation"));
    cr_expect_null(xml_find_text(html, "text", "never"));
    xml_free(&html);
}

Test(report, idle_time_is_not_claimed_where_workers_share_ranks)
{
    add_run(&(made_run){"process: sync\nclock: real\n", 2, 4, 3, 1, 0, 2.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect_not(has_picture(html, "idle"));
    xml_free(&html);
}

Test(report, staleness_is_drawn_for_async_runs)
{
    add_run(&(made_run){tree_config, 4, 3, 5, 1, 0, 2.0, true});
    cr_assert_eq(write_report(true), ECH_OK);
    expect_line("staleness", "tree,0,0.333333333\ntree,1,0.333333333\ntree,2,0.333333333\n");
}

/* What only some runs have follows from their process: it tells nothing more, and is left out; but
 * it is all that there is between the last two. */
Test(report, labels_leave_out_what_follows_from_the_rest)
{
    add_run(&(made_run){"name: x\nprocess: sync\nstrategy: {name: fedavg}\n", 2, 4, 3, 1, 0, 1.0,
                        false});
    add_run(&(made_run){"name: x\nprocess: async\nstrategy: {name: fedasync, alpha: 0.5}\n", 2, 4,
                        3, 1, 0, 1.0, false});
    add_run(&(made_run){
        "name: x\nprocess: async\nstrategy: {name: fedasync, alpha: 0.25}\nasync: {tiers: 64}\n", 2,
        4, 3, 1, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect_not_null(xml_find_text(html, "th", "sync, fedavg"));
    cr_expect_not_null(xml_find_text(html, "th", "async, fedasync, alpha 0.5"));
    cr_expect_not_null(xml_find_text(html, "th", "async, fedasync, alpha 0.25"));
    xml_free(&html);
}

Test(report, runs_are_told_apart_by_what_differs)
{
    add_run(&(made_run){"name: x\ndata: {file: /a/b}\nstrategy: {name: fedavg}\ntopology: {height: "
                        "2, workers: 4}\ncheckpoint: {every: 7}\n",
                        2, 4, 3, 2, 0, 1.0, false});
    add_run(&(made_run){
        "name: x\ndata: {file: /c}\nstrategy: {name: fedprox}\ntopology: {height: 4, workers: 4}\n"
        "checkpoint: {every: 1}\n",
        2, 4, 3, 4, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect_not_null(xml_find_text(html, "h1", "Echelon: 2 runs"));
    cr_expect_not_null(xml_find_text(html, "th", "fedavg, height 2"));
    cr_expect_not_null(xml_find_text(html, "caption", "Settings in which the runs differ"));
    cr_expect_not_null(xml_find_text(html, "td", "fedprox"));
    xml_free(&html);
    expect_line("bytes",
                "run,tier 1,tier 2,tier 3,tier 4\n\"fedavg, height 2, logical\",4500,9000,0");
    expect_line("bytes", "\"fedprox, height 4, wire\",2250,4500,6750,9000\n");
}

Test(report, runs_of_one_configuration_are_told_apart_by_folder)
{
    add_run(&(made_run){tree_config, 2, 4, 3, 2, 0, 1.0, false});
    add_run(&(made_run){tree_config, 2, 4, 3, 2, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    expect_line("accuracy", "tree (run0),0,0.1\n");
    expect_line("accuracy", "tree (run1),0,0.1\n");
}

Test(report, one_record_twice_is_numbered)
{
    add_run(&(made_run){tree_config, 2, 4, 3, 2, 0, 1.0, false});
    memcpy(paths[path_count++], paths[0], ECH_TEST_PATH_BYTES);
    cr_assert_eq(write_report(true), ECH_OK);
    expect_line("accuracy", "tree #2,0,0.1\n");
}

Test(report, a_record_without_rows_gives_a_page)
{
    add_run(&(made_run){"", 1, 0, 0, 0, 0, 0.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    xml_document *html = page();
    cr_expect_eq(xml_count(html, "figure"), 0);
    cr_expect_not_null(xml_find_text(html, "caption", "Results"));
    xml_free(&html);
}

Test(report, one_round_and_one_task_give_pictures)
{
    add_run(&(made_run){tree_config, 1, 1, 1, 1, 1, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    xml_document *html = page();
    cr_expect(has_picture(html, "tasks-1"));
    cr_expect(has_picture(html, "schedule-1"));
    xml_free(&html);
}

Test(report, hostile_names_stay_text)
{
    add_run(&(made_run){"name: \"<script>alert('&')</script>\\x01\"\n"
                        "strategy: {name: \"../../etc/passwd\"}\n",
                        2, 2, 2, 1, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    xml_document *html = page();
    cr_expect_eq(xml_count(html, "script"), 0);
    cr_expect_not_null(
        xml_find_text(html, "h1", "Echelon: <script>alert('&')</script>\xEF\xBF\xBD"));
    xml_free(&html);
}

Test(report, results_of_others_are_drawn_where_their_experiment_is_repeated)
{
    add_run(&(made_run){"model: {name: smallconv}\nstrategy: {name: fedavg}\n"
                        "topology: {workers: 256}\n",
                        2, 8, 3, 1, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    expect_line("accuracy", "\"Flight, height 4 (published, other machines)\",99,");
    cr_assert_eq(write_report(false), ECH_OK);
    char *text = table("accuracy");
    cr_expect_null(strstr(text, "published"));
    free(text);
}

Test(report, results_of_others_are_not_drawn_beside_other_experiments)
{
    add_run(&(made_run){"model: {name: resnet18}\nstrategy: {name: fedavg}\n"
                        "topology: {workers: 256}\n",
                        2, 8, 3, 1, 0, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK);
    char *text = table("accuracy");
    cr_expect_null(strstr(text, "published"));
    free(text);
}

Test(report, many_runs_of_several_strategies_get_a_picture_a_strategy)
{
    for (int i = 0; i < 10; i++) {
        char config[128];
        snprintf(config, sizeof config, "seed: %d\nstrategy: {name: %s}\n", i / 2,
                 i % 2 == 0 ? "fedavg" : "fedprox");
        add_run(&(made_run){config, 2, 4, 3, 1, 0, 1.0, false});
    }
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect(has_picture(html, "accuracy-fedavg"));
    cr_expect(has_picture(html, "accuracy-fedprox"));
    cr_expect_not(has_picture(html, "accuracy"));
    cr_expect(has_picture(html, "schedule-10"));
    xml_free(&html);
}

Test(report, of_very_many_runs_only_what_they_share_is_drawn)
{
    for (int i = 0; i < 18; i++) {
        char config[32];
        snprintf(config, sizeof config, "seed: %d\n", i);
        add_run(&(made_run){config, 2, 2, 2, 1, 10, 1.0, false});
    }
    cr_assert_eq(write_report(true), ECH_OK);
    xml_document *html = page();
    cr_expect(has_picture(html, "accuracy"));
    cr_expect_not(has_picture(html, "schedule-1"));
    cr_expect_not_null(xml_find_text(html, "p",
                                     "Schedules, tasks, phases and bytes of single runs are drawn "
                                     "for at most 16 runs."));
    xml_free(&html);
}

Test(report, a_quarter_of_a_million_tasks_make_a_small_page)
{
    add_run(&(made_run){tree_config, 8, 1, 1, 1, 250000, 1.0, false});
    cr_assert_eq(write_report(true), ECH_OK, "%s", ech_status_message());
    char path[3 * ECH_TEST_PATH_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s/report.html", output);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_lt(status.st_size, 500000, "%ld bytes", (long)status.st_size);
    xml_document *html = page();
    cr_expect_not_null(xml_find_text(html, "td", "225,000")); /* train */
    cr_expect_not_null(xml_find_text(html, "td", "2,500"));   /* failed */
    cr_expect_not_null(xml_find_text(html, "td", "1,250"));   /* retried */
    xml_free(&html);
    expect_line("utilisation", ",1\n");
}

Test(report, a_damaged_record_is_named_and_nothing_is_written)
{
    add_run(&(made_run){tree_config, 2, 4, 3, 2, 0, 1.0, false});
    FILE *file = fopen(paths[0], "r+b");
    cr_assert_not_null(file);
    fseek(file, 5000, SEEK_SET);
    const int byte = fgetc(file);
    fseek(file, 5000, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
    cr_expect_eq(write_report(true), ECH_ERR_FORMAT);
    cr_expect_not_null(strstr(ech_status_message(), paths[0]), "%s", ech_status_message());
    struct stat status;
    cr_expect_neq(stat(output, &status), 0);
}
