/**
 * @file stress.h
 * Random graphs of tasks, drawn from a seed: dependencies, failures, retries, cancellations of
 * tasks that are not released yet, nested submits and multi-rank tasks. The digest of all states
 * and values depends on the seed alone, not on the executor.
 */
#ifndef ECH_TESTS_TASK_STRESS_H
#define ECH_TESTS_TASK_STRESS_H

#include "runtime/task/task.h"

typedef struct {
    uint64_t seed;
    uint32_t tasks;
    uint32_t team_ranks; /* of multi-rank tasks; 0: none. Part of what the seed draws */
    uint64_t digest;     /* result, on rank 0 */
} stress;

/** Run one graph on an executor with these options. */
ech_status stress_run(stress *graph, const ech_executor_options *options);

/** A number from the environment, for soaks that are longer than the tests. */
uint32_t stress_setting(const char *name, uint32_t otherwise);

#endif
