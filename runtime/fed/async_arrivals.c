#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/fed/async_priv.h"

/* ---- an update at a node ---- */

static void keep_largest_counters(const ech_async *async, ech_async_node_state *node,
                                  int64_t *counters)
{
    for (uint64_t i = 0; i < async->process->layout->counter_count; i++) {
        node->counters[i] = counters[i] > node->counters[i] ? counters[i] : node->counters[i];
        counters[i] = node->counters[i];
    }
}

/* Apply an update that lies in `cell`, which is given up here. @param valid  false: it was refused,
 * and only counts as having come. */
static ech_status apply(ech_async *async, uint32_t number, uint32_t cell, bool valid,
                        uint64_t staleness)
{
    ech_async_node_state *node = &async->nodes[number];
    const ech_layout *layout = async->process->layout;
    const ech_state update = ech_replica_cell(async->process->replica, cell);
    const uint64_t expected = async->plan.nodes[number].children * async->options.rounds;
    ech_arrival arrival = {.model = ech_replica_cell(async->process->replica, node->cell).values,
                           .update = update.values,
                           .buffer = node->buffer,
                           .buffered = node->buffered,
                           .staleness = staleness};
    const uint64_t start_ns = ech_clock_ns();
    bool made = false;
    if (valid) {
        keep_largest_counters(async, node, update.counters);
        made = ech_async_rule_of(async)->take(async->options.strategy, layout, &arrival);
    }
    node->arrivals++;
    if (!made && arrival.buffered > 0 && node->arrivals == expected) {
        ech_async_rule_of(async)->flush(async->options.strategy, layout, &arrival);
        memcpy(update.counters, node->counters, layout->counter_count * sizeof *update.counters);
        made = true;
    }
    node->buffered = arrival.buffered;
    async->process->report.phase_seconds[ECH_PHASE_AGGREGATE] +=
        ech_clock_seconds(ech_clock_ns() - start_ns);
    if (!made) {
        return ech_versions_release(async->versions, 0, cell);
    }
    const uint32_t old = node->cell;
    node->cell = cell;
    node->version++;
    return ech_versions_release(async->versions, 0, old);
}

static ech_status log_arrival(const ech_async *async, const ech_arrival_report *report)
{
    const ech_round_observer *observer = &async->process->observer;
    return observer->update_arrived != NULL ? observer->update_arrived(observer->self, report)
                                            : ECH_OK;
}

static void count_logical(ech_async *async, uint32_t node, uint64_t edges)
{
    ech_tier_bytes *tier = &async->process->tiers[node];
    tier->logical_up += edges * ech_layout_state_bytes(async->process->layout);
    tier->logical_down += edges * ech_layout_state_bytes(async->process->layout);
}

/* Hand a node's model to its parent, as an update of the rule's form, and go on from the parent's.
 */
static ech_status hand_up(ech_async *async, uint32_t number)
{
    ech_async_node_state *node = &async->nodes[number];
    const ech_async_node *place = &async->plan.nodes[number];
    ech_async_node_state *parent = &async->nodes[place->parent];
    const ech_layout *layout = async->process->layout;
    ech_replica *replica = async->process->replica;
    const uint32_t cell = ech_versions_take(async->versions, 0);
    const ech_state update = ech_replica_cell(replica, cell);
    const ech_state_view own = ech_replica_cell_view(replica, node->cell);
    memcpy(update.values, own.values, layout->value_count * sizeof *update.values);
    memcpy(update.counters, own.counters, layout->counter_count * sizeof *update.counters);
    if (async->options.strategy->rule->form == ECH_AGGREGATE_DIFFERENCE) {
        ech_strategy_difference(update, ech_replica_cell_view(replica, node->base_cell),
                                layout->value_count);
    }
    const ech_topology *topology = async->plan.topology;
    const ech_arrival_report report = {
        .node = place->node,
        .parent = async->plan.nodes[place->parent].node,
        .round = node->arrivals / place->children,
        .version = node->base_version,
        .staleness = parent->version - node->base_version,
    };
    count_logical(async, ech_topology_node(topology, place->node)->tier, 1);
    ech_status status = apply(async, place->parent, cell, true, report.staleness);
    if (status == ECH_OK) {
        status = log_arrival(async, &report);
    }
    ech_versions_release(async->versions, 0, node->cell);
    ech_versions_release(async->versions, 0, node->base_cell);
    node->cell = parent->cell;
    node->base_cell = parent->cell;
    ech_versions_hold(async->versions, 0, parent->cell);
    ech_versions_hold(async->versions, 0, parent->cell);
    node->base_version = parent->version;
    node->version++;
    return status;
}

/* ---- an arrival ---- */

static ech_status report_member(ech_async *async, const ech_async_lane *lane, uint32_t member,
                                uint64_t staleness)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const ech_async_unit_state *state = &async->units[lane->unit];
    const ech_topology *topology = async->plan.topology;
    const uint32_t worker = async->plan.members[unit->first + member];
    const ech_train_outcome *outcome = ech_async_outcome(lane, member);
    const uint32_t node = ech_topology_worker_node(topology, worker);
    ech_worker_report report = {
        .round = state->round,
        .worker = worker,
        .node = node,
        .parent = ech_topology_node(topology, node)->parent,
        .rank = outcome->rank,
        .host = outcome->host,
        .samples = ech_population_samples(async->options.population, worker),
        .steps = outcome->train.steps,
        .loss = outcome->train.loss,
        .accuracy = outcome->train.accuracy,
        .start_ns = outcome->start_ns,
        .end_ns = outcome->end_ns,
        .staleness = staleness,
        .refused = outcome->refused != 0,
    };
    if (ech_async_is_virtual(async)) {
        const ech_turn turn =
            ech_pace_turn(async->options.pace, worker, state->round, state->start_ns);
        report.start_ns = turn.train_start_ns;
        report.end_ns = turn.train_end_ns;
    }
    if (report.refused) {
        ech_log(ECH_LOG_WARNING, "round %llu: worker number %u is left out: %s",
                (unsigned long long)state->round, worker, outcome->reason);
    }
    const ech_round_observer *observer = &async->process->observer;
    return observer->worker_done != NULL ? observer->worker_done(observer->self, &report) : ECH_OK;
}

static void count_member(ech_async *async, const ech_async_lane *lane, uint32_t member)
{
    ech_round_report *report = &async->process->report;
    const ech_train_outcome *outcome = ech_async_outcome(lane, member);
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const ech_topology *topology = async->plan.topology;
    const uint32_t worker = async->plan.members[unit->first + member];
    const uint32_t tier =
        ech_topology_node(topology, ech_topology_worker_node(topology, worker))->tier;
    ech_process_add_step(async->process, &outcome->step);
    async->process->tiers[tier].wire_up += outcome->step.wire_bytes;
    async->process->tiers[tier].wire_down += outcome->model_bytes;
    report->selected++;
    if (outcome->refused == 0) {
        report->contributed++;
        report->samples += outcome->train.samples;
        async->loss_sum += outcome->train.loss * (double)outcome->train.samples;
        async->correct_sum += outcome->train.accuracy * (double)outcome->train.samples;
    }
}

/* Edges from the unit's parent down to its workers: each worker's path up to where an earlier
 * worker's joins it, workers being in the order of their positions. */
static void count_edges(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    const ech_topology *topology = async->plan.topology;
    const uint32_t top = ech_topology_node(topology, unit->node)->tier;
    uint32_t before = ECH_NODE_NONE; /* position of the worker before */
    for (uint32_t i = 0; i < unit->count; i++) {
        const uint32_t worker = async->plan.members[unit->first + i];
        const ech_node *node =
            ech_topology_node(topology, ech_topology_worker_node(topology, worker));
        const uint32_t position = node->first_leaf;
        while (node->tier >= top && (before == ECH_NODE_NONE || before < node->first_leaf)) {
            count_logical(async, node->tier, 1);
            node = ech_topology_node(topology, node->parent);
        }
        before = position;
    }
}

static ech_status report_unit(ech_async *async, const ech_async_lane *lane, uint64_t staleness)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const ech_async_unit_state *state = &async->units[lane->unit];
    const ech_arrival_report report = {
        .node = unit->node,
        .parent = async->plan.nodes[unit->parent].node,
        .round = state->round,
        .version = state->version,
        .staleness = staleness,
    };
    ech_status status = log_arrival(async, &report);
    for (uint32_t i = 0; i < unit->count && status == ECH_OK; i++) {
        count_member(async, lane, i);
        status = report_member(async, lane, i, staleness);
    }
    count_edges(async, lane->unit);
    return status;
}

/* A node that has heard from as many as it has children hands up what it made of it. */
static ech_status propagate(ech_async *async, uint32_t number)
{
    ech_status status = ECH_OK;
    while (number != 0 && status == ECH_OK &&
           async->nodes[number].arrivals % async->plan.nodes[number].children == 0) {
        status = hand_up(async, number);
        number = async->plan.nodes[number].parent;
    }
    return status;
}

ech_status ech_async_arrive(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    ech_async_unit_state *state = &async->units[number];
    ech_async_lane *lane = &async->lanes[state->lane];
    uint32_t contributed = 0;
    ech_status status = ech_async_lane_collect(async, lane, &contributed);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t staleness = async->nodes[unit->parent].version - state->version;
    status = report_unit(async, lane, staleness);
    const uint32_t cell = lane->result_cell;
    const ech_status freed = ech_async_lane_free(async, lane);
    ech_versions_release(async->versions, 0, state->base_cell);
    state->base_cell = ECH_CELL_NONE;
    status = status == ECH_OK ? freed : status;
    if (status == ECH_OK) {
        status = apply(async, unit->parent, cell, contributed > 0, staleness);
    }
    return status == ECH_OK ? propagate(async, unit->parent) : status;
}
