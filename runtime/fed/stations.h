/**
 * @file stations.h
 * A round where aggregators have a rule or rounds of their own, or where the leader's rule looks at
 * every update.
 *
 * A *station* is a node of the topology that updates a model by a rule: the leader alone, whatever
 * the tree above its workers, or each aggregator as well, where tiers are configured. A station
 * below the leader takes its parent's model, runs so many rounds of its tier (Liu et al.,
 * "Client-edge-cloud hierarchical federated learning", ICC 2020, with two tiers and FedAvg), and
 * hands its model up, where it counts as one update with all the samples below it. It keeps its
 * model only as long; the vectors of its rule (momenta) last from round to round.
 *
 * A rule that sums has an exact sum on the station's host. A rule that looks at every update
 * collects them there, in shared memory: updates * model, and what other hosts trained passes
 * through as much there. Whatever comes is put in the order of the workers' numbers before a rule
 * sees it, and what is summed is summed exactly: the same bits on any ranks and hosts.
 *
 * Rank 0 drives it with tasks, tier by tier, all stations of a tier at the same time.
 */
#ifndef ECH_FED_STATIONS_H
#define ECH_FED_STATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/attack.h"
#include "runtime/fed/ledger.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/round_apps.h"
#include "runtime/fed/select.h"
#include "runtime/fed/station_apps.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/worker_states.h"
#include "runtime/task/task.h"

/** What a tier of stations does; tier 0 is the leader. The last entry stands for all tiers below.
 */
typedef struct {
    uint32_t rounds; /* for each round of the tier above; 1 for the leader */
    ech_strategy *strategy;
} ech_tier_rule;

typedef struct {
    const ech_topology *topology;
    const ech_placement *placement;
    const ech_population *population;
    const ech_pace *pace;         /* the virtual clock; NULL: the real one */
    const ech_hostiles *hostiles; /* NULL: nobody */
    const ech_tier_rule *tiers;
    uint32_t tier_count;       /* 1: the leader alone is a station */
    bool includes_aggregators; /* always all of them: one worker more each, maybe */
    const ech_round_apps *apps;
    const ech_station_apps *station_apps;
    ech_replica *replica;
    ech_ledger *ledger;         /* begun for each round */
    ech_worker_states *vectors; /* NULL where no rule below the leader has any */
    ech_machine *machine;
    uint32_t slot_count; /* of each host's replica */
    uint32_t cell_count; /* the same, the reserve included */
    uint64_t seed;
    uint32_t epochs;
} ech_stations_options;

typedef struct ech_stations ech_stations;

/** What each host of a machine must have room for. */
typedef struct {
    uint32_t slots;
    uint32_t cells; /* beside cell 0, the leader's model */
} ech_stations_room;

/** @param options  topology, placement, population, tiers and machine are read.
 *  @return ECH_OK; ECH_ERR_MEMORY. */
ech_status ech_stations_need(const ech_stations_options *options, ech_stations_room *out);

/** Hosts of the stations, by number: an array of ech_stations_count; the caller's: ech_free. */
ech_status ech_stations_homes(const ech_stations_options *options, uint32_t **homes,
                              uint32_t *count);

/** @param options  copied; what it points to is borrowed until the stations are destroyed. */
ech_status ech_stations_create(ech_executor *executor, const ech_stations_options *options,
                               ech_stations **out);
void ech_stations_destroy(ech_stations **handle);

/** Times that edges of a tier are used in a round of the leader, by so many tiers of rules. */
uint64_t ech_stations_repeats(const ech_tier_rule *tiers, uint32_t tier_count, uint32_t tier);

/**
 * One round: train these workers, and bring the leader's model (cell 0 of rank 0's host) to its
 * next version. Every host has the model as it is in its cell 0.
 *
 * @param participants   at least one; their order changes.
 * @param[out] end_ns    on the virtual clock: when the leader has heard from all.
 * @return ECH_OK; ECH_ERR_LIMIT (more updates than a rule can collect, or fewer than it needs); a
 *         task's failure.
 */
ech_status ech_stations_run(ech_stations *stations, uint64_t round, ech_participant *participants,
                            uint32_t count, uint64_t *end_ns);

#endif
