#include "runtime/fed/stations.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/memory.h"
#include "runtime/fed/stations_priv.h"

enum { FLIGHT_CAPACITY = 4096, PRIORITY_STATIONS = 1 };

/* ---- life ---- */

static ech_status create_pools(ech_stations *stations)
{
    const ech_stations_options *options = &stations->options;
    const uint32_t hosts = (uint32_t)ech_machine_host_count(options->machine);
    const ech_status status =
        ech_host_pool_create(hosts, 1, options->cell_count - 1, &stations->free_cells);
    return status == ECH_OK
               ? ech_host_pool_create(hosts, 0, options->slot_count, &stations->free_slots)
               : status;
}

static ech_status land(void *user, const ech_landing *landing);

ech_status ech_stations_create(ech_executor *executor, const ech_stations_options *options,
                               ech_stations **out)
{
    *out = NULL;
    ech_stations *stations = ech_calloc(1, sizeof *stations);
    if (stations == NULL) {
        return ECH_ERR_MEMORY;
    }
    stations->options = *options;
    ech_status status =
        ech_station_plan(options, &stations->stations, &stations->station_of, &stations->count);
    if (status == ECH_OK) {
        status = create_pools(stations);
    }
    if (status == ECH_OK) {
        status = ech_flight_create(executor, FLIGHT_CAPACITY, land, stations, &stations->flight);
    }
    if (status != ECH_OK) {
        ech_stations_destroy(&stations);
        return status;
    }
    *out = stations;
    return ECH_OK;
}

void ech_stations_destroy(ech_stations **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_stations *stations = *handle;
    ech_flight_destroy(&stations->flight);
    ech_host_pool_destroy(&stations->free_cells);
    ech_host_pool_destroy(&stations->free_slots);
    ech_free(stations->stations);
    ech_free(stations->station_of);
    ech_free(stations->cells);
    ech_free(stations->updates);
    ech_free(stations);
    *handle = NULL;
}

/* ---- what the parts share ---- */

uint32_t ech_station_rule_tier(const ech_stations *stations, uint32_t tier)
{
    const uint32_t last = stations->options.tier_count - 1;
    return tier < last ? tier : last;
}

const ech_strategy *ech_station_strategy(const ech_stations *stations, uint32_t station)
{
    const uint32_t tier = stations->stations[station].tier;
    return stations->options.tiers[ech_station_rule_tier(stations, tier)].strategy;
}

ech_task_options ech_station_for_leader(const ech_stations *stations, uint32_t host)
{
    return (ech_task_options){
        .affinity = ECH_AFFINITY_RANK,
        .affinity_value = (uint64_t)ech_machine_leader_of(stations->options.machine, (int)host),
        .strict = true,
        .priority = PRIORITY_STATIONS,
    };
}

/* ---- who takes part ---- */

static uint32_t station_of(const ech_stations *stations, uint32_t worker)
{
    return stations->station_of[ech_topology_worker_node(stations->options.topology, worker)];
}

static void activate(ech_stations *stations, uint32_t number)
{
    ech_station *station = &stations->stations[number];
    station->is_active = true;
    station->model_cell = number == 0 ? 0 : ech_host_pool_take(stations->free_cells, station->host);
    station->mean_cell = ech_host_pool_take(stations->free_cells, station->host);
    station->slot = ECH_SUM_NONE;
    if (ech_station_strategy(stations, number)->rule->collect == NULL) {
        station->slot = ech_host_pool_take(stations->free_slots, station->host);
    }
}

static void deactivate_all(ech_stations *stations)
{
    for (uint32_t s = 0; s < stations->count; s++) {
        ech_station *station = &stations->stations[s];
        if (!station->is_active) {
            continue;
        }
        station->is_active = false;
        if (s > 0) {
            ech_host_pool_give(stations->free_cells, station->host, station->model_cell);
        }
        ech_host_pool_give(stations->free_cells, station->host, station->mean_cell);
        if (station->slot != ECH_SUM_NONE) {
            ech_host_pool_give(stations->free_slots, station->host, station->slot);
        }
    }
}

static uint64_t weight_of(const ech_stations *stations, uint32_t station, uint64_t samples)
{
    const ech_strategy *strategy = ech_station_strategy(stations, station);
    return strategy->rule->weight(strategy, samples);
}

/* What may come to each station, and the leaf that it is there: its workers' updates, then, from
 * the deepest station up, what each hands to its parent. */
static void weigh_all(ech_stations *stations)
{
    for (uint32_t s = 0; s < stations->count; s++) {
        stations->stations[s].weight_selected = 0;
        stations->stations[s].samples_selected = 0;
        stations->stations[s].leaf_count = 0;
    }
    for (uint32_t i = 0; i < stations->participant_count; i++) {
        ech_participant *who = &stations->participants[i];
        ech_station *station = &stations->stations[who->sum];
        who->leaf = station->leaf_count++;
        station->samples_selected += who->samples;
        station->weight_selected += weight_of(stations, who->sum, who->samples);
    }
    for (uint32_t s = stations->count - 1; s > 0; s--) {
        ech_station *child = &stations->stations[s];
        ech_station *parent = &stations->stations[child->parent];
        if (child->samples_selected > 0) {
            child->leaf = parent->leaf_count++;
            parent->samples_selected += child->samples_selected;
            parent->weight_selected += weight_of(stations, child->parent, child->samples_selected);
        }
    }
}

static int by_station(const void *left, const void *right)
{
    const ech_participant *a = left;
    const ech_participant *b = right;
    if (a->sum != b->sum) {
        return a->sum < b->sum ? -1 : 1;
    }
    if (a->samples != b->samples) {
        return a->samples < b->samples ? 1 : -1;
    }
    return (a->worker > b->worker) - (a->worker < b->worker);
}

static ech_status reserve(ech_stations *stations, uint32_t count)
{
    if (count > stations->cells_capacity) {
        ech_free(stations->cells);
        stations->cells = ech_calloc(count, sizeof *stations->cells);
        stations->cells_capacity = stations->cells != NULL ? count : 0;
    }
    const uint32_t most = count + stations->count;
    if (most > stations->update_capacity) {
        ech_free(stations->updates);
        stations->updates = ech_calloc(most, sizeof *stations->updates);
        stations->update_capacity = stations->updates != NULL ? most : 0;
    }
    return stations->cells != NULL && stations->updates != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status check_bounds(const ech_stations *stations, uint64_t round)
{
    for (uint32_t s = 0; s < stations->count; s++) {
        const ech_station *station = &stations->stations[s];
        if (station->weight_selected > (uint64_t)1 << ECH_SUM_WEIGHT_BITS_MAX) {
            return ech_fail(ECH_ERR_LIMIT,
                            "round %llu: the weights of its workers add up to %llu, more than 2^%d",
                            (unsigned long long)round, (unsigned long long)station->weight_selected,
                            ECH_SUM_WEIGHT_BITS_MAX);
        }
    }
    return ECH_OK;
}

static ech_status muster(ech_stations *stations, uint64_t round, ech_participant *participants,
                         uint32_t count)
{
    ech_status status = reserve(stations, count);
    if (status != ECH_OK) {
        return status;
    }
    stations->participants = participants;
    stations->participant_count = count;
    stations->update_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        participants[i].sum = station_of(stations, participants[i].worker);
    }
    qsort(participants, count, sizeof *participants, by_station);
    weigh_all(stations);
    status = check_bounds(stations, round);
    for (uint32_t s = 0; s < stations->count && status == ECH_OK; s++) {
        if (stations->stations[s].samples_selected > 0) {
            activate(stations, s);
        }
    }
    return status;
}

/* ---- what happens when a task has landed ---- */

static void add_update(ech_stations *stations, const ech_station_update *update)
{
    stations->updates[stations->update_count++] = *update;
}

static void hear(ech_station *station, uint64_t samples, uint64_t at_ns)
{
    station->update_count++;
    station->samples += samples;
    station->end_ns = at_ns > station->end_ns ? at_ns : station->end_ns;
}

static ech_status land_training(ech_stations *stations, uint32_t index,
                                const ech_train_outcome *outcome)
{
    ech_participant *who = &stations->participants[index];
    ech_station *station = &stations->stations[who->sum];
    const uint32_t cell = stations->cells[index];
    const uint32_t host = (uint32_t)outcome->host;
    if (outcome->refused == 0) {
        hear(station, who->samples, who->arrival_ns);
    }
    if (cell != ECH_CELL_NONE && outcome->refused != 0) {
        ech_host_pool_give(stations->free_cells, host, cell);
    } else if (cell != ECH_CELL_NONE) {
        add_update(stations, &(ech_station_update){
                                 .order = who->worker,
                                 .weight = weight_of(stations, who->sum, who->samples),
                                 .station = who->sum,
                                 .host = host,
                                 .cell = cell,
                             });
    }
    return ech_ledger_add_training(stations->options.ledger, who, outcome);
}

static ech_status land(void *user, const ech_landing *landing)
{
    ech_stations *stations = user;
    ech_ledger *ledger = stations->options.ledger;
    const ech_step_result *step = landing->result;
    if (landing->kind == ECH_LANDED_TRAINING) {
        return land_training(stations, landing->subject, landing->result);
    }
    ech_ledger_add_step(ledger, step);
    if (landing->kind == ECH_LANDED_SQUARES) {
        ech_station_land_squares(stations, landing->subject, landing->result);
    } else if (landing->kind == ECH_LANDED_BYTES) {
        ledger->tiers[landing->subject].wire_up += step->wire_bytes;
    } else if (landing->kind == ECH_LANDED_DOWN) {
        ledger->tiers[landing->subject].wire_down += step->wire_bytes;
    }
    return ECH_OK;
}

/* ---- a round of a tier ---- */

static ech_status open_sum(ech_stations *stations, uint32_t number)
{
    ech_station *station = &stations->stations[number];
    station->samples = 0;
    station->update_count = 0;
    if (station->slot == ECH_SUM_NONE) {
        return ECH_OK;
    }
    const ech_open_arguments open = {.weight_bound = station->weight_selected,
                                     .slot = station->slot,
                                     .leaf_count = station->leaf_count};
    const ech_task_options options = ech_station_for_leader(stations, station->host);
    return ech_flight_submit(stations->flight, ECH_LANDED_STEP, number,
                             stations->options.apps->open, &open, sizeof open, &options, NULL);
}

static ech_status adopt_model(ech_stations *stations, uint32_t number)
{
    ech_station *station = &stations->stations[number];
    const ech_station *parent = &stations->stations[station->parent];
    station->start_ns = parent->start_ns;
    station->end_ns = parent->start_ns;
    const ech_fetch_arguments fetch = {.from_host = parent->host,
                                       .from_cell = parent->model_cell,
                                       .into_cell = station->model_cell};
    const ech_task_options options = ech_station_for_leader(stations, station->host);
    return ech_flight_submit(stations->flight, ECH_LANDED_DOWN, station->tier,
                             stations->options.apps->fetch, &fetch, sizeof fetch, &options, NULL);
}

static ech_status hand_up(ech_stations *stations, uint32_t number)
{
    const ech_station *child = &stations->stations[number];
    ech_station *parent = &stations->stations[child->parent];
    if (child->update_count == 0) {
        return ECH_OK;
    }
    const ech_hand_up_arguments hand = {
        .weight = weight_of(stations, child->parent, child->samples),
        .from_host = child->host,
        .from_cell = child->model_cell,
        .into_cell = ech_host_pool_take(stations->free_cells, parent->host),
        .base_cell = parent->model_cell,
        .slot = parent->slot,
        .leaf = child->leaf,
        .tier = ech_station_rule_tier(stations, parent->tier),
    };
    hear(parent, child->samples, child->end_ns);
    add_update(stations, &(ech_station_update){
                             .order = (uint64_t)UINT32_MAX + child->node,
                             .weight = hand.weight,
                             .station = child->parent,
                             .host = parent->host,
                             .cell = hand.into_cell,
                         });
    const ech_task_options options = ech_station_for_leader(stations, parent->host);
    return ech_flight_submit(stations->flight, ECH_LANDED_BYTES, child->tier,
                             stations->options.station_apps->hand_up, &hand, sizeof hand, &options,
                             NULL);
}

static ech_status train(ech_stations *stations, uint32_t index, uint64_t turn)
{
    const ech_stations_options *options = &stations->options;
    ech_participant *who = &stations->participants[index];
    const ech_station *station = &stations->stations[who->sum];
    const bool collects = station->slot == ECH_SUM_NONE;
    const bool anywhere = collects && who->sum == 0; /* every host has the leader's model */
    const uint32_t host =
        anywhere ? ech_placement_worker_host(options->placement, who->worker) : station->host;
    who->turn = (uint32_t)turn;
    who->start_ns = who->start_ns > station->start_ns ? who->start_ns : station->start_ns;
    if (options->pace != NULL) {
        who->arrival_ns = ech_pace_turn(options->pace, who->worker, turn, who->start_ns).arrival_ns;
    }
    if (who->arrival_ns == ECH_TIME_NEVER) {
        return ECH_OK;
    }
    stations->cells[index] =
        collects ? ech_host_pool_take(stations->free_cells, host) : ECH_CELL_NONE;
    const ech_train_arguments arguments = {
        .seed = options->seed,
        .round = turn,
        .worker = who->worker,
        .weight = weight_of(stations, who->sum, who->samples),
        .epochs = options->epochs,
        .slot = station->slot,
        .leaf = who->leaf,
        .base_cell = station->model_cell,
        .into_cell = stations->cells[index],
        .tier = ech_station_rule_tier(stations, station->tier),
        .hostile = ech_hostiles_hold(options->hostiles, who->worker),
    };
    const ech_task_options task = {
        .affinity = ECH_AFFINITY_HOST, .affinity_value = host, .strict = true};
    return ech_flight_submit(stations->flight, ECH_LANDED_TRAINING, index, options->apps->train,
                             &arguments, sizeof arguments, &task, NULL);
}

static ech_status for_each_active(ech_stations *stations, uint32_t tier,
                                  ech_status (*call)(ech_stations *stations, uint32_t station))
{
    ech_status status = ECH_OK;
    for (uint32_t s = 0; s < stations->count && status == ECH_OK; s++) {
        if (stations->stations[s].is_active && stations->stations[s].tier == tier) {
            status = call(stations, s);
        }
    }
    return status == ECH_OK ? ech_flight_land_all(stations->flight) : status;
}

static ech_status train_all(ech_stations *stations, uint32_t tier, uint64_t turn)
{
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < stations->participant_count && status == ECH_OK; i++) {
        if (stations->stations[stations->participants[i].sum].tier == tier) {
            status = train(stations, i, turn);
        }
    }
    return status == ECH_OK ? ech_flight_land_all(stations->flight) : status;
}

/* The next round of a station begins when it has heard from all. */
static void go_on(ech_stations *stations, uint32_t tier)
{
    for (uint32_t s = 0; s < stations->count; s++) {
        if (stations->stations[s].tier == tier) {
            stations->stations[s].start_ns = stations->stations[s].end_ns;
        }
    }
}

static bool has_active(const ech_stations *stations, uint32_t tier)
{
    for (uint32_t s = 0; s < stations->count; s++) {
        if (stations->stations[s].is_active && stations->stations[s].tier == tier) {
            return true;
        }
    }
    return false;
}

/* Levels of recursion are tiers. */
// NOLINTNEXTLINE(misc-no-recursion)
static ech_status run_tier(ech_stations *stations, uint32_t tier, uint64_t turn)
{
    const uint64_t rounds =
        tier == 0 ? 1 : stations->options.tiers[ech_station_rule_tier(stations, tier)].rounds;
    const bool has_tier_below = has_active(stations, tier + 1);
    ech_status status = ECH_OK;
    for (uint64_t round = 1; round <= rounds && status == ECH_OK; round++) {
        const uint64_t own_turn = (turn - 1) * rounds + round;
        status = for_each_active(stations, tier, open_sum);
        if (status == ECH_OK && has_tier_below) {
            status = for_each_active(stations, tier + 1, adopt_model);
            if (status == ECH_OK) {
                status = run_tier(stations, tier + 1, own_turn);
            }
            if (status == ECH_OK) {
                status = for_each_active(stations, tier + 1, hand_up);
            }
        }
        if (status == ECH_OK) {
            status = train_all(stations, tier, own_turn);
        }
        if (status == ECH_OK) {
            status = ech_station_update_tier(stations, tier);
        }
        go_on(stations, tier);
    }
    return status;
}

ech_status ech_stations_run(ech_stations *stations, uint64_t round, ech_participant *participants,
                            uint32_t count, uint64_t *end_ns)
{
    assert(count > 0);
    const uint64_t start_ns = participants[0].start_ns;
    stations->stations[0].start_ns = start_ns;
    stations->stations[0].end_ns = start_ns;
    ech_status status = muster(stations, round, participants, count);
    if (status == ECH_OK) {
        status = run_tier(stations, 0, round);
    }
    *end_ns = stations->stations[0].end_ns;
    deactivate_all(stations);
    return status;
}
