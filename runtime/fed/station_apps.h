/**
 * @file station_apps.h
 * The tasks of stations (stations.h): what the ranks of a station's host do to its updates.
 */
#ifndef ECH_FED_STATION_APPS_H
#define ECH_FED_STATION_APPS_H

#include <stdint.h>

#include "runtime/fed/collect_rule.h"
#include "runtime/fed/round_apps.h"

enum {
    ECH_STATION_PAIRS_MAX = 16384, /* of updates, whose distances one task finds */
    ECH_STATION_APP_COUNT = 4,
};

/** Squared distances of the updates of rows [first, end) to those before them. */
typedef struct {
    uint32_t first, end;
    uint32_t update_count;
    uint32_t cells[]; /* of the updates */
} ech_squares_arguments;

typedef struct {
    ech_step_result step;
    double squares[]; /* as ech_collect_squares gives them */
} ech_squares_result;

/** A slice of what a collecting rule makes of its updates, into a cell; the slice that begins with
 * element 0 brings the counters too, each the largest of the updates'. */
typedef struct {
    uint64_t first, count;
    uint32_t tier; /* whose rule it is */
    uint32_t into_cell;
    uint32_t update_count;
    uint32_t has_shares;
    double shares_and_cells[]; /* update_count shares, if any; then as many cells, uint32_t each */
} ech_combine_arguments;

/** Bring a child's model to its parent's host, in the form of the parent's rule, and add it to the
 *  parent's sum or leave it in the cell. For leader ranks. */
typedef struct {
    uint64_t weight;
    uint32_t from_host, from_cell;
    uint32_t into_cell;
    uint32_t base_cell; /* the parent's model */
    uint32_t slot;      /* of the parent's sum; ECH_SUM_NONE: leave it in the cell */
    uint32_t leaf;      /* of that sum */
    uint32_t tier;      /* of the parent */
} ech_hand_up_arguments;

/** The next model of an aggregator, from the mean of its updates. For leader ranks. */
typedef struct {
    uint64_t weight; /* of what it has heard from */
    uint32_t tier;
    uint32_t state_slot; /* of its rule's vectors, where it has some */
    uint32_t is_first;   /* 1: they are to be started */
    uint32_t model_cell, mean_cell;
} ech_station_step_arguments;

typedef struct {
    ech_app_id squares, combine, hand_up, step;
} ech_station_apps;

/** What a rank brings to these tasks; borrowed by the registered apps. */
typedef struct {
    const ech_round_rank *round;
    ech_worker_states *vectors; /* of stations below the leader; NULL where no rule has any */
    ech_work_binding bindings[ECH_STATION_APP_COUNT]; /* of the apps; made as they are registered */
} ech_station_rank;

ech_status ech_station_apps_register(ech_app_registry *registry, ech_station_rank *rank,
                                     ech_station_apps *out);

/** Bytes of arguments with so many updates. */
size_t ech_squares_bytes(uint32_t update_count);
size_t ech_combine_bytes(uint32_t update_count, bool has_shares);

#endif
