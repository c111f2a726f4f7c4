/**
 * @file sync_priv.h
 * The inside of sync.h: life and run (sync.c), the parts of a round (sync_round.c), those that
 * remote sites take part in (sync_sites.c), what goes into checkpoints (sync_state.c).
 */
#ifndef ECH_FED_SYNC_PRIV_H
#define ECH_FED_SYNC_PRIV_H

#include "runtime/fed/bytes.h"
#include "runtime/fed/flight.h"
#include "runtime/fed/gather.h"
#include "runtime/fed/process.h"
#include "runtime/fed/roster.h"
#include "runtime/fed/sync.h"

struct ech_sync {
    ech_sync_options options;
    ech_tier_rule alone; /* the leader's, where no tier has its own */
    const ech_strategy **strategies;
    ech_process *process;
    ech_worker_states *states;  /* NULL where the rule keeps nothing on workers */
    ech_worker_states *vectors; /* NULL where no aggregator's rule has any */
    ech_station_rank station_rank;
    ech_station_apps station_apps;
    uint32_t slot_count; /* of the gather or the stations; two more for what is kept */
    uint32_t leaves_max; /* of any round */
    uint32_t cell_count;

    /* rank 0 */
    ech_hostiles *hostiles;
    ech_roster roster;
    uint64_t now_ns;       /* on the virtual clock */
    uint64_t weight_all;   /* of all workers that may be selected */
    uint32_t late_slot;    /* the sum of what was kept for the next round */
    uint64_t late_updates; /* in it */

    /* rank 0, while it runs */
    ech_ledger ledger;
    ech_gather *gather; /* one of the two */
    ech_stations *stations;
    ech_flight *flight; /* slices of the mean, sums of what is kept */
    ech_tier_traffic *traffic;
    ech_executor *executor;        /* whose waits serve the hub */
    ech_site_report *site_reports; /* of the round; NULL without sites */
};

static inline bool ech_sync_has_stations(const ech_sync *sync)
{
    return sync->options.tiers != NULL || sync->options.strategy->rule->collect != NULL;
}

static inline bool ech_sync_keeps_late(const ech_sync *sync)
{
    return sync->options.cutoff.late == ECH_LATE_KEEP;
}

/** Most weight that a sum may hold: all workers', and all that were kept. */
static inline uint64_t ech_sync_late_bound(const ech_sync *sync)
{
    return 2 * sync->weight_all;
}

/** Select, train, aggregate, update: from one global model on rank 0's host to the next. */
ech_status ech_sync_train_and_update(ech_sync *sync, uint64_t round);

/** The cut-off of the real clock; the virtual clock's is the roster's. */
ech_cutoff ech_sync_real_cutoff(const ech_sync *sync);

/** Begin a round on a sum of rank 0's host. */
ech_status ech_sync_open(ech_sync *sync, uint32_t slot, uint64_t weight_bound);

/** Before and after the run: the hub is served wherever rank 0 waits. */
ech_status ech_sync_prepare_sites(ech_sync *sync, ech_executor *executor);
void ech_sync_release_sites(ech_sync *sync);

/** The sums of a round that remote sites take part in. @param[out] slot  of all that came. */
ech_status ech_sync_gather_sites(ech_sync *sync, uint64_t round, uint32_t *slot);

/** A task of the sync's own flight has landed. */
ech_status ech_sync_land(void *user, const ech_landing *landing);

#endif
