/**
 * @file replica.h
 * What a host holds of a federation, shared by its ranks: cells with a model each, room for the
 * mean of a round, and its sums. Cell 0 is the global model; the asynchronous process keeps
 * versions of the model and updates in the others.
 *
 * The leader rank of a host writes the model (fetch, or the update on rank 0's host) while no task
 * reads it. Between hosts only leader ranks move anything, one-sided.
 */
#ifndef ECH_FED_REPLICA_H
#define ECH_FED_REPLICA_H

#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/sum.h"
#include "runtime/mpi/machine.h"

#define ECH_CELL_NONE UINT32_MAX

typedef struct ech_replica ech_replica;

/**
 * Collective over the machine.
 *
 * @param layout      borrowed until the replica is destroyed.
 * @param sums        of what kind; copied; the same on every rank.
 * @param slot_count  sums a host can hold at once; the same on every rank.
 * @param cell_count  models a host can hold at once, at least 1; the same on every rank.
 * @param reserve_count  more cells, numbered behind those: they cost nothing until
 *                       ech_replica_open_cell; the same on every rank.
 */
ech_status ech_replica_create(ech_machine *machine, const ech_layout *layout,
                              const ech_sum_options *sums, uint32_t slot_count, uint32_t cell_count,
                              uint32_t reserve_count, ech_replica **out);
/** Collective over the machine. */
void ech_replica_destroy(ech_replica **handle);

const ech_layout *ech_replica_layout(const ech_replica *replica);

/** What lies in a cell of the host. Borrowed. */
ech_state ech_replica_cell(const ech_replica *replica, uint32_t cell);
ech_state_view ech_replica_cell_view(const ech_replica *replica, uint32_t cell);

/** The same, backed with memory: before the first use of a cell of the reserve. Any rank of the
 * host.
 * @return ECH_OK; ECH_ERR_MEMORY (the host has no pages left). */
ech_status ech_replica_open_cell(const ech_replica *replica, uint32_t cell, ech_state *out);

/** The host's copy of the global model: cell 0. Borrowed. */
ech_state ech_replica_model(const ech_replica *replica);
ech_state_view ech_replica_model_view(const ech_replica *replica);

/** Room for value_count floats: the mean of a round before the strategy's update. Borrowed. */
float *ech_replica_mean(const ech_replica *replica);

/** This rank's handle of the sum in a slot. Borrowed. */
ech_sum *ech_replica_sum(const ech_replica *replica, uint32_t slot);

/** Called while a move waits, so that a leader rank serves others. */
typedef struct {
    void (*call)(void *user);
    void *user;
} ech_idle;

/** Copy a model from a cell of any host into one's own. Leader ranks; @param[out] bytes  moved. */
ech_status ech_replica_fetch(ech_replica *replica, uint32_t from_host, uint32_t from_cell,
                             uint32_t into_cell, uint64_t *bytes);

/**
 * Move a sum: the leader rank of one host sends while that of the other receives and adds it to
 * its own. At most one move a host at a time.
 *
 * @param leaf        that the sum is where it goes, settled here; ECH_LEAF_OWN: it has the leaves
 * of that sum.
 * @param[out] bytes  sent.
 */
ech_status ech_replica_send_sum(ech_replica *replica, uint32_t slot, uint32_t to_host,
                                uint32_t leaf, ech_idle idle, uint64_t *bytes);
ech_status ech_replica_receive_sum(ech_replica *replica, uint32_t slot, uint32_t from_host,
                                   uint32_t leaf, ech_idle idle);

#endif
