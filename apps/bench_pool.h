/**
 * @file bench_pool.h
 * The measurements of `echelon bench pool`: a program for an executor.
 */
#ifndef ECH_APPS_BENCH_POOL_H
#define ECH_APPS_BENCH_POOL_H

#include "runtime/task/task.h"

typedef struct {
    uint64_t tasks;
    size_t payload_bytes; /* of arguments and of the result, at least 8 */
    void *shared;         /* zeroed page that rank 0 and rank 1 share; NULL: no futex is timed */
} ech_bench_pool_options;

/** A value that was not measured is NaN. */
typedef struct {
    double tasks_per_second;
    double latency_us_p50; /* of a lone task, from its submit to its result; the taker polls */
    double latency_us_p99;
    double latency_sleep_us_p50; /* the taker sleeps */
    double futex_us;             /* median round trip of two bare futexes, both sides asleep */
    double bytes_per_pending_task;
    uint64_t foreign; /* records of tasks that ran on another rank than the submitter */
    uint64_t records;
} ech_bench_pool_result;

typedef struct {
    ech_bench_pool_options options;
    ech_bench_pool_result result;
    uint64_t submitted; /* tasks whose records count */
    ech_app_id echo, gate, pong;
} ech_bench_pool;

/** Register the apps of the benchmark; on every rank. */
ech_status ech_bench_pool_register(ech_app_registry *apps, ech_bench_pool *bench);

/** Where the executor's records have to go on rank 0. */
ech_task_record_sink ech_bench_pool_sink(ech_bench_pool *bench);

/** The program: `user` is the ech_bench_pool. Fails if a result is wrong. */
ech_status ech_bench_pool_program(ech_executor *executor, void *user);

/** Rank 0, after the run: each task left one record, and another rank has run it if there is one.
 *  @return ECH_OK or ECH_ERR_TASK. */
ech_status ech_bench_pool_check(const ech_bench_pool *bench, int ranks);

#endif
