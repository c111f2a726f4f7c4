/**
 * @file window.h
 * Memory that the ranks of a host share, and that the leader ranks of other hosts reach by
 * one-sided MPI.
 *
 * One segment a host (MPI_Win_allocate_shared, owned by the leader rank, mapped by all; a plain
 * mapping where a host has one rank). Inside a host it is plain memory with C11 atomics. If the
 * window is `exposed`, leader ranks put into and get from the segments of other hosts, in one
 * lock_all epoch that lasts as long as the window. No word may be touched by C11 read-modify-write
 * operations and by puts of other hosts both; a word that other hosts put is read with
 * `ech_window_load`.
 *
 * Segments are sparse: pages that were never touched cost nothing, so that many times the host's
 * memory may be reserved (MPICH gets told, in ech_mpi_start, not to look for the same address in
 * every process: that walk over the range costs a second a GiB). A page that /dev/shm has no room
 * for kills the process that touches it, by SIGBUS: `ech_window_populate` first is the way to get a
 * status instead. Fresh memory reads as zeros.
 *
 * Progress: a put or get may return only once the leader rank of the other host enters MPI
 * (`ech_machine_progress`), in microseconds if it polls. Local completion and remote completion are
 * not told apart: when a put returns, the other host's memory holds the bytes.
 */
#ifndef ECH_MPI_WINDOW_H
#define ECH_MPI_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

/** Opaque. */
typedef struct ech_window ech_window;

/**
 * Make a window. Collective over all ranks of the machine.
 *
 * @param bytes    size of this host's segment; the same on all ranks of a host, may differ between
 *                 hosts; rounded up to pages; may be 0.
 * @param exposed  reachable from other hosts; the same everywhere.
 * @return ECH_OK, ECH_ERR_ARGUMENT (ranks of a host differ), ECH_ERR_MEMORY, ECH_ERR_MPI,
 *         ECH_ERR_TIMEOUT; the same on every rank.
 */
ech_status ech_window_create(ech_machine *machine, const char *name, uint64_t bytes, bool exposed,
                             ech_window **out);

/** Free it. Collective; every rank must be done with it. */
void ech_window_destroy(ech_window **window);

/** My host's segment in my address space, aligned to a page. */
void *ech_window_base(const ech_window *window);

/** Size of a host's segment. */
uint64_t ech_window_bytes(const ech_window *window, int host);

/**
 * Back a range of my host's segment with memory. Not collective: one rank of the host does it;
 * the others may do it too, to take the page faults of their own mappings at once.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (out of range); ECH_ERR_MEMORY: no room in memory or /dev/shm,
 *         with the sizes.
 */
ech_status ech_window_populate(ech_window *window, uint64_t offset, uint64_t bytes);

/* Leader ranks, exposed windows. Any size; moved in pieces. `host` may be one's own.
 * @return ECH_OK, ECH_ERR_ARGUMENT (range, not a leader, not exposed), ECH_ERR_MPI. */

ech_status ech_window_put(ech_window *window, int host, uint64_t offset, const void *source,
                          uint64_t bytes);
ech_status ech_window_get(ech_window *window, int host, uint64_t offset, void *destination,
                          uint64_t bytes);

/**
 * Begin a put that does not wait: for a leader rank that has other work to do meanwhile. When
 * MPI_Test says that `request` is done, `ech_window_complete` returns soon; only then are the bytes
 * in place and `source` free.
 *
 * @param bytes  at most 1 GiB.
 */
ech_status ech_window_begin_put(ech_window *window, int host, uint64_t offset, const void *source,
                                uint64_t bytes, MPI_Request *request);

/** Wait until all that this rank has put to a host is in place there. */
ech_status ech_window_complete(ech_window *window, int host);

/** Put one aligned 64-bit word: the way to publish what was put before (each put is complete when
 * it returns, so that the reader of the word sees the bytes). */
ech_status ech_window_put_word(ech_window *window, int host, uint64_t offset, uint64_t word);

/**
 * Send one aligned 64-bit word on its way and return at once, even if the other leader rank is busy
 * outside MPI: the word arrives when that rank enters MPI next. For acknowledgements and requests.
 * Nothing orders two posts to one word; `ech_window_complete` for that host, and so a put to it,
 * completes all posts before it.
 */
ech_status ech_window_post_word(ech_window *window, int host, uint64_t offset, uint64_t word);

/** Read a word of my segment that other hosts put. */
static inline uint64_t ech_window_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/** Bytes that this rank put to and got from other hosts so far (wire bytes, words included). */
typedef struct {
    uint64_t put_bytes;
    uint64_t got_bytes;
} ech_window_traffic;

ech_window_traffic ech_window_traffic_of(const ech_window *window);

#endif
