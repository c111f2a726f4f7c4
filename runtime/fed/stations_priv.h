/**
 * @file stations_priv.h
 * The inside of stations.h: which stations there are and what they hold (station_plan.c), how one
 * makes its next model (station_update.c), and the round (stations.c).
 */
#ifndef ECH_FED_STATIONS_PRIV_H
#define ECH_FED_STATIONS_PRIV_H

#include <stdbool.h>

#include "runtime/fed/flight.h"
#include "runtime/fed/host_pool.h"
#include "runtime/fed/stations.h"
#include "runtime/fed/sum_plan.h"

#define ECH_STATION_NONE UINT32_MAX

typedef struct {
    uint32_t node;   /* of the topology */
    uint32_t parent; /* station; ECH_STATION_NONE: the leader */
    uint32_t host;
    uint32_t tier;

    /* of the round that runs */
    bool is_active;
    uint32_t model_cell, mean_cell;
    uint32_t slot;            /* of its sum; ECH_SUM_NONE: it collects */
    uint32_t leaf_count;      /* contributions that may come to it */
    uint32_t leaf;            /* its own among its parent's */
    uint64_t weight_selected; /* that its updates may bring in all */
    uint64_t samples_selected;
    uint64_t samples; /* of the updates that came */
    uint32_t update_count;
    uint64_t start_ns, end_ns; /* virtual */
} ech_station;

/* An update that a station has collected, or waits for on another host. */
typedef struct {
    uint64_t order; /* among the station's */
    uint64_t weight;
    uint32_t station;
    uint32_t host;
    uint32_t cell;
} ech_station_update;

enum ech_station_landing {
    ECH_LANDED_STEP,  /* nothing but its time */
    ECH_LANDED_BYTES, /* subject: the tier whose edges they crossed, upwards */
    ECH_LANDED_DOWN,  /* the same, downwards */
    ECH_LANDED_TRAINING,
    ECH_LANDED_SQUARES,
};

struct ech_stations {
    ech_stations_options options;
    ech_flight *flight;
    ech_station *stations; /* by tier, in the order of the nodes */
    uint32_t count;
    uint32_t *station_of; /* by node; of a worker that of its parent */
    ech_host_pool *free_cells, *free_slots;

    /* of the round that runs */
    ech_participant *participants; /* borrowed; by station */
    uint32_t participant_count;
    uint32_t *cells; /* of a participant in training; ECH_CELL_NONE */
    uint32_t cells_capacity;
    ech_station_update *updates;
    uint32_t update_count, update_capacity;
    double *squares; /* of the station at hand */
    uint32_t square_rows;
};

/** The stations of a topology, without a run's state. */
ech_status ech_station_plan(const ech_stations_options *options, ech_station **out,
                            uint32_t **station_of, uint32_t *count);

/** The entry of the options' tiers that rules a tier. */
uint32_t ech_station_rule_tier(const ech_stations *stations, uint32_t tier);

const ech_strategy *ech_station_strategy(const ech_stations *stations, uint32_t station);

/** A task for the leader rank of a station's host. */
ech_task_options ech_station_for_leader(const ech_stations *stations, uint32_t host);

/**
 * Bring all stations of a tier to their next models from what they have heard, and forget their
 * updates. One that heard nothing keeps its model.
 */
ech_status ech_station_update_tier(ech_stations *stations, uint32_t tier);

/** A task of ech_station_update_tier has found distances. */
void ech_station_land_squares(ech_stations *stations, uint32_t first_row,
                              const ech_squares_result *result);

#endif
