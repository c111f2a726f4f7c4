#include "runtime/fed/async.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/async_plan.h"
#include "runtime/fed/event_queue.h"
#include "runtime/fed/process.h"
#include "runtime/fed/versions.h"
#include "runtime/mpi/guard.h"

enum { PRIORITY_COLLECT = 1, NO_LANE = -1 };

enum event_kind { EVENT_START, EVENT_ARRIVE };

/* What an asynchronous node stands at. */
typedef struct {
    uint32_t cell;         /* its current version, on rank 0's host, referenced */
    uint32_t base_cell;    /* the parent's version that it went on from; ECH_CELL_NONE: leader */
    uint64_t base_version; /* its number */
    uint64_t version;
    uint64_t arrivals;
    float *buffer;     /* of a rule with a buffer */
    int64_t *counters; /* the largest that came */
    uint32_t buffered;
} node_state;

typedef struct {
    uint64_t round;    /* that it trains or trained last; 0: none */
    uint64_t version;  /* of its parent's model that it trains from */
    uint64_t start_ns; /* virtual */
    int lane;          /* while it trains */
    uint64_t next_row; /* replay: of its next arrival in the log; replay_count: none */
} unit_state;

/* A unit in training: its tasks and the cells that they use. */
typedef struct {
    uint32_t unit;
    uint32_t host;
    uint32_t base_cell;   /* on rank 0's host */
    uint32_t copy_cell;   /* the same on `host` */
    uint32_t update_cell; /* on `host` */
    uint32_t result_cell; /* on rank 0's host; the same as update_cell there */
    ech_future *open, *mean, *collect;
    ech_future **trains;
    bool is_busy;
} lane_state;

struct ech_async {
    ech_async_process_options options;
    ech_process *process;
    ech_async_plan plan; /* rank 0 */
    uint32_t lane_count; /* units in training at one time */

    node_state *nodes;
    unit_state *units;
    lane_state *lanes;
    uint32_t *host_load; /* workers in training */
    uint32_t running;
    ech_versions *versions;
    uint32_t *turns; /* a ring of the units that wait for their turn (real clock) */
    uint32_t turn_first, turn_count;
    ech_event_queue events; /* virtual clock */
    uint64_t now_ns;        /* virtual */
    uint64_t round_begin_ns;
    uint64_t row; /* of the log that comes next */
    double loss_sum, correct_sum;
};

static bool is_replay(const ech_async *async)
{
    return async->options.replay != NULL;
}

static bool is_virtual(const ech_async *async)
{
    return async->options.pace != NULL && !is_replay(async);
}

/* ---- the log ---- */

static ech_status refuse_log(uint64_t row, const char *reason)
{
    return ech_fail(ECH_ERR_CONFIG,
                    "the log of arrivals does not fit this configuration: row %llu %s",
                    (unsigned long long)row, reason);
}

/* Chain each unit's rows, and see that each comes as often as it should, in order. */
static ech_status check_log(const ech_async_process_options *options, const ech_async_plan *plan)
{
    uint64_t *rounds = ech_calloc(plan->unit_count, sizeof *rounds);
    ech_status status = rounds != NULL ? ECH_OK : ECH_ERR_MEMORY;
    uint64_t used = 0;
    for (uint64_t row = 0; row < options->replay_count && status == ECH_OK; row++) {
        const ech_arrival_report *arrival = &options->replay[row];
        if (arrival->node >= ech_topology_node_count(plan->topology)) {
            status = refuse_log(row, "names a node that is not in the topology");
        } else if (plan->unit_of[arrival->node] != ECH_NODE_NONE) {
            used++;
            if (arrival->round != ++rounds[plan->unit_of[arrival->node]]) {
                status = refuse_log(row, "is not its node's next round");
            }
        }
    }
    ech_free(rounds);
    if (status == ECH_OK && used != plan->unit_count * options->rounds) {
        status = refuse_log(options->replay_count, "is not the last: not every worker trained in "
                                                   "each round");
    }
    return status;
}

/* ---- life ---- */

static uint32_t training_ranks(const ech_machine *machine, int host)
{
    int ranks = 0;
    ech_machine_ranks_of(machine, host, &ranks);
    return (uint32_t)(ech_machine_leader_trains(machine, host) || ranks == 1 ? ranks : ranks - 1);
}

static uint32_t count_lanes(const ech_async *async, const ech_machine *machine)
{
    const uint32_t units = async->plan.unit_count;
    if (is_virtual(async) || is_replay(async)) {
        return units;
    }
    uint32_t ranks = 0;
    for (int host = 0; host < ech_machine_host_count(machine); host++) {
        ranks += training_ranks(machine, host);
    }
    return ranks < units ? ranks : units;
}

/* On rank 0's host: a version and a base a node, one on its way up a tier, a base and an update a
 * lane. Elsewhere less. */
static ech_status agree_on_room(ech_async *async, ech_machine *machine, uint32_t *cell_count)
{
    ech_comm *comm = ech_machine_comm(machine);
    const ech_async_process_options *options = &async->options;
    ech_status status = ECH_OK;
    uint32_t room[2] = {0, 0};
    if (ech_machine_rank(machine) == 0) {
        status = ech_async_plan_make(options->topology, options->population, options->async_tiers,
                                     &async->plan);
        if (status == ECH_OK && is_replay(async)) {
            status = check_log(options, &async->plan);
        }
        room[0] = count_lanes(async, machine);
        room[1] = 2 * room[0] + 2 * async->plan.node_count +
                  (status == ECH_OK ? ech_topology_tier_count(options->topology) : 0);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, room, sizeof room, 0);
    }
    async->lane_count = room[0];
    *cell_count = room[1];
    return status;
}

ech_status ech_async_create(ech_machine *machine, const ech_async_process_options *options,
                            ech_async **out)
{
    *out = NULL;
    ech_comm *comm = ech_machine_comm(machine);
    ech_async *async = ech_calloc(1, sizeof *async);
    ech_status status = ech_comm_agree(comm, async != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || async == NULL) {
        ech_free(async);
        return status;
    }
    async->options = *options;
    uint32_t cell_count = 0;
    status = agree_on_room(async, machine, &cell_count);
    if (status == ECH_OK) {
        const ech_process_options process = {
            .trainer = options->trainer,
            .strategy = options->strategy,
            .topology = options->topology,
            .slot_count = async->lane_count,
            .cell_count = cell_count,
            .rounds = options->rounds,
            .evaluate_every = options->evaluate_every,
        };
        status = ech_process_create(machine, &process, &async->process);
    }
    if (status != ECH_OK) {
        ech_async_destroy(&async);
        return status;
    }
    async->process->is_virtual = is_virtual(async);
    *out = async;
    return ECH_OK;
}

void ech_async_destroy(ech_async **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_async_plan_clear(&(*handle)->plan);
    ech_process_destroy(&(*handle)->process);
    ech_free(*handle);
    *handle = NULL;
}

ech_status ech_async_register(ech_async *async, ech_app_registry *registry)
{
    return ech_process_register(async->process, registry);
}

void ech_async_observe(ech_async *async, ech_round_observer observer)
{
    async->process->observer = observer;
}

ech_state ech_async_model(const ech_async *async)
{
    return ech_replica_model(async->process->replica);
}

static const ech_async_rule *rule_of(const ech_async *async)
{
    return async->options.strategy->rule->async;
}

static float *values_of(const ech_async *async, uint32_t cell)
{
    return ech_replica_cell(async->process->replica, cell).values;
}

/* ---- starting a unit ---- */

static uint32_t least_loaded_host(const ech_async *async, uint32_t preferred)
{
    const ech_machine *machine = async->process->machine;
    uint32_t best = preferred;
    for (uint32_t host = 0; host < (uint32_t)ech_machine_host_count(machine); host++) {
        const uint64_t mine = (uint64_t)async->host_load[host] * training_ranks(machine, (int)best);
        const uint64_t bests =
            (uint64_t)async->host_load[best] * training_ranks(machine, (int)host);
        best = mine < bests ? host : best;
    }
    return best;
}

static int free_lane(const ech_async *async)
{
    for (uint32_t lane = 0; lane < async->lane_count; lane++) {
        if (!async->lanes[lane].is_busy) {
            return (int)lane;
        }
    }
    return NO_LANE;
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

static ech_status submit_train(ech_async *async, lane_state *lane, uint32_t member,
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
static ech_status submit_open(ech_async *async, lane_state *lane)
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

static ech_status submit_unit(ech_async *async, lane_state *lane)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    ech_future *fetching = NULL;
    ech_status status = ech_versions_copy(async->versions, lane->base_cell, lane->host,
                                          &lane->copy_cell, &fetching);
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

static ech_status start_unit(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    unit_state *state = &async->units[number];
    const node_state *parent = &async->nodes[unit->parent];
    const int lane_number = free_lane(async);
    assert(lane_number != NO_LANE);
    lane_state *lane = &async->lanes[lane_number];
    const uint32_t preferred =
        ech_placement_worker_host(async->options.placement, async->plan.members[unit->first]);
    ech_future **trains = lane->trains;
    *lane = (lane_state){.unit = number,
                         .host = least_loaded_host(async, preferred),
                         .base_cell = parent->cell,
                         .copy_cell = ECH_CELL_NONE,
                         .trains = trains,
                         .is_busy = true};
    state->lane = lane_number;
    state->round++;
    state->version = parent->version;
    async->running++;
    async->host_load[lane->host] += unit->count;
    ech_versions_hold(async->versions, 0, parent->cell);
    lane->update_cell = ech_versions_take(async->versions, lane->host);
    lane->result_cell = lane->host == 0 ? lane->update_cell : ech_versions_take(async->versions, 0);
    return submit_unit(async, lane);
}

/* ---- the end of a unit's training ---- */

static const ech_train_outcome *outcome_of(const lane_state *lane, uint32_t member)
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
static ech_status collect(ech_async *async, lane_state *lane, uint32_t contributed)
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

static ech_status wait_for_unit(ech_async *async, lane_state *lane, uint32_t *contributed)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    *contributed = 0;
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < unit->count && status == ECH_OK; i++) {
        status = ech_future_wait(lane->trains[i]);
        if (status == ECH_OK) {
            *contributed += outcome_of(lane, i)->refused == 0 ? 1 : 0;
        }
    }
    return status == ECH_OK ? collect(async, lane, *contributed) : status;
}

/* All its tasks have ended, or are waited for. The base stays held until here. */
static ech_status free_lane_of(ech_async *async, lane_state *lane)
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
    ech_versions_release(async->versions, 0, lane->base_cell);
    lane->is_busy = false;
    async->units[lane->unit].lane = NO_LANE;
    async->host_load[lane->host] -= unit->count;
    async->running--;
    return status;
}

/* ---- an update at a node ---- */

static void keep_largest_counters(const ech_async *async, node_state *node, int64_t *counters)
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
    node_state *node = &async->nodes[number];
    const ech_layout *layout = async->process->layout;
    const ech_state update = ech_replica_cell(async->process->replica, cell);
    const uint64_t expected = async->plan.nodes[number].children * async->options.rounds;
    ech_arrival arrival = {.model = values_of(async, node->cell),
                           .update = update.values,
                           .buffer = node->buffer,
                           .buffered = node->buffered,
                           .staleness = staleness};
    const uint64_t start_ns = ech_clock_ns();
    bool made = false;
    if (valid) {
        keep_largest_counters(async, node, update.counters);
        made = rule_of(async)->take(async->options.strategy, layout, &arrival);
    }
    node->arrivals++;
    if (!made && arrival.buffered > 0 && node->arrivals == expected) {
        rule_of(async)->flush(async->options.strategy, layout, &arrival);
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
    node_state *node = &async->nodes[number];
    const ech_async_node *place = &async->plan.nodes[number];
    node_state *parent = &async->nodes[place->parent];
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

static ech_status report_member(ech_async *async, const lane_state *lane, uint32_t member,
                                uint64_t staleness)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const unit_state *state = &async->units[lane->unit];
    const ech_topology *topology = async->plan.topology;
    const uint32_t worker = async->plan.members[unit->first + member];
    const ech_train_outcome *outcome = outcome_of(lane, member);
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
    if (is_virtual(async)) {
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

static void count_member(ech_async *async, const lane_state *lane, uint32_t member)
{
    ech_round_report *report = &async->process->report;
    const ech_train_outcome *outcome = outcome_of(lane, member);
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

static ech_status report_unit(ech_async *async, const lane_state *lane, uint64_t staleness)
{
    const ech_async_unit *unit = &async->plan.units[lane->unit];
    const unit_state *state = &async->units[lane->unit];
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

static ech_status arrive(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    unit_state *state = &async->units[number];
    lane_state *lane = &async->lanes[state->lane];
    uint32_t contributed = 0;
    ech_status status = wait_for_unit(async, lane, &contributed);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t staleness = async->nodes[unit->parent].version - state->version;
    status = report_unit(async, lane, staleness);
    const uint32_t cell = lane->result_cell;
    const ech_status freed = free_lane_of(async, lane);
    status = status == ECH_OK ? freed : status;
    if (status == ECH_OK) {
        status = apply(async, unit->parent, cell, contributed > 0, staleness);
    }
    return status == ECH_OK ? propagate(async, unit->parent) : status;
}

/* ---- whose turn it is ---- */

static void wait_for_turn(ech_async *async, uint32_t unit)
{
    const uint32_t units = async->plan.unit_count;
    async->turns[(async->turn_first + async->turn_count++) % units] = unit;
}

/* A unit can start when all its workers are on. */
static ech_status schedule_start(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    uint64_t start_ns = async->now_ns;
    for (uint32_t i = 0; i < unit->count && start_ns != ECH_TIME_NEVER; i++) {
        start_ns =
            ech_pace_next_on(async->options.pace, async->plan.members[unit->first + i], start_ns);
    }
    if (start_ns == ECH_TIME_NEVER) {
        return ech_fail(ECH_ERR_CONFIG,
                        "node %u is off for good after %.3f s, with %llu of %llu rounds trained",
                        unit->node, (double)async->now_ns * 1e-9,
                        (unsigned long long)async->units[number].round,
                        (unsigned long long)async->options.rounds);
    }
    return ech_event_queue_push(&async->events, start_ns, EVENT_START, number);
}

static ech_status schedule_arrival(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    unit_state *state = &async->units[number];
    state->start_ns = async->now_ns;
    uint64_t end_ns = 0;
    for (uint32_t i = 0; i < unit->count; i++) {
        const ech_turn turn = ech_pace_turn(
            async->options.pace, async->plan.members[unit->first + i], state->round, async->now_ns);
        end_ns = turn.arrival_ns > end_ns ? turn.arrival_ns : end_ns;
    }
    if (end_ns == ECH_TIME_NEVER) {
        return ech_fail(ECH_ERR_CONFIG, "node %u goes off for good while it trains round %llu",
                        unit->node, (unsigned long long)state->round);
    }
    return ech_event_queue_push(&async->events, end_ns, EVENT_ARRIVE, number);
}

static ech_status next_by_virtual_clock(ech_async *async, uint32_t *unit)
{
    for (;;) {
        const ech_event event = ech_event_queue_pop(&async->events);
        async->now_ns = event.time_ns;
        if ((enum event_kind)event.kind == EVENT_ARRIVE) {
            *unit = event.subject;
            return ECH_OK;
        }
        ech_status status = start_unit(async, event.subject);
        if (status == ECH_OK) {
            status = schedule_arrival(async, event.subject);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
}

static bool has_ended(const ech_async *async, const lane_state *lane)
{
    const uint32_t count = async->plan.units[lane->unit].count;
    bool ended = true;
    for (uint32_t i = 0; i < count && ended; i++) {
        ended = ech_future_poll(lane->trains[i]);
    }
    return ended;
}

/* The first unit whose workers have all ended. */
static ech_status next_by_real_clock(ech_async *async, uint32_t *unit)
{
    ech_future **waiting =
        ech_calloc((size_t)async->lane_count * async->plan.largest_unit, sizeof(ech_future *));
    ech_status status = waiting != NULL ? ECH_OK : ECH_ERR_MEMORY;
    while (status == ECH_OK) {
        size_t count = 0;
        for (uint32_t l = 0; l < async->lane_count; l++) {
            const lane_state *lane = &async->lanes[l];
            if (lane->is_busy && has_ended(async, lane)) {
                *unit = lane->unit;
                ech_free((void *)waiting);
                return ECH_OK;
            }
            for (uint32_t i = 0; lane->is_busy && i < async->plan.units[lane->unit].count; i++) {
                if (!ech_future_poll(lane->trains[i])) {
                    waiting[count++] = lane->trains[i];
                }
            }
        }
        size_t which = 0;
        status = count > 0 ? ech_future_wait_any(waiting, count, &which) : ECH_OK;
    }
    ech_free((void *)waiting);
    return status;
}

static ech_status start_by_turns(ech_async *async)
{
    ech_status status = ECH_OK;
    while (status == ECH_OK && async->turn_count > 0 && async->running < async->lane_count) {
        const uint32_t unit = async->turns[async->turn_first];
        async->turn_first = (async->turn_first + 1) % async->plan.unit_count;
        async->turn_count--;
        status = start_unit(async, unit);
    }
    return status;
}

static void find_next_row(ech_async *async, uint32_t number, uint64_t from)
{
    const ech_async_process_options *options = &async->options;
    while (from < options->replay_count &&
           options->replay[from].node != async->plan.units[number].node) {
        from++;
    }
    async->units[number].next_row = from;
}

/* Start every unit whose next update, says the log, began from the version that is current now. */
static ech_status start_by_log(ech_async *async)
{
    const ech_async_process_options *options = &async->options;
    ech_status status = ECH_OK;
    for (uint32_t u = 0; u < async->plan.unit_count && status == ECH_OK; u++) {
        const unit_state *unit = &async->units[u];
        if (unit->lane == NO_LANE && unit->next_row < options->replay_count &&
            options->replay[unit->next_row].version ==
                async->nodes[async->plan.units[u].parent].version) {
            status = start_unit(async, u);
        }
    }
    return status;
}

static ech_status next_by_log(ech_async *async, uint32_t *unit)
{
    const ech_arrival_report *log = async->options.replay;
    while (async->plan.unit_of[log[async->row].node] == ECH_NODE_NONE) {
        async->row++;
    }
    *unit = async->plan.unit_of[log[async->row].node];
    if (async->units[*unit].lane == NO_LANE) {
        return refuse_log(async->row, "starts from a version that there never was");
    }
    find_next_row(async, *unit, async->row + 1);
    async->row++;
    return ECH_OK;
}

static ech_status next_arrival(ech_async *async, uint32_t *unit)
{
    if (is_virtual(async)) {
        return next_by_virtual_clock(async, unit);
    }
    ech_status status = is_replay(async) ? start_by_log(async) : start_by_turns(async);
    if (status != ECH_OK) {
        return status;
    }
    return is_replay(async) ? next_by_log(async, unit) : next_by_real_clock(async, unit);
}

static ech_status go_on(ech_async *async, uint32_t unit)
{
    if (is_replay(async) || async->units[unit].round == async->options.rounds) {
        return ECH_OK;
    }
    if (is_virtual(async)) {
        return schedule_start(async, unit);
    }
    wait_for_turn(async, unit);
    return ECH_OK;
}

/* ---- rounds ---- */

static void begin_round(ech_async *async, uint64_t round)
{
    ech_process_begin_round(async->process, round);
    async->loss_sum = 0.0;
    async->correct_sum = 0.0;
    async->round_begin_ns = async->now_ns;
    if (is_virtual(async)) {
        async->process->report.start_ns = async->now_ns;
    }
}

static ech_status end_round(ech_async *async, uint64_t round)
{
    ech_process *process = async->process;
    ech_round_report *report = &process->report;
    const uint32_t cell = async->nodes[0].cell;
    ech_status status = ECH_OK;
    if (report->samples > 0) {
        report->train_loss = async->loss_sum / (double)report->samples;
        report->train_accuracy = async->correct_sum / (double)report->samples;
    }
    if (ech_process_evaluates(process, round)) {
        status = ech_process_evaluate(process, cell, false);
    }
    if (is_virtual(async)) {
        report->clock_seconds = ech_clock_seconds(async->now_ns - async->round_begin_ns);
    }
    return status == ECH_OK
               ? ech_process_end_round(process, ech_replica_cell_view(process->replica, cell))
               : status;
}

/* ---- the run ---- */

static ech_status create_node(ech_async *async, uint32_t number)
{
    const ech_layout *layout = async->process->layout;
    node_state *node = &async->nodes[number];
    const int64_t *counters = ech_replica_model(async->process->replica).counters;
    node->counters = ech_calloc(layout->counter_count, sizeof *node->counters);
    if (rule_of(async)->has_buffer) {
        node->buffer = ech_calloc(layout->value_count, sizeof *node->buffer);
    }
    if (node->counters == NULL || (rule_of(async)->has_buffer && node->buffer == NULL)) {
        return ECH_ERR_MEMORY;
    }
    memcpy(node->counters, counters, layout->counter_count * sizeof *counters);
    node->base_cell = ECH_CELL_NONE;
    if (number == 0) {
        node->cell = ech_versions_take(async->versions, 0); /* 0: the initial model */
    } else {
        node->cell = async->nodes[0].cell;
        node->base_cell = node->cell;
        ech_versions_hold(async->versions, 0, node->cell);
        ech_versions_hold(async->versions, 0, node->cell);
    }
    return ECH_OK;
}

static ech_status create_tables(ech_async *async)
{
    const ech_async_plan *plan = &async->plan;
    async->nodes = ech_calloc(plan->node_count, sizeof *async->nodes);
    async->units = ech_calloc(plan->unit_count, sizeof *async->units);
    async->lanes = ech_calloc(async->lane_count, sizeof *async->lanes);
    async->turns = ech_calloc(plan->unit_count, sizeof *async->turns);
    async->host_load = ech_calloc((size_t)ech_machine_host_count(async->process->machine),
                                  sizeof *async->host_load);
    if (async->nodes == NULL || async->units == NULL || async->lanes == NULL ||
        async->turns == NULL || async->host_load == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t lane = 0; lane < async->lane_count; lane++) {
        async->lanes[lane].trains = ech_calloc(plan->largest_unit, sizeof(ech_future *));
        if (async->lanes[lane].trains == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    return ECH_OK;
}

static ech_status prepare_run(ech_async *async, ech_executor *executor)
{
    ech_status status = ech_process_begin(async->process, executor);
    if (status == ECH_OK) {
        status = create_tables(async);
    }
    if (status == ECH_OK) {
        status = ech_versions_create(async->process, &async->versions);
    }
    for (uint32_t n = 0; n < async->plan.node_count && status == ECH_OK; n++) {
        status = create_node(async, n);
    }
    for (uint32_t u = 0; u < async->plan.unit_count && status == ECH_OK; u++) {
        async->units[u].lane = NO_LANE;
        if (is_replay(async)) {
            find_next_row(async, u, 0);
        } else {
            status = go_on(async, u);
        }
    }
    return status;
}

/* The final model goes where it is looked for; cell 0 may hold any version. */
static void keep_model(ech_async *async)
{
    const ech_layout *layout = async->process->layout;
    ech_replica *replica = async->process->replica;
    const uint32_t cell = async->nodes[0].cell;
    if (cell != 0) {
        const ech_state_view last = ech_replica_cell_view(replica, cell);
        const ech_state model = ech_replica_model(replica);
        memcpy(model.values, last.values, layout->value_count * sizeof *model.values);
        memcpy(model.counters, last.counters, layout->counter_count * sizeof *model.counters);
    }
}

/* Wait for what still trains, of a run that stops early or failed. */
static void end_lanes(ech_async *async)
{
    const ech_failure failure = ech_failure_keep(ECH_OK);
    for (uint32_t l = 0; async->lanes != NULL && l < async->lane_count; l++) {
        if (async->lanes[l].is_busy) {
            free_lane_of(async, &async->lanes[l]);
        }
    }
    ech_failure_restore(&failure);
}

static void end_run(ech_async *async)
{
    for (uint32_t l = 0; async->lanes != NULL && l < async->lane_count; l++) {
        ech_free((void *)async->lanes[l].trains);
    }
    ech_versions_destroy(&async->versions);
    for (uint32_t n = 0; async->nodes != NULL && n < async->plan.node_count; n++) {
        ech_free(async->nodes[n].buffer);
        ech_free(async->nodes[n].counters);
    }
    ech_event_queue_clear(&async->events);
    ech_free(async->nodes);
    ech_free(async->units);
    ech_free(async->lanes);
    ech_free(async->turns);
    ech_free(async->host_load);
    async->nodes = NULL;
    async->lanes = NULL;
    ech_process_end(async->process);
}

static ech_status run_round(ech_async *async, uint64_t round)
{
    ech_guard_phase("round %llu", (unsigned long long)round);
    begin_round(async, round);
    const uint64_t last = round * async->plan.nodes[0].children;
    ech_status status = ECH_OK;
    while (status == ECH_OK && async->nodes[0].arrivals < last) {
        uint32_t unit = 0;
        status = next_arrival(async, &unit);
        if (status == ECH_OK) {
            status = arrive(async, unit);
        }
        if (status == ECH_OK) {
            status = go_on(async, unit);
        }
    }
    return status == ECH_OK ? end_round(async, round) : status;
}

static ech_status run_start(ech_async *async)
{
    begin_round(async, 0);
    ech_status status = ECH_OK;
    if (async->options.evaluate_every > 0) {
        status = ech_process_evaluate(async->process, 0, false);
    }
    return status == ECH_OK ? ech_process_end_round(async->process,
                                                    ech_replica_model_view(async->process->replica))
                            : status;
}

ech_status ech_async_run(ech_async *async, ech_executor *executor)
{
    ech_status status = prepare_run(async, executor);
    if (status == ECH_OK) {
        status = run_start(async);
    }
    for (uint64_t round = 1; status == ECH_OK && round <= async->options.rounds; round++) {
        if (ech_process_must_stop(async->process)) {
            status =
                ech_fail(ECH_ERR_INTERRUPTED, "stopped after round %llu of %llu",
                         (unsigned long long)round - 1, (unsigned long long)async->options.rounds);
            break;
        }
        status = run_round(async, round);
    }
    end_lanes(async);
    if (status == ECH_OK || status == ECH_ERR_INTERRUPTED) {
        keep_model(async);
    }
    end_run(async);
    return status;
}
