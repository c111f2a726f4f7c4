#define _GNU_SOURCE
#include "runtime/mpi/window.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/segment.h"

enum {
    NAME_BYTES = 32,
    /* MPI counts are ints, and a large transfer should not keep a leader rank from its host. */
    PIECE_BYTES = 1 << 28,
    BEGIN_BYTES_MAX = 1 << 30
};

/* Where MPICH keeps what ranks share. */
static const char shared_directory[] = "/dev/shm";

struct ech_window {
    char name[NAME_BYTES];
    ech_machine *machine;
    MPI_Win shared;
    MPI_Win remote; /* MPI_WIN_NULL unless exposed and on a leader rank */
    char *base;
    uint64_t *bytes_of; /* by host */
    ech_window_traffic traffic;
};

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static ech_status first_failure(ech_status earlier, ech_status later)
{
    return earlier != ECH_OK ? earlier : later;
}

/* Every rank learns every host's size, and that the ranks of a host named the same. No rank leaves
 * early: the caller agrees on the outcome. */
static ech_status share_sizes(ech_window *window, uint64_t bytes)
{
    ech_machine *machine = window->machine;
    ech_comm *host = ech_machine_host_comm(machine);
    const size_t all_bytes = (size_t)ech_machine_host_count(machine) * sizeof *window->bytes_of;
    uint64_t leaders_bytes = bytes;
    ech_status status = ECH_OK;
    if (ech_machine_is_leader(machine)) {
        const uint64_t rounded = (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
        status = ech_comm_all_gather(ech_machine_leader_comm(machine), &rounded, sizeof rounded,
                                     window->bytes_of);
    }
    status =
        first_failure(status, ech_comm_broadcast(host, &leaders_bytes, sizeof leaders_bytes, 0));
    status = first_failure(status, ech_comm_broadcast(host, window->bytes_of, all_bytes, 0));
    if (status == ECH_OK && leaders_bytes != bytes) {
        status =
            ech_fail(ECH_ERR_ARGUMENT, "window %s: %llu bytes here, %llu on the leader rank",
                     window->name, (unsigned long long)bytes, (unsigned long long)leaders_bytes);
    }
    return status;
}

/* An empty segment still gets a page: neither MPI nor the system gives an address for nothing. */
static uint64_t segment_bytes(const ech_window *window)
{
    const uint64_t bytes = window->bytes_of[ech_machine_host(window->machine)];
    return bytes > 0 ? bytes : page_bytes();
}

static bool is_alone(const ech_window *window)
{
    return ech_comm_size(ech_machine_host_comm(window->machine)) == 1;
}

/* A lone rank gets heap memory from MPI_Win_allocate_shared: neither zeroed nor sparse. */
static ech_status map_alone(ech_window *window)
{
    void *base = mmap(NULL, segment_bytes(window), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return ech_fail(ECH_ERR_MEMORY, "window %s: cannot map %llu bytes: %s", window->name,
                        (unsigned long long)segment_bytes(window), strerror(errno));
    }
    window->base = base;
    return ECH_OK;
}

static ech_status allocate_shared(ech_window *window)
{
    ech_machine *machine = window->machine;
    const bool leader = ech_machine_is_leader(machine);
    void *base = NULL;
    ech_guard_bound("MPI_Win_allocate_shared", ECH_COMM_TIMEOUT_NS);
    int result = MPI_Win_allocate_shared(
        leader ? (MPI_Aint)segment_bytes(window) : 0, 1, MPI_INFO_NULL,
        ech_comm_handle(ech_machine_host_comm(machine)), &base, &window->shared);
    ech_guard_unbound();
    const ech_status status = ech_mpi_check(result, "MPI_Win_allocate_shared");
    if (status != ECH_OK) {
        window->shared = MPI_WIN_NULL;
        return ech_fail_context(status, "window %s, %llu bytes", window->name,
                                (unsigned long long)segment_bytes(window));
    }
    MPI_Win_set_errhandler(window->shared, MPI_ERRORS_RETURN);
    MPI_Aint size = 0;
    int unit = 0;
    result = MPI_Win_shared_query(window->shared, 0, &size, &unit, &base);
    window->base = base;
    return ech_mpi_check(result, "MPI_Win_shared_query");
}

static ech_status expose_segment(ech_window *window)
{
    ech_machine *machine = window->machine;
    const uint64_t bytes = window->bytes_of[ech_machine_host(machine)];
    ech_guard_bound("MPI_Win_create", ECH_COMM_TIMEOUT_NS);
    const int result =
        MPI_Win_create(window->base, (MPI_Aint)bytes, 1, MPI_INFO_NULL,
                       ech_comm_handle(ech_machine_leader_comm(machine)), &window->remote);
    ech_guard_unbound();
    const ech_status status = ech_mpi_check(result, "MPI_Win_create");
    if (status != ECH_OK) {
        window->remote = MPI_WIN_NULL;
        return status;
    }
    MPI_Win_set_errhandler(window->remote, MPI_ERRORS_RETURN);
    return ech_mpi_check(MPI_Win_lock_all(MPI_MODE_NOCHECK, window->remote), "MPI_Win_lock_all");
}

static void free_handle(ech_window **window)
{
    if (*window != NULL) {
        ech_free((*window)->bytes_of);
        ech_free(*window);
        *window = NULL;
    }
}

static ech_status make_handle(ech_machine *machine, const char *name, ech_window **out)
{
    ech_window *window = ech_calloc(1, sizeof *window);
    *out = window;
    if (window == NULL) {
        return ECH_ERR_MEMORY;
    }
    snprintf(window->name, sizeof window->name, "%s", name);
    window->machine = machine;
    window->shared = MPI_WIN_NULL;
    window->remote = MPI_WIN_NULL;
    window->bytes_of =
        ech_calloc((size_t)ech_machine_host_count(machine), sizeof *window->bytes_of);
    return window->bytes_of != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

/* Step by step, for no rank goes on alone. */
static ech_status make_memory(ech_window *window, uint64_t bytes, bool exposed)
{
    ech_machine *machine = window->machine;
    ech_comm *all = ech_machine_comm(machine);
    ech_status status = ech_comm_agree(all, share_sizes(window, bytes));
    if (status == ECH_OK) {
        status =
            ech_comm_agree(all, is_alone(window) ? map_alone(window) : allocate_shared(window));
    }
    if (status == ECH_OK) {
        const bool expose =
            exposed && ech_machine_is_leader(machine) && ech_machine_host_count(machine) > 1;
        status = ech_comm_agree(all, expose ? expose_segment(window) : ECH_OK);
    }
    return status;
}

ech_status ech_window_create(ech_machine *machine, const char *name, uint64_t bytes, bool exposed,
                             ech_window **out)
{
    ech_window *window = NULL;
    ech_status status = make_handle(machine, name, &window);
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status == ECH_OK && window != NULL) {
        status = make_memory(window, bytes, exposed);
    }
    if (status != ECH_OK) {
        /* What some ranks made and others did not cannot be freed together: it is left behind. */
        free_handle(&window);
    }
    *out = window;
    return status;
}

/* Freeing windows is collective and spins: who comes early naps in the barrier. What fails here
 * shows there. */
static void release_memory(ech_window *window)
{
    (void)ech_comm_barrier(ech_machine_comm(window->machine));
    ech_guard_bound("MPI_Win_free", ECH_COMM_TIMEOUT_NS);
    if (window->remote != MPI_WIN_NULL) {
        MPI_Win_unlock_all(window->remote);
        MPI_Win_free(&window->remote);
    }
    if (window->shared != MPI_WIN_NULL) {
        MPI_Win_free(&window->shared);
    } else {
        munmap(window->base, segment_bytes(window));
    }
    ech_guard_unbound();
}

void ech_window_destroy(ech_window **window)
{
    if (window == NULL || *window == NULL) {
        return;
    }
    release_memory(*window);
    free_handle(window);
}

void *ech_window_base(const ech_window *window)
{
    return window->base;
}

uint64_t ech_window_bytes(const ech_window *window, int host)
{
    return window->bytes_of[host];
}

static ech_status check_range(const ech_window *window, int host, uint64_t offset, uint64_t bytes)
{
    if (host < 0 || host >= ech_machine_host_count(window->machine)) {
        return ech_fail(ECH_ERR_ARGUMENT, "window %s: there is no host %d", window->name, host);
    }
    const uint64_t size = window->bytes_of[host];
    if (offset > size || bytes > size - offset) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "window %s: %llu bytes at %llu lie outside of host %d's %llu", window->name,
                        (unsigned long long)bytes, (unsigned long long)offset, host,
                        (unsigned long long)size);
    }
    return ECH_OK;
}

ech_status ech_window_populate(ech_window *window, uint64_t offset, uint64_t bytes)
{
    ech_status status = check_range(window, ech_machine_host(window->machine), offset, bytes);
    if (status == ECH_OK && bytes > 0) {
        const uint64_t begin = offset / page_bytes() * page_bytes();
        status = ech_segment_populate(window->base + begin, offset + bytes - begin,
                                      is_alone(window) ? NULL : shared_directory);
    }
    return status == ECH_OK ? status : ech_fail_context(status, "window %s", window->name);
}

static ech_status check_reachable(const ech_window *window, int host, uint64_t offset,
                                  uint64_t bytes)
{
    if (!ech_machine_is_leader(window->machine)) {
        return ech_fail(ECH_ERR_ARGUMENT, "window %s: only leader ranks reach other hosts",
                        window->name);
    }
    if (host != ech_machine_host(window->machine) && window->remote == MPI_WIN_NULL) {
        return ech_fail(ECH_ERR_ARGUMENT, "window %s is not exposed to other hosts", window->name);
    }
    return check_range(window, host, offset, bytes);
}

ech_status ech_window_complete(ech_window *window, int host)
{
    if (window->remote == MPI_WIN_NULL || host == ech_machine_host(window->machine)) {
        return ECH_OK;
    }
    ech_guard_bound("MPI_Win_flush", ECH_COMM_TIMEOUT_NS);
    const ech_status status = ech_mpi_check(MPI_Win_flush(host, window->remote), "MPI_Win_flush");
    ech_guard_unbound();
    return status;
}

static ech_status move_piece(ech_window *window, int host, uint64_t offset, void *local, int bytes,
                             bool is_put)
{
    const MPI_Aint at = (MPI_Aint)offset;
    const int began =
        is_put ? MPI_Put(local, bytes, MPI_BYTE, host, at, bytes, MPI_BYTE, window->remote)
               : MPI_Get(local, bytes, MPI_BYTE, host, at, bytes, MPI_BYTE, window->remote);
    const ech_status status = ech_mpi_check(began, is_put ? "MPI_Put" : "MPI_Get");
    return status == ECH_OK ? ech_window_complete(window, host) : status;
}

static ech_status move(ech_window *window, int host, uint64_t offset, char *local, uint64_t bytes,
                       bool is_put)
{
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        const int piece = (int)(bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES);
        const ech_status status = move_piece(window, host, offset + at, local + at, piece, is_put);
        if (status != ECH_OK) {
            return ech_fail_context(status, "window %s, host %d (%s)", window->name, host,
                                    ech_machine_host_name(window->machine, host));
        }
    }
    return ECH_OK;
}

ech_status ech_window_put(ech_window *window, int host, uint64_t offset, const void *source,
                          uint64_t bytes)
{
    const ech_status status = check_reachable(window, host, offset, bytes);
    if (status != ECH_OK) {
        return status;
    }
    if (host == ech_machine_host(window->machine)) {
        memcpy(window->base + offset, source, bytes);
        return ECH_OK;
    }
    window->traffic.put_bytes += bytes;
    return move(window, host, offset, (char *)source, bytes, true);
}

ech_status ech_window_get(ech_window *window, int host, uint64_t offset, void *destination,
                          uint64_t bytes)
{
    const ech_status status = check_reachable(window, host, offset, bytes);
    if (status != ECH_OK) {
        return status;
    }
    if (host == ech_machine_host(window->machine)) {
        memcpy(destination, window->base + offset, bytes);
        return ECH_OK;
    }
    window->traffic.got_bytes += bytes;
    return move(window, host, offset, destination, bytes, false);
}

ech_status ech_window_begin_put(ech_window *window, int host, uint64_t offset, const void *source,
                                uint64_t bytes, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    const ech_status status = check_reachable(window, host, offset, bytes);
    if (status != ECH_OK) {
        return status;
    }
    if (bytes > BEGIN_BYTES_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "window %s: %llu bytes are too many for one put",
                        window->name, (unsigned long long)bytes);
    }
    if (host == ech_machine_host(window->machine)) {
        memcpy(window->base + offset, source, bytes);
        return ECH_OK;
    }
    window->traffic.put_bytes += bytes;
    return ech_mpi_check(MPI_Rput(source, (int)bytes, MPI_BYTE, host, (MPI_Aint)offset, (int)bytes,
                                  MPI_BYTE, window->remote, request),
                         "MPI_Rput");
}

static ech_status check_word(const ech_window *window, int host, uint64_t offset)
{
    if (offset % sizeof(uint64_t) != 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "window %s: a word at %llu is not aligned", window->name,
                        (unsigned long long)offset);
    }
    return check_reachable(window, host, offset, sizeof(uint64_t));
}

static void store_word(ech_window *window, uint64_t offset, uint64_t word)
{
    __atomic_store_n((uint64_t *)(void *)(window->base + offset), word, __ATOMIC_RELEASE);
}

ech_status ech_window_put_word(ech_window *window, int host, uint64_t offset, uint64_t word)
{
    const ech_status status = check_word(window, host, offset);
    if (status != ECH_OK) {
        return status;
    }
    if (host == ech_machine_host(window->machine)) {
        store_word(window, offset, word);
        return ECH_OK;
    }
    window->traffic.put_bytes += sizeof word;
    return move(window, host, offset, (char *)&word, sizeof word, true);
}

ech_status ech_window_post_word(ech_window *window, int host, uint64_t offset, uint64_t word)
{
    const ech_status status = check_word(window, host, offset);
    if (status != ECH_OK) {
        return status;
    }
    if (host == ech_machine_host(window->machine)) {
        store_word(window, offset, word);
        return ECH_OK;
    }
    window->traffic.put_bytes += sizeof word;
    const int began = MPI_Put(&word, sizeof word, MPI_BYTE, host, (MPI_Aint)offset, sizeof word,
                              MPI_BYTE, window->remote);
    const ech_status put = ech_mpi_check(began, "MPI_Put");
    return put == ECH_OK
               ? ech_mpi_check(MPI_Win_flush_local(host, window->remote), "MPI_Win_flush_local")
               : put;
}

ech_window_traffic ech_window_traffic_of(const ech_window *window)
{
    return window->traffic;
}
