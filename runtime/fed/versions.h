/**
 * @file versions.h
 * Which cell of which host holds what, in the asynchronous process: versions of models while a
 * worker still trains from them, copies of them on other hosts, and updates on their way.
 *
 * A cell is taken with one reference and free again when the last is released. A version lives on
 * rank 0's host; another host gets a copy when a worker there needs one, which holds the original.
 * Rank 0's; not thread-safe.
 */
#ifndef ECH_FED_VERSIONS_H
#define ECH_FED_VERSIONS_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/process.h"

typedef struct ech_versions ech_versions;

/** @param process  borrowed until the versions are destroyed; every cell is free at first. */
ech_status ech_versions_create(ech_process *process, ech_versions **out);
/** All tasks that use the cells have ended. Accepts NULL. */
void ech_versions_destroy(ech_versions **handle);

/** A free cell of a host; there is one (the owner's cells are counted beforehand). */
uint32_t ech_versions_take(ech_versions *versions, uint32_t host);
void ech_versions_hold(ech_versions *versions, uint32_t host, uint32_t cell);
/** @return ECH_OK, or the failure of having brought a copy that nobody needs any more. */
ech_status ech_versions_release(ech_versions *versions, uint32_t host, uint32_t cell);

/**
 * Have a version of rank 0's host on another, with a reference: a task brings it there unless it is
 * there.
 *
 * @param[out] copy      its cell there; on rank 0's host the same cell.
 * @param[out] fetching  input for the tasks that read it; NULL: none is needed. Borrowed while the
 *                       reference is held.
 */
ech_status ech_versions_copy(ech_versions *versions, uint32_t cell, uint32_t host, uint32_t *copy,
                             ech_future **fetching);

#endif
