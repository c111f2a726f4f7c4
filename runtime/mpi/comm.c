#define _GNU_SOURCE
#include "runtime/mpi/comm.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"

enum {
    FIRST_NAP_NS = 10000,
    LONGEST_NAP_NS = 2000000,
    TESTS_BEFORE_NAP = 32,
    /* MPI counts are ints: larger messages go in pieces. */
    PIECE_BYTES = 1 << 30,
    MESSAGE_BYTES = 512
};

struct ech_comm {
    MPI_Comm handle;
    int rank;
    int size;
    uint64_t timeout_ns;
    MPI_Request step; /* the collective step under way: there is never more than one */
};

static int world_rank = 0;
static int world_size = 1;

ech_status ech_mpi_check(int mpi_result, const char *what)
{
    if (mpi_result == MPI_SUCCESS) {
        return ECH_OK;
    }
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length = 0;
    MPI_Error_string(mpi_result, text, &length);
    return ech_fail(ECH_ERR_MPI, "%s: %s", what, text);
}

/* Test, then nap: a waiting rank leaves its core to those that it waits for. */
static ech_status wait_bounded(MPI_Request *request, uint64_t timeout_ns, const char *what)
{
    const uint64_t begin = ech_clock_ns();
    uint64_t nap_ns = FIRST_NAP_NS;
    for (unsigned tests = 0;; tests++) {
        int done = 0;
        const ech_status tested = ech_mpi_check(MPI_Test(request, &done, MPI_STATUS_IGNORE), what);
        if (tested != ECH_OK || done) {
            return tested;
        }
        if (tests < TESTS_BEFORE_NAP) {
            continue;
        }
        if (ech_clock_ns() - begin > timeout_ns) {
            return ech_fail(ECH_ERR_TIMEOUT, "%s: not done after %.0f s", what,
                            ech_clock_seconds(timeout_ns));
        }
        ech_clock_sleep_ns(nap_ns);
        nap_ns = nap_ns * 2 < LONGEST_NAP_NS ? nap_ns * 2 : LONGEST_NAP_NS;
    }
}

/* What the environment must say before MPI_Init; a user's own setting wins. */
static void set_library_defaults(void)
{
    /* MPICH looks for one address that is free in every process of a host, page by page: a second
     * a GiB of window. Nothing here needs equal addresses. */
    setenv("MPIR_CVAR_SHM_SYMHEAP_RETRY", "0", 0);
    setenv("MPIR_CVAR_SHM_RANDOM_ADDR_RETRY", "0", 0);
}

static void name_this_rank(void)
{
    ech_black_box *box = ech_guard_box();
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    MPI_Get_processor_name(name, &length);
    snprintf(box->host, sizeof box->host, "%.*s", (int)sizeof box->host - 1, name);
    box->rank = world_rank;
    atomic_store(&box->in_job, 1);
    if (world_size > 1) {
        ech_log_set_rank(world_rank);
    }
}

/* MPICH takes SIGUSR1 to ask its launcher which processes have died, and waits for ever where there
 * is no launcher. Here the signal asks to stop, and the guard tells of deaths. */
static int initialize(int *level)
{
    struct sigaction own;
    sigaction(SIGUSR1, NULL, &own);
    const int result = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, level);
    sigaction(SIGUSR1, &own, NULL);
    return result;
}

ech_status ech_mpi_start(void)
{
    set_library_defaults();
    int level = MPI_THREAD_SINGLE;
    ech_guard_bound("MPI_Init", ECH_COMM_TIMEOUT_NS);
    const int result = initialize(&level);
    ech_guard_unbound();
    if (result != MPI_SUCCESS || level < MPI_THREAD_FUNNELED) {
        return ech_fail(ECH_ERR_MPI, "MPI cannot be initialised (thread level %d)", level);
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world_size);
    name_this_rank();
    return ECH_OK;
}

ech_status ech_mpi_finish(void)
{
    int started = 0;
    MPI_Initialized(&started);
    if (!started) {
        return ECH_OK;
    }
    MPI_Request all_here = MPI_REQUEST_NULL;
    ech_status status = ech_mpi_check(MPI_Ibarrier(MPI_COMM_WORLD, &all_here), "MPI_Ibarrier");
    if (status == ECH_OK) {
        status = wait_bounded(&all_here, ECH_COMM_TIMEOUT_NS, "the end of the other ranks");
    }
    if (status != ECH_OK) {
        return status;
    }
    ech_guard_bound("MPI_Finalize", ECH_COMM_TIMEOUT_NS);
    status = ech_mpi_check(MPI_Finalize(), "MPI_Finalize");
    ech_guard_unbound();
    atomic_store(&ech_guard_box()->in_job, 0);
    return status;
}

int ech_mpi_rank(void)
{
    return world_rank;
}

static ech_status make_comm(uint64_t timeout_ns, ech_comm **out)
{
    ech_comm *comm = ech_calloc(1, sizeof *comm);
    *out = comm;
    if (comm == NULL) {
        return ECH_ERR_MEMORY;
    }
    comm->handle = MPI_COMM_NULL;
    comm->timeout_ns = timeout_ns;
    return ECH_OK;
}

static ech_status describe_handle(ech_comm *comm)
{
    ech_status status = ech_mpi_check(MPI_Comm_set_errhandler(comm->handle, MPI_ERRORS_RETURN),
                                      "MPI_Comm_set_errhandler");
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Comm_rank(comm->handle, &comm->rank), "MPI_Comm_rank");
    }
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Comm_size(comm->handle, &comm->size), "MPI_Comm_size");
    }
    return status;
}

ech_status ech_comm_create(MPI_Comm parent, uint64_t timeout_ns, ech_comm **out)
{
    ech_comm *comm = NULL;
    MPI_Request duplicated = MPI_REQUEST_NULL;
    *out = NULL;
    ech_status status = make_comm(timeout_ns, &comm);
    if (status != ECH_OK) {
        return status;
    }
    status = ech_mpi_check(MPI_Comm_idup(parent, &comm->handle, &duplicated), "MPI_Comm_idup");
    if (status == ECH_OK) {
        status = wait_bounded(&duplicated, timeout_ns, "MPI_Comm_idup");
    }
    if (status == ECH_OK) {
        status = describe_handle(comm);
    }
    if (status != ECH_OK) {
        /* A duplicate that is not finished cannot be freed: the handle is left behind. */
        ech_free(comm);
        return status;
    }
    *out = comm;
    return ECH_OK;
}

ech_status ech_comm_adopt(MPI_Comm handle, uint64_t timeout_ns, ech_comm **out)
{
    ech_comm *comm = NULL;
    ech_status status = make_comm(timeout_ns, &comm);
    if (status != ECH_OK) {
        MPI_Comm_free(&handle);
        *out = NULL;
        return status;
    }
    comm->handle = handle;
    status = describe_handle(comm);
    if (status != ECH_OK) {
        ech_comm_destroy(&comm);
    }
    *out = comm;
    return status;
}

void ech_comm_destroy(ech_comm **comm)
{
    if (comm == NULL || *comm == NULL) {
        return;
    }
    MPI_Comm_free(&(*comm)->handle);
    ech_free(*comm);
    *comm = NULL;
}

MPI_Comm ech_comm_handle(const ech_comm *comm)
{
    return comm->handle;
}

int ech_comm_rank(const ech_comm *comm)
{
    return comm->rank;
}

int ech_comm_size(const ech_comm *comm)
{
    return comm->size;
}

ech_status ech_comm_wait(const ech_comm *comm, MPI_Request *request, const char *what)
{
    return wait_bounded(request, comm->timeout_ns, what);
}

/* The common end of every collective step, which began with this result. */
static ech_status finish_step(ech_comm *comm, int began, const char *what)
{
    const ech_status status = ech_mpi_check(began, what);
    return status == ECH_OK ? ech_comm_wait(comm, &comm->step, what) : status;
}

ech_status ech_comm_barrier(ech_comm *comm)
{
    const int began = MPI_Ibarrier(comm->handle, &comm->step);
    return finish_step(comm, began, "MPI_Ibarrier");
}

ech_status ech_comm_broadcast(ech_comm *comm, void *data, size_t bytes, int root)
{
    for (size_t at = 0; at < bytes; at += PIECE_BYTES) {
        const size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        const int began =
            MPI_Ibcast((char *)data + at, (int)piece, MPI_BYTE, root, comm->handle, &comm->step);
        const ech_status status = finish_step(comm, began, "MPI_Ibcast");
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

ech_status ech_comm_all_gather(ech_comm *comm, const void *mine, size_t bytes, void *all)
{
    if (bytes > INT_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%zu bytes a rank are too many to gather", bytes);
    }
    const int began = MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE,
                                     comm->handle, &comm->step);
    return finish_step(comm, began, "MPI_Iallgather");
}

static ech_status reduce_u64(ech_comm *comm, uint64_t *values, size_t count, MPI_Op operation)
{
    if (count > INT_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%zu numbers are too many to reduce", count);
    }
    const int began = MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_UINT64_T, operation,
                                     comm->handle, &comm->step);
    return finish_step(comm, began, "MPI_Iallreduce");
}

ech_status ech_comm_sum_u64(ech_comm *comm, uint64_t *values, size_t count)
{
    return reduce_u64(comm, values, count, MPI_SUM);
}

ech_status ech_comm_max_u64(ech_comm *comm, uint64_t *values, size_t count)
{
    return reduce_u64(comm, values, count, MPI_MAX);
}

ech_status ech_comm_agree(ech_comm *comm, ech_status mine)
{
    struct {
        int32_t status;
        char message[MESSAGE_BYTES];
    } failure = {.status = (int32_t)mine};
    snprintf(failure.message, sizeof failure.message, "%.*s", MESSAGE_BYTES - 1,
             ech_status_message());

    int first_failed = mine == ECH_OK ? comm->size : comm->rank;
    const int began =
        MPI_Iallreduce(MPI_IN_PLACE, &first_failed, 1, MPI_INT, MPI_MIN, comm->handle, &comm->step);
    ech_status status = finish_step(comm, began, "agreeing on failure");
    if (status != ECH_OK || first_failed == comm->size) {
        return status;
    }
    status = ech_comm_broadcast(comm, &failure, sizeof failure, first_failed);
    if (status != ECH_OK) {
        return status;
    }
    if (first_failed == comm->rank) {
        return ech_fail((ech_status)failure.status, "%s", failure.message);
    }
    return ech_fail((ech_status)failure.status, "rank %d: %s", first_failed, failure.message);
}

void ech_comm_progress(const ech_comm *comm)
{
    int found = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm->handle, &found, MPI_STATUS_IGNORE);
}
