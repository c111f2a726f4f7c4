#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/report/report.h"
#include "apps/report/scaling.h"
#include "tests/report/records.h"
#include "tests/support.h"

enum { RUNS_MAX = 12 };

static ech_io *io;
static char folder[ECH_TEST_PATH_BYTES];
static char paths[RUNS_MAX][ECH_TEST_PATH_BYTES];
static const char *given[RUNS_MAX];
static size_t path_count;
static ech_runs runs;
static ech_scaling study;

static void start(void)
{
    ech_test_make_directory(folder);
    cr_assert_eq(ech_io_create(NULL, &io), ECH_OK);
}

static void stop(void)
{
    ech_scaling_free(&study);
    ech_runs_close(&runs);
    ech_io_destroy(&io);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(report_scaling, .init = start, .fini = stop);

static const char *workers_on = "any";

/* A run whose rounds take `seconds`. */
static void add_run(const char *model, uint32_t ranks, uint32_t workers, double seconds, int seed)
{
    char config[256];
    char name[32];
    snprintf(config, sizeof config,
             "seed: %d\nmodel: {name: %s}\ntopology: {workers: %u}\ntrain: {epochs: 0}\n"
             "workers_on: %s\n",
             seed, model, workers, workers_on);
    snprintf(name, sizeof name, "run%zu", path_count);
    const made_run run = {config, ranks, 1, 2, 1, 0, (seconds - 0.1) * ranks, false};
    make_record(io, folder, name, &run, paths[path_count]);
    given[path_count] = paths[path_count];
    path_count++;
}

static void study_runs(void)
{
    cr_assert_eq(ech_runs_open(io, given, path_count, &runs), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(ech_scaling_create(&runs, &study), ECH_OK);
}

Test(report_scaling, runs_that_differ_in_ranks_are_strong_scaling)
{
    add_run("m", 2, 64, 4.0, 1);
    add_run("m", 8, 64, 2.0, 1);
    add_run("m", 4, 64, 2.5, 1);
    study_runs();
    cr_assert_eq(study.kind, ECH_SCALING_STRONG);
    cr_assert_eq(study.count, 1);
    const ech_scaling_curve *curve = &study.curves[0];
    cr_assert_eq(curve->count, 3);
    cr_expect_eq(curve->points[1].x, 4.0);
    cr_expect_float_eq(curve->points[1].seconds, 2.5, 1e-9);
    cr_expect_float_eq(ech_scaling_ideal(study.kind, curve, 2), 1.0, 1e-9);
    cr_expect_float_eq(ech_scaling_efficiency(study.kind, curve, 2), 0.5, 1e-9);
    cr_expect_float_eq(ech_scaling_speedup(study.kind, curve, 2), 2.0, 1e-9);
    cr_expect_float_eq(ech_scaling_speedup(study.kind, curve, 0), 1.0, 1e-9);
}

Test(report_scaling, as_many_workers_a_rank_are_weak_scaling)
{
    add_run("m", 1, 16, 1.0, 1);
    add_run("m", 4, 64, 1.25, 1);
    study_runs();
    cr_assert_eq(study.kind, ECH_SCALING_WEAK);
    cr_expect_eq(study.curves[0].points[1].x, 64.0);
    cr_expect_float_eq(ech_scaling_ideal(study.kind, &study.curves[0], 1), 1.0, 1e-9);
    cr_expect_float_eq(ech_scaling_efficiency(study.kind, &study.curves[0], 1), 0.8, 1e-9);
    cr_expect_float_eq(ech_scaling_speedup(study.kind, &study.curves[0], 1), 3.2, 1e-9);
}

Test(report_scaling, more_workers_on_the_same_ranks_cost_in_proportion)
{
    add_run("m", 2, 10, 1.0, 1);
    add_run("m", 2, 40, 8.0, 1);
    study_runs();
    cr_assert_eq(study.kind, ECH_SCALING_POOLED);
    cr_expect_float_eq(ech_scaling_ideal(study.kind, &study.curves[0], 1), 4.0, 1e-9);
    cr_expect_float_eq(ech_scaling_efficiency(study.kind, &study.curves[0], 1), 0.5, 1e-9);
}

Test(report_scaling, repeats_are_one_point_with_a_spread)
{
    add_run("m", 1, 8, 3.0, 1);
    add_run("m", 1, 8, 1.0, 2);
    add_run("m", 1, 8, 1.5, 3);
    add_run("m", 2, 8, 0.5, 1);
    add_run("m", 2, 8, 0.7, 2);
    study_runs();
    cr_assert_eq(study.count, 1);
    const ech_scaling_point *points = study.curves[0].points;
    cr_expect_eq(points[0].repeats, 3);
    cr_expect_float_eq(points[0].seconds, 1.5, 1e-9);
    cr_expect_float_eq(points[0].least, 1.0, 1e-9);
    cr_expect_float_eq(points[0].most, 3.0, 1e-9);
    cr_expect_float_eq(points[1].seconds, 0.6, 1e-9);
    cr_expect_float_eq(points[1].phases[ECH_PHASE_START], 0.5, 1e-9);
}

Test(report_scaling, models_are_curves_of_their_own)
{
    add_run("resnet18", 2, 2, 1.0, 1);
    add_run("tinynet", 2, 2, 0.2, 1);
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("tinynet", 2, 8, 0.3, 1);
    study_runs();
    cr_assert_eq(study.count, 2);
    cr_expect_str_eq(study.curves[0].label, "resnet18");
    cr_expect_str_eq(study.curves[1].label, "tinynet");
    cr_expect_eq(study.curves[1].count, 2);
}

Test(report_scaling, runs_of_one_size_are_no_study)
{
    add_run("m", 2, 8, 1.0, 1);
    add_run("m", 2, 8, 1.1, 2);
    study_runs();
    cr_expect_eq(study.kind, ECH_SCALING_NONE);
    cr_expect_eq(study.count, 0);
}

/* Write the report. @return the text of one of its files. */
static const char *draw(const char *name)
{
    static char text[1 << 18];
    char output[2 * ECH_TEST_PATH_BYTES];
    char path[3 * ECH_TEST_PATH_BYTES];
    snprintf(output, sizeof output, "%s/out", folder);
    const ech_report_request request = {given, path_count, output, true};
    cr_assert_eq(ech_report_write(io, &request), ECH_OK, "%s", ech_status_message());
    snprintf(path, sizeof path, "%s/%s", output, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* Each size is another experiment: a point of its own is no curve. */
Test(report_scaling, sizes_that_differ_in_more_than_size_are_no_study)
{
    add_run("m", 2, 64, 4.0, 1);
    add_run("n", 8, 64, 2.0, 1);
    study_runs();
    cr_expect_eq(study.kind, ECH_SCALING_NONE);
    cr_expect_eq(study.count, 0);
}

Test(report_scaling, the_report_draws_it_with_what_others_published)
{
    add_run("resnet18", 2, 2, 1.0, 1);
    add_run("resnet18", 2, 8, 2.0, 1);
    const char *text = draw("scaling-time.csv");
    cr_expect_not_null(strstr(text, "Echelon,8,2,2,2\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\"ideal, from the smallest size\",8,4,,\n"));
    cr_expect_not_null(
        strstr(text, "\"Flower, resnet18 (published, other machines)\",512,196.4,,"));
}

Test(report_scaling, a_rank_a_worker_and_many_a_rank_are_studies_apart)
{
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 32, 8.0, 1);
    workers_on = "rank"; /* a rank a worker only where there are as many */
    add_run("resnet18", 2, 2, 1.0, 1);
    add_run("resnet18", 8, 8, 3.0, 1);
    add_run("resnet18", 2, 64, 16.0, 1);
    const char *text = draw("scaling-time-processes.csv");
    cr_expect_not_null(strstr(text, "\nEchelon,2,1,1,1\nEchelon,8,3,3,3\n"), "%s", text);
    cr_expect_null(strstr(text, "Echelon,32,"), "%s", text);
    cr_expect_not_null(strstr(text, "\"Flower, resnet18 (published, other machines)\",512,"));
    text = draw("scaling-time-pooled.csv");
    cr_expect_not_null(strstr(text, ",32,8,8,8\n"), "%s", text);
    cr_expect_not_null(strstr(text, ",64,16,16,16\n"), "%s", text);
    text = draw("report.html");
    cr_expect_not_null(strstr(text, "Weak scaling: a rank a worker (processes)"));
    cr_expect_not_null(strstr(text, "Scaling over workers: many workers a rank (pooled)"));
}

/* ---- predictions ---- */

static void predict(size_t run, double seconds, double rank_bytes, bool calibrated)
{
    char directory[ECH_TEST_PATH_BYTES + 16];
    char path[ECH_TEST_PATH_BYTES];
    char plan[512];
    snprintf(directory, sizeof directory, "%s/run%zu", folder, run);
    snprintf(plan, sizeof plan,
             "{\"memory\": {\"rank_bytes\": %.0f, \"host_bytes\": 1, \"calibrated\": %s}, "
             "\"seconds\": {\"round\": %.17g}, "
             "\"bandwidth\": {\"bytes_per_second\": 8e9, \"worker_seconds\": 0.125}}",
             rank_bytes, calibrated ? "true" : "false", seconds);
    ech_test_write_text(directory, "plan.json", plan, path);
}

Test(report_scaling, predictions_stand_beside_what_was_measured)
{
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 32, 8.0, 1);
    add_run("resnet18", 2, 64, 16.0, 1); /* which nobody planned */
    predict(0, 2.5, 123456789 * 0.9, true);
    predict(1, 7.2, 5e8, false);
    study_runs();
    const ech_scaling_point *points = study.curves[0].points;
    cr_expect_eq(points[0].predicted.round_seconds, 2.5);
    cr_expect_eq(points[0].rank_bytes, 123456789);
    cr_expect(isnan(points[1].predicted.rank_bytes), "MPI's own memory is not in it");
    cr_expect(isnan(points[2].predicted.round_seconds));
    const char *text = draw("scaling-predicted-time.csv");
    cr_expect_not_null(strstr(text, "\"Echelon, predicted\",8,2.5\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\"Echelon, predicted\",32,7.2\n"), "%s", text);
    text = draw("report.html");
    cr_expect_not_null(strstr(text, "time of a round 25.0 %, memory of the largest rank 10.0 %"));
    cr_expect_not_null(strstr(text, "+25.0 %"));
    cr_expect_not_null(strstr(text, "-10.0 %"), "of 8 s, 7.2");
}

/* The machine was twice as fast for one repeat, and its plan knew; it slowed down after another's.
 */
Test(report_scaling, a_repeat_is_measured_by_its_own_plan)
{
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 8, 4.0, 1);
    add_run("resnet18", 2, 8, 4.0, 1);
    add_run("resnet18", 2, 8, 3.0, 1); /* which nobody planned */
    add_run("resnet18", 2, 32, 8.0, 1);
    predict(0, 2.2, 5e8, true);
    predict(1, 4.2, 5e8, true);
    predict(2, 2.0, 5e8, true);
    study_runs();
    const ech_scaling_point *points = study.curves[0].points;
    cr_expect_eq(points[0].repeats, 4);
    cr_expect_float_eq(points[0].seconds_error, 0.05, 1e-12, "of -50, 5 and 10 %%: %g",
                       points[0].seconds_error);
    cr_expect(isnan(points[1].seconds_error));
}

Test(report_scaling, of_two_repeats_the_error_is_their_mean)
{
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 8, 4.0, 1);
    add_run("resnet18", 2, 32, 8.0, 1);
    predict(0, 2.2, 5e8, true);
    predict(1, 3.8, 5e8, true);
    study_runs();
    cr_expect_float_eq(study.curves[0].points[0].seconds_error, 0.025, 1e-12);
}

Test(report_scaling, the_slope_stands_beside_what_memory_allows)
{
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 32, 8.0, 1);
    predict(1, 7.2, 5e8, true);
    const char *text = draw("report.html");
    cr_expect_not_null(strstr(text, "<td>250 ms</td><td>125 ms</td><td>2.00</td><td>8.00 GB</td>"),
                       "%.3000s", strstr(text, "Seconds that a worker adds"));
}

Test(report_scaling, a_plan_that_cannot_be_read_is_named)
{
    char path[ECH_TEST_PATH_BYTES];
    char directory[ECH_TEST_PATH_BYTES + 16];
    add_run("resnet18", 2, 8, 2.0, 1);
    add_run("resnet18", 2, 32, 8.0, 1);
    snprintf(directory, sizeof directory, "%s/run1", folder);
    ech_test_write_text(directory, "plan.json", "{\"seconds\": {\"round\": soon}}", path);
    cr_assert_eq(ech_runs_open(io, given, path_count, &runs), ECH_OK);
    cr_expect_eq(ech_scaling_create(&runs, &study), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "run1/plan.json:1"), "%s",
                       ech_status_message());
}
