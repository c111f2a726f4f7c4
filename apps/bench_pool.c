#define _GNU_SOURCE
#include "apps/bench_pool.h"

#include <linux/futex.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum {
    WINDOW = 4096,       /* futures held at one time */
    PRIORITIES_USED = 4, /* of the sixteen */
    ATTEMPTS = 3,
    WARM_UP_TASKS = 20000,
    PASSES_MAX = 101,
    LONE_TASKS = 2000,
    SLEEPS = 200,
    PENDING_MAX = 1000000,
    FUTEX_WAIT_SECONDS = 5,
};
static const uint64_t measure_ns = 500000000;
static const uint64_t pause_ns = 3000000; /* longer than any rank polls */

/* ---- apps ---- */

static ech_status echo(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)result_capacity;
    memcpy(result, arguments, arguments_bytes);
    ++*(uint64_t *)result;
    *result_bytes = arguments_bytes;
    return ECH_OK;
}

static ech_status gate(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    return ECH_OK;
}

/* Two words: the ball is here, the ball is there. */
typedef struct {
    _Alignas(64) _Atomic uint32_t to_taker;
    _Alignas(64) _Atomic uint32_t to_submitter;
} futex_pair;

static ech_status throw_ball(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    return ECH_OK;
}

static ech_status catch_ball(_Atomic uint32_t *word)
{
    const struct timespec most = {.tv_sec = FUTEX_WAIT_SECONDS};
    const uint64_t until = ech_clock_ns() + FUTEX_WAIT_SECONDS * UINT64_C(1000000000);
    while (atomic_load(word) == 0) {
        syscall(SYS_futex, word, FUTEX_WAIT, 0, &most, NULL, 0);
        if (ech_clock_ns() > until) {
            return ech_fail(ECH_ERR_TIMEOUT, "the other side of the futexes did not answer");
        }
    }
    atomic_store(word, 0);
    return ECH_OK;
}

static ech_status pong(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    ech_bench_pool *bench = ech_task_user(context);
    futex_pair *pair = bench->options.shared;
    ech_status status = ECH_OK;
    for (int i = 0; i < SLEEPS && status == ECH_OK; i++) {
        status = catch_ball(&pair->to_taker);
        if (status == ECH_OK) {
            status = throw_ball(&pair->to_submitter);
        }
    }
    return status;
}

ech_status ech_bench_pool_register(ech_app_registry *apps, ech_bench_pool *bench)
{
    const size_t bytes = bench->options.payload_bytes;
    ech_status status = ech_app_register(
        apps,
        &(ech_app){
            .name = "echo", .run = echo, .arguments_bytes_max = bytes, .result_bytes_max = bytes},
        &bench->echo);
    if (status == ECH_OK) {
        status = ech_app_register(apps, &(ech_app){.name = "gate", .run = gate}, &bench->gate);
    }
    if (status == ECH_OK) {
        status = ech_app_register(apps, &(ech_app){.name = "pong", .run = pong, .user = bench},
                                  &bench->pong);
    }
    return status;
}

static void count_records(void *self, const ech_task_record *records, size_t count)
{
    ech_bench_pool *bench = self;
    for (size_t i = 0; i < count; i++) {
        if (records[i].app == bench->echo) {
            bench->result.records++;
            bench->result.foreign += records[i].rank != 0 ? 1 : 0;
        }
    }
}

ech_task_record_sink ech_bench_pool_sink(ech_bench_pool *bench)
{
    return (ech_task_record_sink){.self = bench, .write = count_records};
}

/* ---- measurements ---- */

typedef struct {
    ech_executor *executor;
    ech_bench_pool *bench;
    unsigned char *arguments; /* payload_bytes */
    ech_future **window;      /* WINDOW */
    ech_task_options options;
    uint64_t other_hosts;
} course;

static ech_status submit_echo(course *run, uint64_t number, ech_future **out)
{
    memcpy(run->arguments, &number, sizeof number);
    run->options.priority = (int32_t)(number % PRIORITIES_USED);
    if (run->other_hosts > 0) {
        run->options.affinity_value = 1 + number % run->other_hosts;
    }
    run->bench->submitted++;
    return ech_submit(run->executor, run->bench->echo, run->arguments,
                      run->bench->options.payload_bytes, &run->options, out);
}

static ech_status check_echo(const course *run, ech_future **future, uint64_t number)
{
    ech_status status = ech_future_wait(*future);
    size_t bytes = 0;
    uint64_t got = 0;
    const void *value = ech_future_value(*future, &bytes);
    if (status == ECH_OK) {
        memcpy(&got, value, sizeof got);
        if (got != number + 1 || bytes != run->bench->options.payload_bytes) {
            status = ech_fail(ECH_ERR_TASK, "task %llu returned %llu", (unsigned long long)number,
                              (unsigned long long)got);
        }
    }
    ech_future_release(future);
    return status;
}

/* Tasks through a sliding window of futures: each is checked and released in its turn. */
static ech_status run_many(course *run, uint64_t tasks)
{
    ech_status status = ECH_OK;
    for (uint64_t i = 0; i < tasks + WINDOW; i++) {
        ech_future **slot = &run->window[i % WINDOW];
        if (i >= WINDOW && *slot != NULL) {
            const ech_status checked = check_echo(run, slot, i - WINDOW);
            status = status != ECH_OK ? status : checked;
        }
        if (i < tasks && status == ECH_OK) {
            status = submit_echo(run, i, slot);
        }
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare);
    return values[(size_t)(share * (double)(count - 1))];
}

/* Short runs are repeated, and their median counts. */
static ech_status measure_throughput(course *run)
{
    const uint64_t tasks = run->bench->options.tasks;
    double rates[PASSES_MAX];
    size_t passes = 0;
    ech_status status = run_many(run, WARM_UP_TASKS);
    const uint64_t begin = ech_clock_ns();
    while (status == ECH_OK && passes < PASSES_MAX &&
           (passes == 0 || ech_clock_ns() - begin < measure_ns)) {
        const uint64_t start = ech_clock_ns();
        status = run_many(run, tasks);
        rates[passes++] = (double)tasks / ech_clock_seconds(ech_clock_ns() - start);
    }
    if (status == ECH_OK) {
        run->bench->result.tasks_per_second = quantile(rates, passes, 0.5);
    }
    return status;
}

static ech_status time_lone_task(course *run, uint64_t number, double *us)
{
    ech_future *future = NULL;
    const uint64_t start = ech_clock_ns();
    ech_status status = submit_echo(run, number, &future);
    if (status != ECH_OK) {
        return status;
    }
    status = ech_future_wait(future);
    *us = (double)(ech_clock_ns() - start) * 1e-3;
    const ech_status checked = check_echo(run, &future, number);
    return status != ECH_OK ? status : checked;
}

static ech_status measure_latency(course *run)
{
    double us[LONE_TASKS];
    ech_status status = ECH_OK;
    for (uint64_t i = 0; i < LONE_TASKS && status == ECH_OK; i++) {
        status = time_lone_task(run, i, &us[i]);
    }
    if (status == ECH_OK) {
        run->bench->result.latency_us_p50 = quantile(us, LONE_TASKS, 0.5);
        run->bench->result.latency_us_p99 = quantile(us, LONE_TASKS, 0.99);
    }
    for (uint64_t i = 0; i < SLEEPS && status == ECH_OK; i++) {
        ech_clock_sleep_ns(pause_ns);
        status = time_lone_task(run, i, &us[i]);
    }
    if (status == ECH_OK) {
        run->bench->result.latency_sleep_us_p50 = quantile(us, SLEEPS, 0.5);
    }
    return status;
}

/* The same, with nothing but futexes, between the same two ranks. */
static ech_status measure_futex(course *run)
{
    ech_bench_pool *bench = run->bench;
    if (bench->options.shared == NULL || ech_executor_rank_count(run->executor) < 2) {
        return ECH_OK;
    }
    futex_pair *pair = bench->options.shared;
    const ech_task_options on_taker = {.affinity = ECH_AFFINITY_RANK, .affinity_value = 1};
    ech_future *partner = NULL;
    double us[SLEEPS];
    ech_status status = ech_submit(run->executor, bench->pong, NULL, 0, &on_taker, &partner);
    for (size_t i = 0; i < SLEEPS && status == ECH_OK; i++) {
        ech_clock_sleep_ns(pause_ns);
        const uint64_t start = ech_clock_ns();
        throw_ball(&pair->to_taker);
        status = catch_ball(&pair->to_submitter);
        us[i] = (double)(ech_clock_ns() - start) * 1e-3;
    }
    if (status == ECH_OK) {
        bench->result.futex_us = quantile(us, SLEEPS, 0.5);
        status = ech_future_wait(partner);
    }
    ech_future_release(&partner);
    return status;
}

/* Tasks that wait for one that cannot run yet: it is bound to this rank, which is not waiting. */
static ech_status measure_pending(course *run)
{
    const uint64_t tasks = run->bench->options.tasks;
    const uint64_t pending = tasks < PENDING_MAX ? tasks : PENDING_MAX;
    const ech_task_options here = {.affinity = ECH_AFFINITY_RANK, .affinity_value = 0};
    const size_t before = ech_executor_graph_bytes(run->executor);
    const size_t payload = run->bench->options.payload_bytes;
    ech_future *first = NULL;
    ech_status status = ech_submit(run->executor, run->bench->gate, NULL, 0, &here, &first);
    run->options.inputs = &first;
    run->options.input_count = 1;
    for (uint64_t i = 0; i < pending && status == ECH_OK; i++) {
        status = submit_echo(run, i, NULL);
    }
    const double held = (double)(ech_executor_graph_bytes(run->executor) - before);
    run->bench->result.bytes_per_pending_task = held / (double)pending - (double)payload;
    run->options.inputs = NULL;
    run->options.input_count = 0;
    ech_future_release(&first);
    return status;
}

static ech_status measure_all(course *run)
{
    ech_status status = measure_throughput(run);
    if (status == ECH_OK) {
        status = measure_latency(run);
    }
    if (status == ECH_OK) {
        status = measure_futex(run);
    }
    return status == ECH_OK ? measure_pending(run) : status;
}

ech_status ech_bench_pool_program(ech_executor *executor, void *user)
{
    ech_bench_pool *bench = user;
    course run = {.executor = executor, .bench = bench};
    run.options = (ech_task_options){.attempts = ATTEMPTS, .retry_elsewhere = true};
    run.other_hosts = (uint64_t)ech_executor_host_count(executor) - 1;
    if (run.other_hosts > 0) {
        run.options.affinity = ECH_AFFINITY_HOST;
        run.options.strict = true;
    }
    bench->result = (ech_bench_pool_result){.futex_us = (double)NAN};
    run.arguments = ech_calloc(bench->options.payload_bytes, 1);
    run.window = ech_calloc(WINDOW, sizeof(ech_future *));
    const ech_status status =
        run.arguments == NULL || run.window == NULL ? ECH_ERR_MEMORY : measure_all(&run);
    for (size_t i = 0; run.window != NULL && i < WINDOW; i++) {
        ech_future_release(&run.window[i]);
    }
    ech_free(run.window);
    ech_free(run.arguments);
    return status;
}

ech_status ech_bench_pool_check(const ech_bench_pool *bench, int ranks)
{
    const ech_bench_pool_result *result = &bench->result;
    if (result->records != bench->submitted) {
        return ech_fail(ECH_ERR_TASK, "%llu tasks left %llu records",
                        (unsigned long long)bench->submitted, (unsigned long long)result->records);
    }
    if (ranks > 1 && result->foreign != result->records) {
        return ech_fail(ECH_ERR_TASK, "the submitting rank has run %llu of %llu tasks itself",
                        (unsigned long long)(result->records - result->foreign),
                        (unsigned long long)result->records);
    }
    return ECH_OK;
}
