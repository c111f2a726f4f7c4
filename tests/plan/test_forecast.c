/* Memory, bytes and time of a configuration, from formulas and a calibration that is made up. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/plan/memory_forecast.h"
#include "apps/plan/subject.h"
#include "apps/plan/time_forecast.h"
#include "io/dataset.h"
#include "runtime/base/memory.h"
#include "tests/support.h"

enum { SETS_MAX = 12, SAMPLES = 24, TEST_SAMPLES = 12, PIXELS = 64 };

static char folder[ECH_TEST_PATH_BYTES];
static char config_path[ECH_TEST_PATH_BYTES];
static ech_subject subject;
static ech_calibration *calibration;

static void start(void)
{
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "c.yaml",
                        "model: {name: resnet18}\n"
                        "topology: {kind: star, workers: 8}\n"
                        "train: {epochs: 0}\n",
                        config_path);
    calibration = ech_calloc(1, sizeof *calibration);
    cr_assert_not_null(calibration);
    calibration->cores = 4;
}

static void stop(void)
{
    ech_subject_clear(&subject);
    ech_free(calibration);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(plan_forecast, .init = start, .fini = stop);

static void load(uint32_t hosts, uint32_t ranks, const char *const *sets)
{
    size_t count = 0;
    while (sets[count] != NULL) {
        count++;
    }
    ech_subject_clear(&subject);
    cr_assert_eq(ech_subject_load(config_path, sets, count, hosts, ranks, &subject), ECH_OK, "%s",
                 ech_status_message());
}

#define LOAD(hosts, ranks, ...) load(hosts, ranks, (const char *const[]){__VA_ARGS__, NULL})

/* ---- memory ---- */

enum { VALUES = 11699112, COUNTERS = 20 }; /* ResNet-18 of torchvision, statistics included */

static uint64_t part_bytes(const ech_memory_forecast *memory, const char *name)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        const ech_memory_part *part = &memory->parts[i];
        if (strncmp(part->name, name, strlen(name)) == 0) {
            return part->rank_bytes + part->first_bytes + part->shared_bytes;
        }
    }
    return 0;
}

static ech_memory_forecast forecast_memory(void)
{
    ech_memory_forecast memory;
    cr_assert_eq(ech_memory_forecast_make(&subject, &memory), ECH_OK, "%s", ech_status_message());
    return memory;
}

Test(plan_forecast, memory_is_what_the_formulas_say)
{
    LOAD(1, 4, "strategy.name=fedavg");
    const uint64_t state = VALUES * 4 + COUNTERS * 8;
    ech_memory_forecast memory = forecast_memory();
    cr_expect_eq(part_bytes(&memory, "update"), state);
    cr_expect_eq(part_bytes(&memory, "global model"), state);
    cr_expect_eq(part_bytes(&memory, "checkpoint"), state);
    /* an int64 a value, and at most a word for 8,192 of them and a rounding up a tensor */
    const double sums = (double)part_bytes(&memory, "exact sums");
    cr_expect(sums >= 8.0 * VALUES && sums < 8.02 * VALUES, "%.0f", sums);
    const uint64_t rank = ech_memory_forecast_rank(&memory);
    cr_expect_eq(ech_memory_forecast_host(&memory), rank + 3 * state, "of four ranks");
    ech_memory_forecast_add(&memory, "program", 1000, 2500);
    cr_expect_eq(ech_memory_forecast_rank(&memory), rank + 1000);
    cr_expect_eq(ech_memory_forecast_host(&memory), rank + 3 * state + 2500);
}

Test(plan_forecast, what_a_configuration_adds_is_in_its_memory)
{
    LOAD(1, 2, "strategy.name=fedavg");
    ech_memory_forecast memory = forecast_memory();
    const uint64_t plain = ech_memory_forecast_rank(&memory);
    const uint64_t sum = part_bytes(&memory, "exact sums");
    const uint64_t vector = VALUES * 4;
    LOAD(1, 2, "transfer=rma");
    memory = forecast_memory();
    cr_expect_eq(ech_memory_forecast_rank(&memory), plain + vector + COUNTERS * 8);
    LOAD(1, 2, "strategy.name=fedavgm"); /* a momentum, its copy for the checkpoint, and a mean */
    memory = forecast_memory();
    cr_expect_eq(ech_memory_forecast_rank(&memory), plain + 3 * vector);
    LOAD(1, 2, "topology.kind=balanced", "topology.height=3", "aggregators=materialised");
    memory = forecast_memory();
    cr_expect_gt(part_bytes(&memory, "exact sums"), sum, "aggregators have sums of their own");
    LOAD(1, 2, "strategy.name=median");
    memory = forecast_memory();
    cr_expect_geq(part_bytes(&memory, "models and updates"), 8 * vector, "all updates are kept");
}

/* ---- bytes and placement ---- */

/* 3 halvings of 8 workers and 2 ranks; of a tree's sums one halving of 2 children. */
Test(plan_forecast, a_float32_sum_has_a_model_for_each_halving_and_rank)
{
    const double model = VALUES * sizeof(float);
    LOAD(1, 2, "strategy.sum=float32");
    ech_memory_forecast memory = forecast_memory();
    cr_expect_float_eq((double)part_bytes(&memory, "float32 sums") / model, 5.0, 1e-3);
    cr_expect_eq(part_bytes(&memory, "exact sums"), 0);
    LOAD(1, 2, "strategy.sum=float32", "workers_on=rank", "topology.workers=32"); /* twice 16 */
    memory = forecast_memory();
    cr_expect_float_eq((double)part_bytes(&memory, "float32 sums") / model, 8.0, 1e-3);
    LOAD(1, 1, "strategy.sum=float32", "topology={kind: balanced, workers: 8, height: 3}",
         "aggregators=materialised");
    memory = forecast_memory();
    const double sums = (double)part_bytes(&memory, "float32 sums") / model;
    cr_expect_float_eq(sums, 2.0 * round(sums / 2.0), 1e-2);
    cr_expect_gt(sums, 2.0);
}

Test(plan_forecast, bytes_by_tier_are_the_trees)
{
    LOAD(2, 2, "topology.kind=balanced", "topology.height=3", "model.name=smallnet");
    ech_tier_bytes tiers[4] = {{0}};
    cr_assert_eq(ech_subject_bytes(&subject, tiers), ECH_OK);
    const uint64_t state = ech_layout_state_bytes(subject.network->layout);
    for (uint32_t tier = 1; tier <= 3; tier++) { /* 2, 4 and 8 edges */
        cr_expect_eq(tiers[tier].logical_down, (1U << tier) * state);
        cr_expect_eq(tiers[tier].logical_up, (1U << tier) * state);
    }
    uint32_t first = 9;
    cr_expect_eq(ech_placement_leaves(subject.tree.placement, 1, &first), 4);
    cr_expect_eq(first, 4);
}

Test(plan_forecast, a_round_of_some_workers_counts_those_that_the_run_will_draw)
{
    LOAD(1, 2, "model.name=smallnet", "strategy.participation=0.5", "rounds=3");
    ech_tier_bytes tiers[2] = {{0}};
    cr_assert_eq(ech_subject_bytes(&subject, tiers), ECH_OK);
    cr_expect_eq(tiers[1].logical_up, 4 * ech_layout_state_bytes(subject.network->layout));
}

/* ---- time ---- */

static double memory_speed = NAN; /* bytes a second that the memory moves now */

/* Ranks that take `seconds` of wait a round, and as much of training for a worker. */
static void calibrate_at(double bytes_per_second, const char *workers_on, uint32_t hosts,
                         uint32_t ranks, double seconds)
{
    ech_calibration_rounds rounds = {.manner = {.hosts = hosts, .ranks = ranks},
                                     .bytes_per_second = bytes_per_second};
    snprintf(rounds.manner.workers_on, sizeof rounds.manner.workers_on, "%s", workers_on);
    snprintf(rounds.manner.leader, sizeof rounds.manner.leader, "trains");
    snprintf(rounds.manner.transfer, sizeof rounds.manner.transfer, "shared");
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t workers = (i + 1) * hosts * ranks;
        ech_calibration_point *point = &rounds.points[rounds.point_count++];
        *point = (ech_calibration_point){.values = 2, .workers = workers, .start_seconds = 1.0};
        point->later.seconds[ECH_ROUND_WAIT] = seconds;
        point->later.seconds[ECH_PHASE_TRAIN] = seconds * workers;
        point->first = point->later;
        point->first.seconds[ECH_ROUND_WAIT] += 10.0;
    }
    cr_assert_eq(ech_calibration_keep_rounds(calibration, &rounds), ECH_OK);
}

static void calibrate(const char *workers_on, uint32_t hosts, uint32_t ranks, double seconds)
{
    calibrate_at(1e10, workers_on, hosts, ranks, seconds);
}

static ech_time_forecast forecast_time(void)
{
    ech_time_forecast time;
    ech_forecast_needs needs;
    ech_forecast_needs_of(&subject, calibration, &needs);
    needs.rounds[0].bytes_per_second = memory_speed;
    cr_assert_eq(ech_time_forecast_make(&subject, calibration, &needs, &time), ECH_OK);
    return time;
}

static void expect_near(double found, double expected)
{
    cr_expect(fabs(found - expected) <= 1e-9 * fabs(expected), "%.12g instead of %.12g", found,
              expected);
}

Test(plan_forecast, a_round_is_its_latency_and_its_workers)
{
    calibrate("any", 1, 2, 0.25);
    LOAD(1, 2, "rounds=4");
    ech_time_forecast time = forecast_time();
    cr_assert(time.known, "%s", time.reason);
    expect_near(time.round.seconds[ECH_PHASE_TRAIN], 8 * 0.25);
    expect_near(time.round.seconds[ECH_ROUND_WAIT], 0.25 + 10.0 / 4); /* the first round's more */
    expect_near(time.first_seconds, 0.25 + 10.0 + 2.0);
    expect_near(time.total_seconds, 1.0 + 4 * 2.25 + 10.0);
    LOAD(1, 2, "rounds=4", "topology.workers=7"); /* one rank has a worker more than the other */
    time = forecast_time();
    expect_near(ech_round_cost_total(&time.round), 8 * 0.25 + 0.25 + 10.0 / 4);
    expect_near(time.round.seconds[ECH_PHASE_TRAIN], 7 * 0.25);
}

Test(plan_forecast, what_is_not_calibrated_is_not_predicted)
{
    LOAD(1, 2, "rounds=4");
    ech_time_forecast time = forecast_time();
    cr_expect_not(time.known);
    cr_expect_not_null(strstr(time.reason, "are not calibrated"), "%s", time.reason);
    calibrate("any", 1, 2, 0.25);
    LOAD(1, 2, "workers_on=rank");
    cr_expect_not(forecast_time().known);
    LOAD(2, 2, "rounds=4");
    time = forecast_time();
    cr_expect_not_null(strstr(time.reason, "on several hosts"), "%s", time.reason);
    static const char *const others[] = {"strategy.name=median", "aggregators=materialised"};
    for (size_t i = 0; i < 2; i++) {
        LOAD(1, 2, others[i]);
        time = forecast_time();
        cr_expect(!time.known && time.reason[0] != '\0', "%s", others[i]);
    }
}

Test(plan_forecast, the_nearest_number_of_ranks_serves_and_is_named)
{
    calibrate("any", 1, 2, 0.25);
    LOAD(1, 4, "rounds=1");
    ech_time_forecast time = forecast_time();
    cr_assert(time.known);
    cr_expect_not_null(strstr(time.reason, "of 2 ranks a host"), "%s", time.reason);
    /* four cores: twice the ranks take half the time */
    expect_near(time.round.seconds[ECH_PHASE_TRAIN], 8 * 0.25 / 2);
    LOAD(1, 8, "rounds=1");
    expect_near(forecast_time().round.seconds[ECH_PHASE_TRAIN], 8 * 0.25 / 2);
}

/* A virtual machine whose processors share a cache now, and later do not. */
Test(plan_forecast, rounds_are_those_of_a_memory_as_fast_as_now)
{
    calibrate_at(6e10, "any", 1, 2, 0.25);
    calibrate_at(1.1e11, "any", 1, 2, 0.50);
    calibrate_at(6.5e10, "any", 1, 2, 0.30); /* as fast as the first: in its place */
    calibrate_at(1.1e11, "any", 1, 4, 0.75);
    cr_expect_eq(calibration->rounds_count, 3);
    LOAD(1, 2, "rounds=1");
    static const double speeds[][2] = {{7e10, 0.30}, {1e11, 0.50}, {3e11, 0.50}, {NAN, 0.30}};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        memory_speed = speeds[i][0];
        expect_near(forecast_time().round.seconds[ECH_PHASE_TRAIN], 8 * speeds[i][1]);
    }
    LOAD(1, 4, "rounds=1");
    memory_speed = 6e10; /* the number of ranks counts first */
    expect_near(forecast_time().round.seconds[ECH_PHASE_TRAIN], 8 * 0.75);
}

Test(plan_forecast, hosts_meet_along_a_binomial_tree)
{
    calibrate("any", 1, 4, 0.25);
    calibrate("any", 2, 2, 0.50); /* twice as long as four ranks on one: (1 + 4) * 0.25 more */
    LOAD(8, 4, "topology.workers=32");
    ech_time_forecast time = forecast_time();
    cr_assert(time.known, "%s", time.reason);
    LOAD(1, 4, "topology.workers=4");
    const ech_time_forecast one = forecast_time();
    expect_near(ech_round_cost_total(&time.round), ech_round_cost_total(&one.round) + 3 * 5 * 0.25);
}

/* ---- training ---- */

static void make_data(char path[ECH_TEST_PATH_BYTES + 16])
{
    static uint8_t pixels[SAMPLES * PIXELS];
    static uint8_t labels[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = (uint8_t)(i % 2);
    }
    const ech_dataset_content content = {
        .parts = {{SAMPLES, pixels, labels}, {TEST_SAMPLES, pixels, labels}},
        .channels = 1,
        .height = 8,
        .width = 8,
        .classes = 2};
    ech_io *io = NULL;
    cr_assert_eq(ech_io_create(NULL, &io), ECH_OK);
    snprintf(path, ECH_TEST_PATH_BYTES + 16, "%s/data.h5", folder);
    cr_assert_eq(ech_dataset_write(io, path, &content), ECH_OK, "%s", ech_status_message());
    ech_io_destroy(&io);
}

Test(plan_forecast, training_takes_as_long_as_the_rank_with_most_samples)
{
    char network[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES + 16];
    char data[ECH_TEST_PATH_BYTES + 32];
    ech_test_write_text(folder, "net.yaml", "layers:\n  - linear: {name: fc}\n", network);
    char model[ECH_TEST_PATH_BYTES + 16];
    snprintf(model, sizeof model, "model={file: %s}", network);
    make_data(path);
    snprintf(data, sizeof data, "data.file=%s", path);
    calibrate("any", 1, 2, 0.0);
    LOAD(1, 2, model, data, "topology.workers=3", "train.epochs=5", "train.batch=8", "rounds=2",
         "evaluate.every=1");
    ech_time_forecast time = forecast_time();
    cr_expect_not(time.known);
    cr_expect_not_null(strstr(time.reason, "batches of 8 on 2 ranks"), "%s", time.reason);
    ech_forecast_needs needs;
    ech_forecast_needs_of(&subject, calibration, &needs);
    const ech_calibration_kernels kernels = {
        .manner = needs.kernels, .train_rate = 100.0, .evaluate_rate = 600.0};
    cr_assert_eq(ech_calibration_keep_kernels(calibration, &kernels), ECH_OK);
    time = forecast_time();
    cr_assert(time.known, "%s", time.reason);
    /* three workers of 8 samples: a rank trains two of them, 80 samples' epochs at 100 a second */
    expect_near(time.round.seconds[ECH_PHASE_TRAIN], 5.0 * SAMPLES / 2.0 / 100.0);
    expect_near(time.round.seconds[ECH_PHASE_TRAIN] +
                    (time.round.seconds[ECH_ROUND_WAIT] - 10.0 / 2),
                5 * 2 * 8 / 100.0);
    expect_near(time.round.seconds[ECH_PHASE_EVALUATE], TEST_SAMPLES / 2.0 / 600.0);
    ech_memory_forecast memory = forecast_memory();
    cr_expect_gt(part_bytes(&memory, "kernels"), 0);
    cr_expect_geq(part_bytes(&memory, "data"), (SAMPLES + TEST_SAMPLES) * (PIXELS + 1));
}

Test(plan_forecast, a_configuration_is_refused_as_fit_refuses_it)
{
    const char *const wrong[] = {"model.name=resnet99"};
    cr_expect_eq(ech_subject_load(config_path, wrong, 1, 1, 1, &subject), ECH_ERR_CONFIG);
    ech_subject_clear(&subject);
    const char *const missing[] = {"data.file=/no/such.h5", "train.epochs=1"};
    cr_expect_eq(ech_subject_load(config_path, missing, 2, 1, 1, &subject), ECH_ERR_FILE);
}
