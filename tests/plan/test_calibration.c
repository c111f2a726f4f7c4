#define _POSIX_C_SOURCE 200809L
/* A calibration in its file, and the model of a round that is read from it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/plan/calibration.h"
#include "apps/plan/round_model.h"
#include "runtime/base/memory.h"
#include "tests/support.h"

enum { TEXT_BYTES = 1 << 16 };

static char folder[ECH_TEST_PATH_BYTES];
static ech_calibration *calibration;

static void start(void)
{
    ech_test_make_directory(folder);
    calibration = ech_calloc(1, sizeof *calibration);
    cr_assert_not_null(calibration);
}

static void stop(void)
{
    ech_free(calibration);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(plan_calibration, .init = start, .fini = stop);

/* A machine that follows the law: every part takes `part + 1` times as long as the first. */
static const double latency = 100e-6, task = 5e-6;

static double finish_of(double values)
{
    return values < 1e5 ? 1e-9 : 4e-9;
}

static double move_of(double values)
{
    return values < 1e5 ? 2e-9 : 6e-9;
}

static ech_round_cost cost_of(double values, double workers, double factor)
{
    ech_round_cost cost;
    const double more = values - 2.0;
    const double seconds =
        latency + more * finish_of(values) + workers * (task + more * move_of(values));
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        cost.seconds[part] = factor * (part + 1) * seconds;
    }
    return cost;
}

static ech_calibration_rounds lawful_rounds(void)
{
    static const uint64_t values[] = {1000000, 2, 10000};
    static const uint64_t workers[] = {64, 4};
    ech_calibration_rounds rounds = {.manner = {1, 4, "any", "trains", "shared"},
                                     .bytes_per_second = 1e10,
                                     .rank_bytes = 1 << 24,
                                     .host_bytes = 1 << 25};
    for (int v = 0; v < 3; v++) {
        for (int w = 0; w < 2; w++) {
            rounds.points[rounds.point_count++] = (ech_calibration_point){
                .values = values[v],
                .workers = workers[w],
                .start_seconds = 0.5 + 1e-7 * (double)values[v],
                .first = cost_of((double)values[v], (double)workers[w], 3.0),
                .later = cost_of((double)values[v], (double)workers[w], 1.0),
            };
        }
    }
    return rounds;
}

static void expect_near(double found, double expected)
{
    cr_expect(fabs(found - expected) <= 1e-9 * expected, "%.12g instead of %.12g", found, expected);
}

static void expect_law(const ech_round_model *model, double values, double workers, double factor)
{
    const ech_round_cost fixed = ech_round_model_fixed(model, values);
    const ech_round_cost worker = ech_round_model_worker(model, values);
    const ech_round_cost whole = cost_of(values, workers, factor);
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        expect_near(fixed.seconds[part] + workers * worker.seconds[part], whole.seconds[part]);
    }
}

Test(plan_calibration, a_round_that_follows_the_law_is_foretold)
{
    const ech_calibration_rounds rounds = lawful_rounds();
    ech_round_model model;
    ech_round_model_fit(&rounds, ECH_ROUND_LATER, 32, &model);
    expect_law(&model, 2, 1000, 1.0);
    expect_law(&model, 10000, 32, 1.0);
    expect_law(&model, 1e6, 2048, 1.0);
    expect_law(&model, 6e7, 7, 1.0); /* beyond the largest: the same costs a value */
    ech_round_model_fit(&rounds, ECH_ROUND_FIRST, 1000, &model);
    expect_law(&model, 1e6, 2048, 3.0);
    expect_near(model.start_latency + (1e6 - 2) * model.start_value, 0.6);
}

Test(plan_calibration, between_two_models_costs_lie_between_theirs)
{
    const ech_calibration_rounds rounds = lawful_rounds();
    ech_round_model model;
    ech_round_model_fit(&rounds, ECH_ROUND_LATER, 32, &model);
    const double values = 1e5; /* the middle of 1e4 and 1e6, by logarithm */
    const ech_round_cost worker = ech_round_model_worker(&model, values);
    expect_near(worker.seconds[0], task + (values - 2.0) * (2e-9 + 6e-9) / 2);
}

Test(plan_calibration, one_number_of_workers_says_what_each_of_them_takes)
{
    ech_calibration_rounds rounds = lawful_rounds();
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rounds.point_count; i++) {
        if (rounds.points[i].workers == 4) {
            rounds.points[kept++] = rounds.points[i];
        }
    }
    rounds.point_count = kept;
    ech_round_model model;
    ech_round_model_fit(&rounds, ECH_ROUND_LATER, 32, &model);
    expect_law(&model, 1e6, 4, 1.0);
    expect_near(ech_round_cost_total(&model.latency) + 1.0, 1.0);
}

Test(plan_calibration, the_numbers_of_workers_around_it_foretell_a_round)
{
    static const struct {
        uint64_t workers;
        double seconds;
    } bent[] = {{64, 1.0}, {4, 0.1}, {16, 0.2}};
    static const double expected[][2] = {{2, 0.1 - 0.1 / 6}, {4, 0.1},  {10, 0.15}, {16, 0.2},
                                         {40, 0.6},          {64, 1.0}, {112, 1.8}};
    ech_calibration_rounds rounds = {.point_count = 0};
    for (size_t i = 0; i < 3; i++) {
        ech_calibration_point *point = &rounds.points[rounds.point_count++];
        *point = (ech_calibration_point){.values = 2, .workers = bent[i].workers};
        point->later.seconds[0] = bent[i].seconds;
    }
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ech_round_model model;
        ech_round_model_fit(&rounds, ECH_ROUND_LATER, expected[i][0], &model);
        expect_near(ech_round_model_fixed(&model, 2).seconds[0] +
                        expected[i][0] * ech_round_model_worker(&model, 2).seconds[0],
                    expected[i][1]);
    }
}

/* ---- the file ---- */

static const ech_calibration_kernels kernels = {
    .manner = {"0123456789abcdef0123456789abcdef", "auto", 32, 1, 2},
    .train_rate = 12345.678901234567,
    .evaluate_rate = 30000.5,
    .library_bytes = 123456};

static void save(char path[ECH_TEST_PATH_BYTES + 32])
{
    const ech_calibration_rounds rounds = lawful_rounds();
    snprintf(calibration->processor, sizeof calibration->processor, "a \"processor\"");
    calibration->cores = 48;
    cr_assert_eq(ech_calibration_keep_rounds(calibration, &rounds), ECH_OK);
    cr_assert_eq(ech_calibration_keep_rounds(calibration, &rounds), ECH_OK);
    cr_assert_eq(ech_calibration_keep_kernels(calibration, &kernels), ECH_OK);
    cr_assert_eq(calibration->rounds_count, 1, "a second measurement takes the first one's place");
    snprintf(path, ECH_TEST_PATH_BYTES + 32, "%s/new/folder/c.json", folder);
    cr_assert_eq(ech_calibration_save(calibration, path), ECH_OK, "%s", ech_status_message());
}

static void read_text(const char *path, char text[TEXT_BYTES])
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    const size_t length = fread(text, 1, TEXT_BYTES - 1, file);
    cr_assert_gt(length, 1000);
    text[length] = '\0';
    fclose(file);
}

static void expect_same_text(const char *path, const char *other)
{
    static char texts[2][TEXT_BYTES];
    read_text(path, texts[0]);
    read_text(other, texts[1]);
    cr_expect_str_eq(texts[0], texts[1]);
    cr_expect_not_null(strstr(texts[0], "12345.678901234567"), "%s", texts[0]);
}

Test(plan_calibration, a_file_reads_back_to_the_same)
{
    char path[ECH_TEST_PATH_BYTES + 32];
    save(path);
    ech_calibration *back = ech_calloc(1, sizeof *back);
    cr_assert_not_null(back);
    cr_assert_eq(ech_calibration_load(path, back), ECH_OK, "%s", ech_status_message());
    char again[ECH_TEST_PATH_BYTES + 32];
    snprintf(again, sizeof again, "%s/again.json", folder);
    cr_assert_eq(ech_calibration_save(back, again), ECH_OK);
    expect_same_text(path, again);
    cr_expect_not_null(ech_calibration_find_kernels(back, &kernels.manner));
    ech_kernels_manner other = kernels.manner;
    other.ranks = 3;
    cr_expect_null(ech_calibration_find_kernels(back, &other));
    cr_expect_eq(ech_test_count_entries(folder), 2, "nothing temporary is left");
    ech_free(back);
}

Test(plan_calibration, a_damaged_file_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{}", "version: missing"},
        {"{\"version\": 2}", "version 2, expected 1"},
        {"{\"version\": 1, \"host\": h, \"processor\": p, \"mpi\": m, \"cores\": many}",
         "cores: expected"},
        {"{\"version\": 1, \"host\": h, \"processor\": p, \"mpi\": m, \"cores\": 2,\n"
         "\"memory_bytes\": 1, \"rounds\": [{}], \"kernels\": []}",
         "c.json:2: hosts: missing"},
        {"{\"version\": 1, \"host\": h, \"processor\": p, \"mpi\": m, \"cores\": 2,\n"
         "\"memory_bytes\": 1, \"rounds\": [{\"hosts\": 1, \"ranks\": 1, \"workers_on\": any,\n"
         "\"leader\": trains, \"transfer\": shared, \"bytes_per_second\": 0}]}",
         "bytes_per_second: expected more than 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[ECH_TEST_PATH_BYTES];
        ech_test_write_text(folder, "c.json", cases[i].text, path);
        cr_expect_eq(ech_calibration_load(path, calibration), ECH_ERR_CONFIG, "case %zu", i);
        cr_expect_not_null(strstr(ech_status_message(), cases[i].message), "case %zu: %s", i,
                           ech_status_message());
    }
    cr_expect_eq(ech_calibration_load("/no/such.json", calibration), ECH_ERR_FILE);
}

Test(plan_calibration, the_cache_has_a_file_for_each_kind_of_machine)
{
    char first[ECH_TEST_PATH_BYTES];
    char second[ECH_TEST_PATH_BYTES];
    setenv("XDG_CACHE_HOME", folder, 1);
    cr_assert_eq(ech_calibration_begin(calibration), ECH_OK);
    cr_assert_eq(ech_calibration_path(calibration, first, sizeof first), ECH_OK);
    cr_expect_eq(strncmp(first, folder, strlen(folder)), 0);
    calibration->host[0] = 'x'; /* nodes of a cluster differ in their names only */
    cr_assert_eq(ech_calibration_path(calibration, second, sizeof second), ECH_OK);
    cr_expect_str_eq(first, second);
    calibration->cores++;
    cr_assert_eq(ech_calibration_path(calibration, second, sizeof second), ECH_OK);
    cr_expect_str_neq(first, second);
}
