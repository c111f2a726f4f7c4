/**
 * @file comm.h
 * Owned communicators, and the few collective steps that the start and the end of a job need.
 *
 * MPICH's blocking collectives spin: with more ranks than cores they take seconds. Everything here
 * is nonblocking underneath (test, then naps that grow), so a waiting rank leaves its core to
 * others. Each wait has a bound; a rank that runs into it gets ECH_ERR_TIMEOUT, not a hang.
 *
 * MPI is used from the thread that called `ech_mpi_start` only.
 */
#ifndef ECH_MPI_COMM_H
#define ECH_MPI_COMM_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Bound of the waits of collective steps unless a communicator is given another: 5 minutes. */
#define ECH_COMM_TIMEOUT_NS UINT64_C(300000000000)

/** Opaque: a duplicate of a communicator, with its error handler set to return. */
typedef struct ech_comm ech_comm;

/**
 * Initialise MPI (level MPI_THREAD_FUNNELED), name the rank to the log and to the black box
 * (guard.h). Collective over the job. Call `ech_guard_start` before it. Once a process.
 *
 * @return ECH_OK or ECH_ERR_MPI.
 */
ech_status ech_mpi_start(void);

/** Wait for all ranks (bounded), then finalise MPI. Collective over the job. Without a start: a
 * no-op that returns ECH_OK. */
ech_status ech_mpi_finish(void);

/** This process's rank in the whole job; 0 while MPI is not running. */
int ech_mpi_rank(void);

/** ECH_OK, or ECH_ERR_MPI with "what: MPI's own text". For code that calls MPI by itself. */
ech_status ech_mpi_check(int mpi_result, const char *what);

/**
 * Duplicate a communicator. Collective over `parent`.
 *
 * @param timeout_ns  bound of each wait on it, from 1.
 * @param[out] out    owned by the caller; NULL on failure.
 * @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_MPI, ECH_ERR_TIMEOUT.
 */
ech_status ech_comm_create(MPI_Comm parent, uint64_t timeout_ns, ech_comm **out);

/** Take a communicator made by the caller, who gives it up; freed if this fails too. Not
 * collective. */
ech_status ech_comm_adopt(MPI_Comm handle, uint64_t timeout_ns, ech_comm **out);

/** Free it. Collective over its ranks; accepts NULL, nulls the caller's pointer. */
void ech_comm_destroy(ech_comm **comm);

/** The MPI handle: borrowed. For the task layer's multi-rank tasks and for windows. */
MPI_Comm ech_comm_handle(const ech_comm *comm);
int ech_comm_rank(const ech_comm *comm);
int ech_comm_size(const ech_comm *comm);

/** Wait until a request is done, in naps that grow to 2 ms; `what` names it in the message of a
 * timeout (the request is then left pending: the job has to end). */
ech_status ech_comm_wait(const ech_comm *comm, MPI_Request *request, const char *what);

/* Collective over `comm`; each returns ECH_OK, ECH_ERR_MPI or ECH_ERR_TIMEOUT. */

ech_status ech_comm_barrier(ech_comm *comm);

/** Copy `bytes` (any size) from rank `root` to all. */
ech_status ech_comm_broadcast(ech_comm *comm, void *data, size_t bytes, int root);

/** Gather `bytes` from each rank into `all` (size * bytes, by rank) on every rank. */
ech_status ech_comm_all_gather(ech_comm *comm, const void *mine, size_t bytes, void *all);

/** Sum, elementwise and in place, on every rank. */
ech_status ech_comm_sum_u64(ech_comm *comm, uint64_t *values, size_t count);

/** Maximum, elementwise and in place, on every rank. */
ech_status ech_comm_max_u64(ech_comm *comm, uint64_t *values, size_t count);

/**
 * Agree on failure before anyone leaves a collective step: each rank brings its own status and all
 * return the same: ECH_OK if all did, else the status of the lowest rank that failed. That rank
 * keeps its message; the others get "rank R: its message".
 */
ech_status ech_comm_agree(ech_comm *comm, ech_status mine);

/** Let MPI make progress for a moment: serves the puts and gets of others. Not collective. */
void ech_comm_progress(const ech_comm *comm);

#endif
