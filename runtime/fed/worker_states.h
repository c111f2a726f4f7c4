/**
 * @file worker_states.h
 * What workers keep between their rounds (control variates): a vector a worker, each in the shared
 * memory of the one host where that worker trains, its *home*, read and written in place by
 * whichever of the host's ranks trains it.
 *
 * Memory: value_count * 4 bytes for each worker that has trained, over all hosts, whatever the
 * number of ranks; a worker that never trained costs nothing there. Rank 0 holds 8 bytes and a bit
 * for every worker beside. Vectors never move between hosts while the federation runs, so a worker
 * cannot be stolen by another host; for a checkpoint rank 0 reads them all.
 */
#ifndef ECH_FED_WORKER_STATES_H
#define ECH_FED_WORKER_STATES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

typedef struct ech_worker_states ech_worker_states;

/**
 * Collective over the machine. All vectors are zero.
 *
 * @param homes  rank 0's: the host of each worker, copied; ignored on the other ranks.
 * @return the same on every rank: ECH_OK; ECH_ERR_MEMORY (also where the address space has no room
 *         for all workers of a host), ECH_ERR_MPI.
 */
ech_status ech_worker_states_create(ech_machine *machine, uint64_t value_count,
                                    const uint32_t *homes, uint32_t worker_count,
                                    ech_worker_states **out);
/** Collective. */
void ech_worker_states_destroy(ech_worker_states **states);

/** Any rank of the worker's home: its vector, backed by memory; valid as long as the states.
 * @return ECH_OK; ECH_ERR_MEMORY (the host has no pages left). */
ech_status ech_worker_states_open(ech_worker_states *states, uint32_t slot, float **values);

/* Rank 0. */

uint32_t ech_worker_states_home(const ech_worker_states *states, uint32_t worker);
/** Where a worker's vector lies on its home, for ech_worker_states_open. */
uint32_t ech_worker_states_slot(const ech_worker_states *states, uint32_t worker);
/** Its vector may differ from zero from now on. */
void ech_worker_states_mark(ech_worker_states *states, uint32_t worker);
bool ech_worker_states_is_marked(const ech_worker_states *states, uint32_t worker);
/** Workers that were marked. */
uint32_t ech_worker_states_count(const ech_worker_states *states);

/**
 * All marked workers' vectors. While no worker trains.
 *
 * @param[out] workers  ech_worker_states_count numbers, ascending.
 * @param[out] values   value_count floats for each.
 */
ech_status ech_worker_states_read(const ech_worker_states *states, uint32_t *workers,
                                  float *values);

/** Put vectors back and mark their workers. @return ECH_OK; ECH_ERR_FORMAT (no such worker);
 * ECH_ERR_MEMORY; ECH_ERR_MPI. */
ech_status ech_worker_states_write(ech_worker_states *states, const uint32_t *workers,
                                   uint32_t count, const float *values);

#endif
