/**
 * @file records.h
 * Programs of which the records count, for the suites and the MPI cases.
 */
#ifndef ECH_TESTS_TASK_RECORDS_H
#define ECH_TESTS_TASK_RECORDS_H

#include "runtime/task/task.h"

/**
 * More records than fit in memory while nobody reads them: the ranks behind the first of each host
 * submit 20,000 tasks each, and the first ones look away until all of these have ended. Run it on
 * all ranks, more of them than hosts; rank h is the leader rank of host h.
 *
 * @param[out] missing  rank 0: records that did not come.
 * @return what the run returned; on rank 0 ECH_ERR_TASK if a record came twice, or one too many.
 */
ech_status records_of_busy_leaders(const ech_executor_options *options, uint64_t *missing);

/**
 * On two or more ranks that run tasks: a retry elsewhere is recorded on another rank, and a task
 * past its walltime, and no other, as late. ECH_OK, or on rank 0 the first expectation that failed.
 */
ech_status records_of_attempts(const ech_executor_options *options);

#endif
