/**
 * @file gather_priv.h
 * The inside of gather.h: the round that runs (gather.c), which leaf of which sum each
 * participant is and where it trains (gather_places.c), and sums on their way up (gather_moves.c).
 */
#ifndef ECH_FED_GATHER_PRIV_H
#define ECH_FED_GATHER_PRIV_H

#include <stdbool.h>

#include "runtime/fed/flight.h"
#include "runtime/fed/gather.h"
#include "runtime/fed/host_pool.h"

enum ech_gather_landing {
    ECH_LANDED_OPEN,
    ECH_LANDED_TRAIN,
    ECH_LANDED_COLLECT,
    ECH_LANDED_MERGE,
    ECH_LANDED_SEND,
    ECH_LANDED_RECEIVE
};

/* The last move between hosts that a host takes part in. */
typedef struct {
    ech_future *last_move; /* valid while moves are in flight */
    uint32_t moves_in_flight;
} ech_gather_host;

struct ech_gather {
    ech_gather_options options;
    ech_sum_plan *plan;
    ech_flight *flight;
    ech_gather_host *hosts;
    ech_host_pool *free_slots;
    uint32_t host_count;
    ech_future **opening; /* of each sum, while in flight */
    uint32_t *ready;      /* sums whose contributions are all in, to be moved */
    uint32_t *path;       /* open sums from the root to where workers are being submitted */
    uint32_t *waiting;    /* participants whose updates are in a store, to be added */
    uint32_t waiting_capacity;

    /* of the round that runs */
    uint64_t round;
    uint64_t weight_bound;
    ech_participant *participants; /* borrowed */
    uint32_t participant_count;
    uint32_t trained_count; /* cancelled ones too */
    uint32_t settled_count; /* in their sum, or left out */
    uint32_t waiting_count;
    uint32_t cancelled_count;
    uint64_t start_ns; /* monotonic */
    bool is_cut_off;
    uint32_t ready_count;
    uint32_t path_count;
    ech_ledger *ledger;
};

/** Put the round's participants in the order in which they are submitted, and number what each sum
 * gets. */
void ech_gather_place_participants(ech_gather *gather);

/** Where a worker may train: its sum and what it keeps may leave no choice. */
ech_task_options ech_gather_home_of(const ech_gather *gather, const ech_participant *who);

/** A task for the leader rank of a host. */
ech_task_options ech_gather_for_leader(const ech_gather *gather, uint32_t host);

/** One of the contributions that a sum waits for has come, or will not come. */
void ech_gather_contribution_is_in(ech_gather *gather, uint32_t sum);

void ech_gather_free_slot(ech_gather *gather, ech_sum_node *node);

/** Add a participant's update, which waits in a store, to its sum. */
ech_status ech_gather_submit_collect(ech_gather *gather, uint32_t index);

/** Hand a complete sum to its parent: by a merge on its host, or by a move to another. */
ech_status ech_gather_submit_departure(ech_gather *gather, uint32_t sum);

/** A part of a departure has landed. */
void ech_gather_land_departure(ech_gather *gather, const ech_landing *landing);

#endif
