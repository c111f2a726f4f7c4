/**
 * @file guard_priv.h
 * Parts of the guard that tests look at: the line it prints, and what it cleans up.
 */
#ifndef ECH_MPI_GUARD_PRIV_H
#define ECH_MPI_GUARD_PRIV_H

#include <stddef.h>
#include <time.h>

#include "runtime/mpi/guard.h"

enum { ECH_GUARD_LINE_BYTES = 640 };

/**
 * Write "rank 3 on host n1: CAUSE, in task 17 (app: detail), phase P" and a line feed, what is not
 * known left out. Usable in a signal handler.
 *
 * @return length, without the terminator.
 */
size_t ech_guard_line(const ech_black_box *box, const char *cause,
                      char bytes[ECH_GUARD_LINE_BYTES]);

/**
 * Remove shared memory files that a rank killed during its start left behind: files in `directory`
 * whose names begin with `prefix`, of this user, made at `since` or later, that no process outside
 * of this job has mapped or open. A process is of this job if its parent's parent is `launcher`.
 *
 * @return how many were removed. Trouble is not reported: this is a courtesy of the last minute.
 */
int ech_leftovers_remove(const char *directory, const char *prefix, struct timespec since,
                         int launcher);

#endif
