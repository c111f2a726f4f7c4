/**
 * @file task_mpi.h
 * What a task of the mpi executor can use besides task.h. Apart from it, so that programs that need
 * no MPI need no mpi.h.
 */
#ifndef ECH_TASK_TASK_MPI_H
#define ECH_TASK_TASK_MPI_H

#include <mpi.h>

#include "runtime/task/task.h"

/**
 * The communicator of a multi-rank task: its ranks are the members, by number. Borrowed until the
 * function returns; errors return. MPI_COMM_NULL in other tasks and on other executors. Do not call
 * ech_task_exchange while members use it.
 */
MPI_Comm ech_task_communicator(const ech_task_context *context);

#endif
