/* The parts of a round. */
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/fed/sync_priv.h"

enum { FINISH_SLICE_VALUES = 1 << 18 /* 1 MiB of float32: worth a task */ };

ech_status ech_sync_land(void *user, const ech_landing *landing)
{
    ech_sync *sync = user;
    ech_process_add_step(sync->process, landing->result);
    return ECH_OK;
}

static ech_task_options on_host_0(void)
{
    return (ech_task_options){.affinity = ECH_AFFINITY_HOST, .strict = true};
}

static ech_task_options on_rank_0(void)
{
    return (ech_task_options){.affinity = ECH_AFFINITY_RANK, .strict = true};
}

static ech_status average(ech_sync *sync, uint32_t slot, bool in_place)
{
    ech_status status = ECH_OK;
    const uint64_t value_count = sync->process->layout->value_count;
    for (uint64_t first = 0; first < value_count && status == ECH_OK;
         first += FINISH_SLICE_VALUES) {
        const uint64_t left = value_count - first;
        const ech_finish_arguments finish = {
            .first = first,
            .count = left < FINISH_SLICE_VALUES ? left : FINISH_SLICE_VALUES,
            .slot = slot,
            .in_place = in_place,
        };
        const ech_task_options options = on_host_0();
        status = ech_flight_submit(sync->flight, 0, 0, sync->process->apps.finish, &finish,
                                   sizeof finish, &options, NULL);
    }
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

static ech_status update_model(ech_sync *sync, uint32_t slot)
{
    ech_strategy *strategy = sync->options.strategy;
    const bool in_place = strategy->rule->step == NULL;
    ech_sum *sum = ech_replica_sum(sync->process->replica, slot);
    ech_sum_settle(sum);
    ech_status status = average(sync, slot, in_place);
    if (status != ECH_OK) {
        return status;
    }
    const ech_state model = ech_replica_model(sync->process->replica);
    const uint64_t start_ns = ech_clock_ns();
    status = ech_sum_finish_counters(sum, model.counters);
    if (!in_place) {
        const ech_trainer *trainer = sync->options.trainer;
        const ech_aggregate aggregate = {.mean = ech_replica_mean(sync->process->replica),
                                         .weight = ech_sum_weight(sum),
                                         .weight_all = sync->weight_all};
        ech_strategy_update(strategy, trainer->layout(trainer->self), &aggregate, model.values);
        ech_strategy_publish(strategy, model.values);
    }
    sync->process->report.phase_seconds[ECH_PHASE_AGGREGATE] +=
        ech_clock_seconds(ech_clock_ns() - start_ns);
    return status;
}

/* ---- what is kept for the next round ---- */

static ech_status merge(ech_sync *sync, uint32_t from_slot, uint32_t into_slot)
{
    const ech_merge_arguments merging = {.from_slot = from_slot, .into_slot = into_slot};
    const ech_task_options options = on_rank_0();
    const ech_status status = ech_flight_submit(sync->flight, 0, 0, sync->process->apps.merge,
                                                &merging, sizeof merging, &options, NULL);
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

ech_status ech_sync_open(ech_sync *sync, uint32_t slot, uint64_t weight_bound)
{
    const ech_open_arguments opening = {.weight_bound = weight_bound, .slot = slot};
    const ech_task_options options = on_rank_0();
    const ech_status status = ech_flight_submit(sync->flight, 0, 0, sync->process->apps.open,
                                                &opening, sizeof opening, &options, NULL);
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

static uint32_t other_late_slot(const ech_sync *sync)
{
    return 2 * sync->slot_count + 1 - sync->late_slot; /* the two behind the gather's own */
}

/* Train the latecomers from the model as it is; their sum is for the next round. */
static ech_status train_latecomers(ech_sync *sync, uint64_t round)
{
    ech_roster *roster = &sync->roster;
    if (roster->kept_count == 0) {
        return ECH_OK;
    }
    uint32_t root_slot = 0;
    ech_status status = ech_sync_open(sync, other_late_slot(sync), ech_sync_late_bound(sync));
    if (status == ECH_OK) {
        status =
            ech_gather_run(sync->gather, round, ech_sync_late_bound(sync),
                           roster->participants + roster->count, roster->kept_count, &root_slot);
    }
    return status == ECH_OK ? merge(sync, root_slot, other_late_slot(sync)) : status;
}

/* Add what was kept from the round before, and keep this round's.
 * @param[in,out] slot  of the round's own sum, if anything came at all. */
static ech_status take_latecomers(ech_sync *sync, uint32_t *slot)
{
    ech_round_report *report = &sync->process->report;
    ech_status status = ECH_OK;
    if (sync->late_updates > 0 && report->contributed > 0) {
        status = merge(sync, sync->late_slot, *slot);
    } else if (sync->late_updates > 0) {
        *slot = sync->late_slot;
    }
    report->contributed += sync->late_updates;
    report->kept = sync->late_updates;
    sync->late_updates = sync->ledger.kept;
    sync->late_slot = other_late_slot(sync);
    return status;
}

/* ---- sums of the leader's rule alone ---- */

static ech_status run_gather(ech_sync *sync, uint64_t round)
{
    ech_roster *roster = &sync->roster;
    uint32_t slot = 0;
    ech_status status = train_latecomers(sync, round);
    if (status == ECH_OK && sync->options.hub != NULL) {
        status = ech_sync_gather_sites(sync, round, &slot);
    } else if (status == ECH_OK && roster->count > 0) {
        const uint64_t bound = ech_sync_keeps_late(sync) ? ech_sync_late_bound(sync) : 0;
        status =
            ech_gather_run(sync->gather, round, bound, roster->participants, roster->count, &slot);
    }
    if (status == ECH_OK && ech_sync_keeps_late(sync)) {
        status = take_latecomers(sync, &slot);
    }
    if (status != ECH_OK || sync->process->report.contributed == 0) {
        return status;
    }
    return update_model(sync, slot);
}

static ech_status run_stations(ech_sync *sync, uint64_t round)
{
    ech_roster *roster = &sync->roster;
    uint64_t end_ns = roster->end_ns;
    if (roster->count == 0) {
        return ECH_OK;
    }
    const ech_status status =
        ech_stations_run(sync->stations, round, roster->participants, roster->count, &end_ns);
    roster->end_ns = end_ns > roster->end_ns ? end_ns : roster->end_ns;
    return status;
}

/* ---- the round ---- */

/* A rule of the leader's alone that looks at every update gets each of them over each edge. */
static ech_status count_logical_bytes(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    const uint64_t down_bytes = ech_strategy_down_bytes(options->strategy);
    const uint64_t up_bytes = ech_strategy_up_bytes(options->strategy);
    const bool passes_all = options->tiers == NULL && options->strategy->rule->collect != NULL;
    const ech_status status = ech_bytes_count(options->topology, sync->roster.selection.workers,
                                              sync->roster.selection.count, sync->traffic);
    for (uint32_t tier = 1; tier < sync->process->tier_count && status == ECH_OK; tier++) {
        const uint64_t repeats =
            options->tiers != NULL ? ech_stations_repeats(options->tiers, options->tier_count, tier)
                                   : 1;
        const uint64_t up = passes_all ? sync->traffic[tier].updates : sync->traffic[tier].edges;
        sync->process->tiers[tier].logical_down = repeats * sync->traffic[tier].edges * down_bytes;
        sync->process->tiers[tier].logical_up = repeats * up * up_bytes;
    }
    return status;
}

static ech_status call_roster(ech_sync *sync, uint64_t round)
{
    const ech_roster_options options = {
        .strategy = sync->options.strategy,
        .population = sync->options.population,
        .pace = sync->options.pace,
        .topology = sync->options.includes_aggregators ? sync->options.topology : NULL,
        .cutoff = sync->options.cutoff,
        .seed = sync->options.seed,
    };
    const ech_status status = ech_roster_call(&sync->roster, &options, round, sync->now_ns);
    ech_round_report *report = &sync->process->report;
    report->selected = sync->roster.selected_count;
    report->late = sync->roster.kept_count + sync->roster.dropped_count;
    return status;
}

static void advance_clock(ech_sync *sync)
{
    ech_round_report *report = &sync->process->report;
    if (sync->options.pace != NULL) {
        report->start_ns = sync->roster.start_ns;
        report->clock_seconds = (double)(sync->roster.end_ns - sync->roster.start_ns) * 1e-9;
        sync->now_ns = sync->roster.end_ns;
    }
}

ech_status ech_sync_train_and_update(ech_sync *sync, uint64_t round)
{
    ech_status status = call_roster(sync, round);
    if (status != ECH_OK) {
        return status;
    }
    ech_ledger_begin(&sync->ledger, &sync->process->report, sync->process->tiers);
    status = ech_sync_has_stations(sync) ? run_stations(sync, round) : run_gather(sync, round);
    if (status == ECH_OK) {
        status = count_logical_bytes(sync);
    }
    ech_ledger_end(&sync->ledger);
    advance_clock(sync);
    if (status == ECH_OK && sync->process->report.contributed == 0) {
        ech_log(ECH_LOG_WARNING, "round %llu: no update came, the model stays as it was",
                (unsigned long long)round);
    }
    return status;
}
