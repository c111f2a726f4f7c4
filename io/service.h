/**
 * @file service.h
 * The one thread of a process that makes every HDF5 call (the library is not thread-safe), and no
 * MPI call.
 *
 * Every function of `io` that touches HDF5 takes the service, runs on its thread and comes back
 * when it is done; what may overlap with training (checkpoints, run records) is begun and finished
 * by two calls. There is one service a process. Processes that read and write no files need none.
 *
 * Create it on the thread that initialises MPI, best before MPI_Init: HDF5 then registers nothing
 * with MPI, and the thread may run on every core of the process instead of the one that the rank is
 * pinned to. Destroy it before MPI_Finalize. Not collective; thread-safe.
 */
#ifndef ECH_IO_SERVICE_H
#define ECH_IO_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Opaque. */
typedef struct ech_io ech_io;

/** Opaque: a piece of work that was handed to the thread. */
typedef struct ech_io_job ech_io_job;

/** What a job does; its status message reaches the one who waits. Makes no MPI call. */
typedef ech_status (*ech_io_function)(void *argument);

typedef struct {
    uint32_t queue_capacity; /* jobs that wait at most; 0: 16 */
    /* Program that becomes the reader of files of others when its first argument is
     * ECH_FOREIGN_COMMAND (foreign.h). NULL: this process' own executable. Copied. */
    const char *reader_program;
    double reader_timeout_seconds; /* how long such a reader may be silent; 0: 30 */
} ech_io_options;

/**
 * Start the thread.
 *
 * @param options  NULL for the defaults.
 * @return ECH_OK; ECH_ERR_ARGUMENT if the process has a service already; ECH_ERR_MEMORY;
 *         ECH_ERR_SYSTEM; ECH_ERR_HDF5.
 */
ech_status ech_io_create(const ech_io_options *options, ech_io **out);

/** Run what is queued, end the thread, close HDF5. Accepts NULL. Handles that came from the service
 *  (data sets, checkpoints, records) must be closed before. */
void ech_io_destroy(ech_io **io);

/**
 * Queue a job. Blocks while the queue is full.
 *
 * @param argument  the caller's, untouched until the job has ended.
 * @param[out] out  owned by the caller; give it to ech_io_wait once.
 * @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_TIMEOUT (the queue did not move for ten minutes).
 */
ech_status ech_io_submit(ech_io *io, ech_io_function function, void *argument, ech_io_job **out);

/** Has the job ended? Never blocks. */
bool ech_io_poll(const ech_io_job *job);

/** Wait for the job, free it and null the pointer. @return the job's status, its message set here.
 */
ech_status ech_io_wait(ech_io_job **job);

/** Submit and wait; needs no memory. From the service's own thread it simply calls the function. */
ech_status ech_io_run(ech_io *io, ech_io_function function, void *argument);

#endif
