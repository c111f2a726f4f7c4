#include <assert.h>

#include "runtime/base/memory.h"
#include "runtime/fed/async_priv.h"

enum { PRIORITY_COLLECT = 1 };

/* ---- lanes ---- */

ech_status ech_async_lanes_create(ech_async *async)
{
    const size_t hosts = (size_t)ech_machine_host_count(async->process->machine);
    async->lanes = ech_calloc(async->lane_count, sizeof *async->lanes);
    async->free_lanes = ech_calloc(async->lane_count, sizeof *async->free_lanes);
    async->host_load = ech_calloc(hosts, sizeof *async->host_load);
    if (async->lanes == NULL || async->free_lanes == NULL || async->host_load == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t lane = 0; lane < async->lane_count; lane++) {
        async->free_lanes[async->free_lane_count++] = async->lane_count - 1 - lane;
        async->lanes[lane].trains = ech_calloc(async->plan.largest_unit, sizeof(ech_future *));
        if (async->lanes[lane].trains == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    return ECH_OK;
}

void ech_async_lanes_destroy(ech_async *async)
{
    for (uint32_t l = 0; async->lanes != NULL && l < async->lane_count; l++) {
        ech_free((void *)async->lanes[l].trains);
    }
    ech_free(async->lanes);
    ech_free(async->free_lanes);
    ech_free(async->host_load);
}

static ech_async_lane *take_lane(ech_async *async, uint32_t number)
{
    assert(async->free_lane_count > 0);
    const uint32_t taken = async->free_lanes[--async->free_lane_count];
    ech_async_lane *lane = &async->lanes[taken];
    *lane = (ech_async_lane){
        .unit = number, .copy_cell = ECH_CELL_NONE, .trains = lane->trains, .is_busy = true};
    async->units[number].lane = taken;
    return lane;
}

/* ---- starting a unit ---- */

uint32_t ech_async_training_ranks(const ech_machine *machine, int host)
{
    int ranks = 0;
    ech_machine_ranks_of(machine, host, &ranks);
    return (uint32_t)(ech_machine_leader_trains(machine, host) || ranks == 1 ? ranks : ranks - 1);
}

static uint32_t least_loaded_host(const ech_async *async, uint32_t preferred)
{
    const ech_machine *machine = async->process->machine;
    uint32_t best = preferred;
    for (uint32_t host = 0; host < (uint32_t)ech_machine_host_count(machine); host++) {
        const uint64_t mine =
            (uint64_t)async->host_load[host] * ech_async_training_ranks(machine, (int)best);
        const uint64_t bests =
            (uint64_t)async->host_load[best] * ech_async_training_ranks(machine, (int)host);
        best = mine < bests ? host : best;
    }
    return best;
}

static ech_task_options on_leader(const ech_async *async, uint32_t host, ech_future **input)
{
    return (ech_task_options){
        .affinity = ECH_AFFINITY_RANK,
        .affinity_value = (uint64_t)ech_machine_leader_of(async->process->machine, (int)host),
        .strict = true,
        .priority = PRIORITY_COLLECT,
        .inputs = input,
        .input_count = *input != NULL ? 1 : 0,
    };
}

static ech_status submit_train(ech_async *async, ech_async_lane *lane, uint32_t member,
                               ech_future *fetching)
{
    const ech_process *process = async->process;
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const ech_strategy *strategy = async->options.strategy;
    const uint32_t worker = async->plan.members[unit->first + member];
    const ech_train_arguments arguments = {
        .seed = async->options.seed,
        .round = async->units[lane->unit].round,
        .worker = worker,
        .weight = strategy->rule->weight(strategy,
                                         ech_population_samples(async->options.population, worker)),
        .epochs = async->options.epochs,
        .slot = (uint32_t)(lane - async->lanes),
        .base_cell = lane->copy_cell,
        .into_cell = lane->open == NULL ? lane->update_cell : ECH_CELL_NONE,
    };
    ech_future *inputs[2];
    uint32_t input_count = 0;
    if (fetching != NULL) {
        inputs[input_count++] = fetching;
    }
    if (lane->open != NULL) {
        inputs[input_count++] = lane->open;
    }
    const ech_task_options options = {
        .affinity = ECH_AFFINITY_HOST,
        .affinity_value = lane->host,
        .strict = true,
        .inputs = inputs,
        .input_count = input_count,
    };
    return ech_submit(process->executor, process->apps.train, &arguments, sizeof arguments,
                      &options, &lane->trains[member]);
}

/* Workers in step add to a sum of their host; it is emptied first. */
static ech_status submit_open(ech_async *async, ech_async_lane *lane)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const ech_strategy *strategy = async->options.strategy;
    ech_open_arguments arguments = {.slot = (uint32_t)(lane - async->lanes)};
    for (uint32_t i = 0; i < unit->count; i++) {
        const uint32_t worker = async->plan.members[unit->first + i];
        arguments.weight_bound += strategy->rule->weight(
            strategy, ech_population_samples(async->options.population, worker));
    }
    ech_future *none = NULL;
    const ech_task_options options = on_leader(async, lane->host, &none);
    const ech_process *process = async->process;
    return ech_submit(process->executor, process->apps.open, &arguments, sizeof arguments, &options,
                      &lane->open);
}

static bool is_alone(const ech_async *async, uint32_t unit)
{
    const uint32_t node = async->plan.units[unit].node;
    return ech_topology_node(async->plan.topology, node)->kind == ECH_NODE_WORKER;
}

static ech_status submit_unit(ech_async *async, ech_async_lane *lane)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    ech_future *fetching = NULL;
    ech_status status = ech_versions_copy(async->versions, async->units[lane->unit].base_cell,
                                          lane->host, &lane->copy_cell, &fetching);
    if (status != ECH_OK) {
        lane->copy_cell = ECH_CELL_NONE;
        return status;
    }
    if (!is_alone(async, lane->unit)) {
        status = submit_open(async, lane);
    }
    for (uint32_t i = 0; i < unit->count && status == ECH_OK; i++) {
        status = submit_train(async, lane, i, fetching);
    }
    return status;
}

void ech_async_unit_begin(ech_async *async, uint32_t number)
{
    ech_async_unit_state *state = &async->units[number];
    const ech_async_node_state *parent = &async->nodes[async->plan.units[number].parent];
    state->round++;
    state->version = parent->version;
    state->base_cell = parent->cell;
    ech_versions_hold(async->versions, 0, state->base_cell);
}

ech_status ech_async_unit_train(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    const uint32_t preferred =
        ech_placement_worker_host(async->options.placement, async->plan.members[unit->first]);
    ech_async_lane *lane = take_lane(async, number);
    lane->host = least_loaded_host(async, preferred);
    async->host_load[lane->host] += unit->count;
    lane->update_cell = ech_versions_take(async->versions, lane->host);
    lane->result_cell = lane->host == 0 ? lane->update_cell : ech_versions_take(async->versions, 0);
    return submit_unit(async, lane);
}

/* ---- the end of a unit's training ---- */

bool ech_async_lane_has_ended(const ech_async *async, const ech_async_lane *lane)
{
    const uint32_t count = async->plan.units[lane->unit].count;
    bool ended = true;
    for (uint32_t i = 0; i < count && ended; i++) {
        ended = ech_future_poll(lane->trains[i]);
    }
    return ended;
}

const ech_train_outcome *ech_async_outcome(const ech_async_lane *lane, uint32_t member)
{
    size_t bytes = 0;
    return ech_future_value(lane->trains[member], &bytes);
}

static ech_status add_step_of(ech_async *async, ech_future *future, uint64_t *wire)
{
    const ech_status status = ech_future_wait(future);
    if (status != ECH_OK) {
        return status;
    }
    size_t bytes = 0;
    const ech_step_result *step = ech_future_value(future, &bytes);
    ech_process_add_step(async->process, step);
    *wire += step->wire_bytes;
    return ECH_OK;
}

/* Average a unit of several workers, and bring the result to rank 0's host. */
static ech_status collect(ech_async *async, ech_async_lane *lane, uint32_t contributed)
{
    const ech_process *process = async->process;
    ech_tier_bytes *tier = &process->tiers[1];
    ech_status status = ECH_OK;
    ech_future *none = NULL;
    if (lane->open != NULL && contributed > 0) {
        const ech_mean_arguments mean = {.slot = (uint32_t)(lane - async->lanes),
                                         .cell = lane->update_cell};
        const ech_task_options options = on_leader(async, lane->host, &none);
        status = ech_submit(process->executor, process->apps.mean, &mean, sizeof mean, &options,
                            &lane->mean);
        if (status == ECH_OK) {
            status = add_step_of(async, lane->mean, &tier->wire_up);
        }
    }
    if (status == ECH_OK && lane->host != 0 && contributed > 0) {
        const ech_fetch_arguments fetch = {.from_host = lane->host,
                                           .from_cell = lane->update_cell,
                                           .into_cell = lane->result_cell};
        const ech_task_options options = on_leader(async, 0, &none);
        status = ech_submit(process->executor, process->apps.fetch, &fetch, sizeof fetch, &options,
                            &lane->collect);
        if (status == ECH_OK) {
            status = add_step_of(async, lane->collect, &tier->wire_up);
        }
    }
    return status;
}

ech_status ech_async_lane_collect(ech_async *async, ech_async_lane *lane, uint32_t *contributed)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    *contributed = 0;
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < unit->count && status == ECH_OK; i++) {
        status = ech_future_wait(lane->trains[i]);
        if (status == ECH_OK) {
            *contributed += ech_async_outcome(lane, i)->refused == 0 ? 1 : 0;
        }
    }
    return status == ECH_OK ? collect(async, lane, *contributed) : status;
}

ech_status ech_async_lane_free(ech_async *async, ech_async_lane *lane)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    for (uint32_t i = 0; i < unit->count; i++) {
        if (lane->trains[i] != NULL) {
            ech_future_wait(lane->trains[i]);
            ech_future_release(&lane->trains[i]);
        }
    }
    ech_future_release(&lane->open);
    ech_future_release(&lane->mean);
    ech_future_release(&lane->collect);
    ech_status status = ECH_OK;
    if (lane->copy_cell != ECH_CELL_NONE) {
        status = ech_versions_release(async->versions, lane->host, lane->copy_cell);
    }
    if (lane->host != 0) {
        ech_versions_release(async->versions, lane->host, lane->update_cell);
    }
    lane->is_busy = false;
    async->free_lanes[async->free_lane_count++] = async->units[lane->unit].lane;
    async->units[lane->unit].lane = ECH_LANE_NONE;
    async->host_load[lane->host] -= unit->count;
    return status;
}

void ech_async_lanes_stop(ech_async *async)
{
    const ech_failure failure = ech_failure_keep(ECH_OK);
    for (uint32_t l = 0; l < async->lane_count; l++) {
        ech_async_lane *lane = &async->lanes[l];
        if (lane->is_busy) {
            ech_async_lane_free(async, lane);
            ech_versions_release(async->versions, 0, lane->result_cell);
        }
    }
    ech_failure_restore(&failure);
}
