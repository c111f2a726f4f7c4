/* The virtual clock's parts: events, availability, and closed forms of a worker's turn. */
#include <criterion/criterion.h>

#include "runtime/fed/event_queue.h"
#include "runtime/fed/pace.h"
#include "tests/support.h"

static char folder[ECH_TEST_PATH_BYTES];
static char path[ECH_TEST_PATH_BYTES];

static void start(void)
{
    ech_test_make_directory(folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(virtual_clock, .init = start, .fini = stop);

static const uint64_t second = 1000000000;

Test(virtual_clock, events_come_by_time_and_then_as_they_were_pushed)
{
    ech_event_queue queue = {0};
    for (uint32_t i = 0; i < 500; i++) {
        cr_assert_eq(ech_event_queue_push(&queue, i * 37 % 10, 0, i), ECH_OK);
    }
    ech_event last = ech_event_queue_pop(&queue);
    while (queue.count > 0) {
        const ech_event next = ech_event_queue_pop(&queue);
        cr_expect(next.time_ns > last.time_ns ||
                  (next.time_ns == last.time_ns && next.subject > last.subject));
        last = next;
    }
    ech_event_queue_clear(&queue);
}

Test(virtual_clock, work_stands_still_while_a_worker_is_off)
{
    ech_availability *trace = NULL;
    ech_test_write_text(folder, "trace", "# worker from until\n3 100 200\n1 10 20\n1 30 1e9 # on\n",
                        path);
    cr_assert_eq(ech_availability_load(path, 4, &trace), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(ech_availability_next_on(trace, 1, 0), 10 * second);
    cr_expect_eq(ech_availability_next_on(trace, 1, 15 * second), 15 * second);
    cr_expect_eq(ech_availability_next_on(trace, 1, 20 * second), 30 * second);
    cr_expect_eq(ech_availability_work(trace, 1, 15 * second, 5 * second), 20 * second);
    cr_expect_eq(ech_availability_work(trace, 1, 15 * second, 6 * second), 31 * second);
    cr_expect_eq(ech_availability_next_on(trace, 3, 200 * second), ECH_TIME_NEVER);
    cr_expect_eq(ech_availability_work(trace, 3, 150 * second, 51 * second), ECH_TIME_NEVER);
    cr_expect_eq(ech_availability_work(trace, 0, 5, 7), 12, "a worker that is not named is on");
    ech_availability_destroy(&trace);
}

Test(virtual_clock, a_bad_trace_is_refused_by_its_line)
{
    static const char *const bad[] = {"9 0 1\n",   "0 2 1\n",  "0 0\n",         "0 0 nan\n",
                                      "0 0 1 2\n", "-1 0 1\n", "0 0 5\n0 5 6\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ech_availability *trace = NULL;
        ech_test_write_text(folder, "bad", bad[i], path);
        cr_expect_eq(ech_availability_load(path, 4, &trace), ECH_ERR_CONFIG, "%s", bad[i]);
        cr_expect_null(trace);
    }
}

static const uint64_t samples[] = {100, 250, 40};

static void expect_turn(const ech_pace *pace, uint32_t worker, double factor)
{
    const ech_turn turn = ech_pace_turn(pace, worker, 1, second);
    cr_expect_eq(turn.train_start_ns, second + second / 2 + 2 * second);
    const double trained = (double)(turn.train_end_ns - turn.train_start_ns) * 1e-9;
    cr_expect_float_eq(trained, (double)samples[worker] * 5 * 0.002 * factor, 1e-8);
    cr_expect_eq(turn.arrival_ns - turn.train_end_ns, second / 2 + 2 * second);
}

Test(virtual_clock, a_turn_is_down_training_and_up)
{
    ech_topology *topology = NULL;
    ech_population *population = NULL;
    ech_test_write_text(folder, "tree.yaml",
                        "l: {kind: leader, children: [a, b, c]}\n"
                        "a: {kind: worker}\nb: {kind: worker, speed: 0.5}\nc: {kind: worker}\n",
                        path);
    cr_assert_eq(ech_topology_load(path, &topology), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(ech_population_create(samples, 3, &population), ECH_OK);
    const ech_pace_work work = {.seed = 1,
                                .topology = topology,
                                .population = population,
                                .model_bytes = 2000,
                                .epochs = 5};
    ech_pace_options options = {
        .sample_seconds = 0.002, .straggler_slowdown = 1.0, .bandwidth = 1000.0, .latency = 0.5};
    ech_pace *pace = NULL;
    cr_assert_eq(ech_pace_create(&options, &work, &pace), ECH_OK);
    expect_turn(pace, 0, 1.0);
    expect_turn(pace, 1, 2.0);
    ech_pace_destroy(&pace);

    options.jitter = 0.1;
    cr_assert_eq(ech_pace_create(&options, &work, &pace), ECH_OK);
    double sum = 0.0;
    for (uint64_t round = 1; round <= 1000; round++) {
        const ech_turn turn = ech_pace_turn(pace, 2, round, 0);
        const double share = (double)(turn.train_end_ns - turn.train_start_ns) * 1e-9 / 0.4;
        cr_expect(share >= 0.9 && share <= 1.1);
        sum += share;
    }
    cr_expect_float_eq(sum / 1000.0, 1.0, 0.006); /* over three standard errors */
    ech_pace_destroy(&pace);
    ech_population_destroy(&population);
    ech_topology_destroy(&topology);
}
