/**
 * @file scenarios.h
 * Programs that must give the same results on every executor: the Criterion suites run them on
 * `serial` and `threads`, the MPI cases on `mpi`.
 */
#ifndef ECH_TESTS_TASK_SCENARIOS_H
#define ECH_TESTS_TASK_SCENARIOS_H

#include "runtime/task/task.h"

typedef struct {
    const char *name;
    ech_program program;  /* ECH_OK, or the first expectation that failed as the message */
    uint32_t pending_max; /* of the executor; 0: its default */
} scenario;

extern const scenario scenarios[];
extern const size_t scenario_count;

/** Run one scenario with these options, but for `pending_max`, on all ranks; what ech_executor_run
 * returned. */
ech_status scenario_run(const scenario *what, const ech_executor_options *options);

#endif
