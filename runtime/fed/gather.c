#include "runtime/fed/gather.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/flight.h"

enum {
    FLIGHT_CAPACITY = 4096,
    PRIORITY_SUMS = 1, /* opening and moving sums goes before more training */
};

enum landing_kind { LANDED_OPEN, LANDED_TRAIN, LANDED_MERGE, LANDED_SEND, LANDED_RECEIVE };

typedef struct {
    uint32_t worker;
    uint32_t sum; /* it enters; ECH_SUM_NONE: that of the host it runs on */
    uint32_t position;
    uint64_t samples;
} participant;

/* A host's slots, and the last move between hosts that it takes part in. */
typedef struct {
    uint32_t *free_slots;
    uint32_t free_count;
    ech_future *last_move; /* valid while moves are in flight */
    uint32_t moves_in_flight;
} host_state;

struct ech_gather {
    ech_gather_options options;
    ech_executor *executor;
    ech_sum_plan *plan;
    ech_flight *flight;
    host_state *hosts;
    uint32_t host_count;
    ech_future **opening; /* of each sum, while in flight */
    uint32_t *ready;      /* sums whose contributions are all in, to be moved */
    uint32_t *path;       /* open sums from the root to where workers are being submitted */
    participant *participants;
    uint32_t participant_capacity;

    /* of the round that runs */
    uint64_t round;
    uint64_t weight_bound;
    uint32_t participant_count;
    uint32_t trained_count;
    uint32_t ready_count;
    uint32_t path_count;
    double loss_sum, correct_sum;
    ech_round_report *report;
    ech_tier_bytes *tiers;
};

ech_status ech_gather_slots(ech_aggregators aggregators, const ech_topology *topology,
                            const ech_placement *placement, const ech_machine *machine,
                            uint32_t *out)
{
    *out = 0;
    ech_sum_plan *plan = NULL;
    const ech_status status = ech_sum_plan_create(aggregators, topology, placement, &plan);
    if (status != ECH_OK) {
        return status;
    }
    for (int host = 0; host < ech_machine_host_count(machine); host++) {
        int ranks = 0;
        ech_machine_ranks_of(machine, host, &ranks);
        const uint32_t slots = ech_sum_plan_slots(plan, (uint32_t)host, (uint32_t)ranks);
        *out = slots > *out ? slots : *out;
    }
    ech_sum_plan_destroy(&plan);
    return ECH_OK;
}

static ech_status create_hosts(ech_gather *gather)
{
    gather->host_count = (uint32_t)ech_machine_host_count(gather->options.machine);
    gather->hosts = ech_calloc(gather->host_count, sizeof *gather->hosts);
    if (gather->hosts == NULL) {
        return ECH_ERR_MEMORY;
    }
    const uint32_t slots = gather->options.slot_count;
    for (uint32_t h = 0; h < gather->host_count; h++) {
        host_state *host = &gather->hosts[h];
        host->free_slots = ech_calloc(slots, sizeof *host->free_slots);
        if (host->free_slots == NULL) {
            return ECH_ERR_MEMORY;
        }
        for (uint32_t slot = 0; slot < slots; slot++) {
            host->free_slots[slot] = slots - 1 - slot;
        }
        host->free_count = slots;
    }
    return ECH_OK;
}

static ech_status land(void *user, const ech_landing *landing);

ech_status ech_gather_create(ech_executor *executor, const ech_gather_options *options,
                             ech_gather **out)
{
    *out = NULL;
    ech_gather *gather = ech_calloc(1, sizeof *gather);
    if (gather == NULL) {
        return ECH_ERR_MEMORY;
    }
    gather->options = *options;
    gather->executor = executor;
    ech_status status = ech_sum_plan_create(options->aggregators, options->topology,
                                            options->placement, &gather->plan);
    if (status == ECH_OK) {
        status = create_hosts(gather);
    }
    if (status == ECH_OK) {
        status = ech_flight_create(executor, FLIGHT_CAPACITY, land, gather, &gather->flight);
    }
    if (status == ECH_OK) {
        const uint32_t sums = ech_sum_plan_count(gather->plan);
        gather->opening = ech_calloc(sums, sizeof(ech_future *));
        gather->ready = ech_calloc(sums, sizeof *gather->ready);
        gather->path = ech_calloc(ech_topology_tier_count(options->topology), sizeof *gather->path);
        if (gather->opening == NULL || gather->ready == NULL || gather->path == NULL) {
            status = ECH_ERR_MEMORY;
        }
    }
    if (status != ECH_OK) {
        ech_gather_destroy(&gather);
        return status;
    }
    *out = gather;
    return ECH_OK;
}

void ech_gather_destroy(ech_gather **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_gather *gather = *handle;
    ech_flight_destroy(&gather->flight);
    for (uint32_t host = 0; gather->hosts != NULL && host < gather->host_count; host++) {
        ech_free(gather->hosts[host].free_slots);
    }
    ech_free(gather->hosts);
    ech_free((void *)gather->opening);
    ech_free(gather->ready);
    ech_free(gather->path);
    ech_free(gather->participants);
    ech_sum_plan_destroy(&gather->plan);
    ech_free(gather);
    *handle = NULL;
}

/* ---- what happens when a task has landed ---- */

static void add_step(ech_gather *gather, const ech_step_result *step)
{
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        gather->report->phase_seconds[phase] += (double)step->phase_ns[phase] * 1e-9;
    }
}

static void contribution_is_in(ech_gather *gather, uint32_t sum)
{
    ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
    assert(node->pending > 0);
    if (--node->pending == 0 && node->parent != ECH_SUM_NONE) {
        gather->ready[gather->ready_count++] = sum;
    }
}

/* Where a worker may run anywhere, each host's sum waits for all of them. */
static void training_is_over(ech_gather *gather)
{
    for (uint32_t sum = 0; sum < ech_sum_plan_count(gather->plan); sum++) {
        contribution_is_in(gather, sum);
    }
}

static uint32_t tier_of(const ech_gather *gather, uint32_t worker)
{
    const ech_topology *topology = gather->options.topology;
    return ech_topology_node(topology, ech_topology_worker_node(topology, worker))->tier;
}

static ech_turn turn_of(const ech_gather *gather, const participant *who)
{
    return ech_pace_turn(gather->options.pace, who->worker, gather->round,
                         gather->report->start_ns);
}

/* On the virtual clock a round takes as long as its slowest worker. */
static void clock_worker(const ech_gather *gather, const participant *who)
{
    ech_round_report *report = gather->report;
    if (gather->options.pace != NULL) {
        const uint64_t taken_ns = turn_of(gather, who).arrival_ns - report->start_ns;
        report->clock_seconds = fmax(report->clock_seconds, (double)taken_ns * 1e-9);
    }
}

static ech_status report_worker(ech_gather *gather, const participant *who,
                                const ech_train_outcome *outcome)
{
    const ech_round_observer *observer = gather->options.observer;
    const ech_topology *topology = gather->options.topology;
    const uint32_t node = ech_topology_worker_node(topology, who->worker);
    if (outcome->refused != 0) {
        char buffer[ECH_TOPOLOGY_NAME_BYTES];
        ech_log(ECH_LOG_WARNING, "round %llu: worker %s (number %u) is left out: %s",
                (unsigned long long)gather->round, ech_topology_name(topology, node, buffer),
                who->worker, outcome->reason);
    }
    if (observer->worker_done == NULL) {
        return ECH_OK;
    }
    ech_worker_report report = {
        .round = gather->round,
        .worker = who->worker,
        .node = node,
        .parent = ech_topology_node(topology, node)->parent,
        .rank = outcome->rank,
        .host = outcome->host,
        .samples = who->samples,
        .steps = outcome->train.steps,
        .loss = outcome->train.loss,
        .accuracy = outcome->train.accuracy,
        .start_ns = outcome->start_ns,
        .end_ns = outcome->end_ns,
        .refused = outcome->refused != 0,
    };
    if (gather->options.pace != NULL) {
        const ech_turn turn = turn_of(gather, who);
        report.start_ns = turn.train_start_ns;
        report.end_ns = turn.train_end_ns;
    }
    return observer->worker_done(observer->self, &report);
}

static ech_status land_train(ech_gather *gather, uint32_t index, const ech_train_outcome *outcome)
{
    const participant *who = &gather->participants[index];
    ech_round_report *report = gather->report;
    add_step(gather, &outcome->step);
    ech_tier_bytes *tier = &gather->tiers[tier_of(gather, who->worker)];
    tier->wire_up += outcome->step.wire_bytes;
    tier->wire_down += outcome->model_bytes;
    if (outcome->refused == 0) {
        if (gather->options.states != NULL) {
            ech_worker_states_mark(gather->options.states, who->worker);
        }
        report->contributed++;
        report->samples += outcome->train.samples;
        gather->loss_sum += outcome->train.loss * (double)outcome->train.samples;
        gather->correct_sum += outcome->train.accuracy * (double)outcome->train.samples;
    }
    gather->trained_count++;
    clock_worker(gather, who);
    if (who->sum != ECH_SUM_NONE) {
        contribution_is_in(gather, who->sum);
    } else if (gather->trained_count == gather->participant_count) {
        training_is_over(gather);
    }
    return report_worker(gather, who, outcome);
}

static void free_slot(ech_gather *gather, ech_sum_node *node)
{
    host_state *host = &gather->hosts[node->host];
    host->free_slots[host->free_count++] = node->slot;
    node->slot = ECH_SUM_NONE;
}

/* A sum has left for its parent: by a merge on its host, or at the sending end of a move. */
static void land_departure(ech_gather *gather, uint32_t sum, const ech_step_result *step)
{
    ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
    add_step(gather, step);
    gather->tiers[node->tier].wire_up += step->wire_bytes;
    free_slot(gather, node);
}

static ech_status land(void *user, const ech_landing *landing)
{
    ech_gather *gather = user;
    const uint32_t subject = landing->subject;
    switch ((enum landing_kind)landing->kind) {
    case LANDED_OPEN:
        add_step(gather, landing->result);
        gather->opening[subject] = NULL;
        return ECH_OK;
    case LANDED_TRAIN:
        return land_train(gather, subject, landing->result);
    case LANDED_MERGE:
        land_departure(gather, subject, landing->result);
        contribution_is_in(gather, ech_sum_plan_node(gather->plan, subject)->parent);
        return ECH_OK;
    case LANDED_SEND:
        gather->hosts[ech_sum_plan_node(gather->plan, subject)->host].moves_in_flight--;
        land_departure(gather, subject, landing->result);
        return ECH_OK;
    case LANDED_RECEIVE: {
        const uint32_t parent = ech_sum_plan_node(gather->plan, subject)->parent;
        gather->hosts[ech_sum_plan_node(gather->plan, parent)->host].moves_in_flight--;
        add_step(gather, landing->result);
        contribution_is_in(gather, parent);
        return ECH_OK;
    }
    }
    return ECH_OK;
}

/* ---- submitting ---- */

/* A task for the leader rank of a host. */
static ech_task_options for_leader(const ech_gather *gather, uint32_t host)
{
    return (ech_task_options){
        .affinity = ECH_AFFINITY_RANK,
        .affinity_value = (uint64_t)ech_machine_leader_of(gather->options.machine, (int)host),
        .strict = true,
        .priority = PRIORITY_SUMS,
    };
}

/* The last moves of both hosts, while in flight. */
static uint32_t list_last_moves(const ech_gather *gather, uint32_t from, uint32_t into,
                                ech_future *inputs[2])
{
    const uint32_t hosts[] = {from, into};
    uint32_t count = 0;
    for (int i = 0; i < 2; i++) {
        if (gather->hosts[hosts[i]].moves_in_flight > 0) {
            inputs[count++] = gather->hosts[hosts[i]].last_move;
        }
    }
    return count;
}

static ech_status submit_half(ech_gather *gather, enum landing_kind kind, uint32_t sum,
                              uint32_t host_number, uint32_t other_host, ech_future *const *inputs,
                              uint32_t input_count, ech_future **out)
{
    const bool sends = kind == LANDED_SEND;
    const ech_sum_node *from = ech_sum_plan_node(gather->plan, sum);
    const ech_sum_node *into = ech_sum_plan_node(gather->plan, from->parent);
    const ech_move_arguments arguments = {.slot = sends ? from->slot : into->slot,
                                          .other_host = other_host};
    ech_task_options options = for_leader(gather, host_number);
    options.inputs = inputs;
    options.input_count = input_count;
    const ech_round_apps *apps = gather->options.apps;
    return ech_flight_submit(gather->flight, (uint32_t)kind, sum,
                             sends ? apps->send : apps->receive, &arguments, sizeof arguments,
                             &options, out);
}

/* Moves are chained on each host in the order of submission, and both halves of a move wait for the
 * same: of the moves that have not ended, the oldest has both its leader ranks to itself, so no two
 * can wait for each other. */
static ech_status submit_move(ech_gather *gather, uint32_t sum)
{
    const uint32_t from = ech_sum_plan_node(gather->plan, sum)->host;
    const uint32_t parent = ech_sum_plan_node(gather->plan, sum)->parent;
    const uint32_t into = ech_sum_plan_node(gather->plan, parent)->host;
    ech_status status = ech_flight_make_room(gather->flight, 2);
    ech_future *inputs[2] = {NULL, NULL};
    const uint32_t count = list_last_moves(gather, from, into, inputs);
    ech_future *halves[2] = {NULL, NULL};
    if (status == ECH_OK) {
        status = submit_half(gather, LANDED_SEND, sum, from, into, inputs, count, &halves[0]);
    }
    if (status == ECH_OK) {
        status = submit_half(gather, LANDED_RECEIVE, sum, into, from, inputs, count, &halves[1]);
    }
    if (status != ECH_OK) {
        return status;
    }
    gather->hosts[from].last_move = halves[0];
    gather->hosts[from].moves_in_flight++;
    gather->hosts[into].last_move = halves[1];
    gather->hosts[into].moves_in_flight++;
    return ECH_OK;
}

static ech_status submit_departure(ech_gather *gather, uint32_t sum)
{
    const ech_sum_node *from = ech_sum_plan_node(gather->plan, sum);
    const ech_sum_node *into = ech_sum_plan_node(gather->plan, from->parent);
    if (from->host != into->host) {
        return submit_move(gather, sum);
    }
    const ech_merge_arguments merge = {.from_slot = from->slot, .into_slot = into->slot};
    const ech_task_options options = for_leader(gather, from->host);
    return ech_flight_submit(gather->flight, LANDED_MERGE, sum, gather->options.apps->merge, &merge,
                             sizeof merge, &options, NULL);
}

static ech_status submit_ready(ech_gather *gather)
{
    ech_status status = ECH_OK;
    while (gather->ready_count > 0 && status == ECH_OK) {
        status = submit_departure(gather, gather->ready[--gather->ready_count]);
    }
    return status;
}

static ech_status land_and_submit(ech_gather *gather)
{
    const ech_status status = ech_flight_land_one(gather->flight);
    return status == ECH_OK ? submit_ready(gather) : status;
}

/* Slots suffice for a path from the root to the deepest aggregator, and whatever is off the path
 * leaves by itself: landing frees one. */
static ech_status take_slot(ech_gather *gather, ech_sum_node *node)
{
    host_state *host = &gather->hosts[node->host];
    while (host->free_count == 0) {
        assert(!ech_flight_is_empty(gather->flight));
        const ech_status status = land_and_submit(gather);
        if (status != ECH_OK) {
            return status;
        }
    }
    node->slot = host->free_slots[--host->free_count];
    return ECH_OK;
}

static ech_status open_sum(ech_gather *gather, uint32_t sum)
{
    ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
    const ech_status status = take_slot(gather, node);
    if (status != ECH_OK) {
        return status;
    }
    node->pending = 1; /* until the last contribution has been submitted */
    const ech_open_arguments arguments = {.weight_bound = gather->weight_bound, .slot = node->slot};
    const ech_task_options options = for_leader(gather, node->host);
    return ech_flight_submit(gather->flight, LANDED_OPEN, sum, gather->options.apps->open,
                             &arguments, sizeof arguments, &options, &gather->opening[sum]);
}

static ech_status submit_worker(ech_gather *gather, uint32_t index)
{
    const participant *who = &gather->participants[index];
    const ech_gather_options *options = &gather->options;
    ech_train_arguments arguments = {
        .seed = options->seed,
        .round = gather->round,
        .worker = who->worker,
        .weight = options->strategy->rule->weight(options->strategy, who->samples),
        .epochs = options->epochs,
        .into_cell = ECH_CELL_NONE,
    };
    ech_task_options task = {
        .affinity = ECH_AFFINITY_HOST,
        .affinity_value = ech_placement_worker_host(options->placement, who->worker),
    };
    if (options->states != NULL) {
        arguments.state_slot = ech_worker_states_slot(options->states, who->worker);
        task.affinity_value = ech_worker_states_home(options->states, who->worker);
        task.strict = true;
    }
    if (who->sum != ECH_SUM_NONE) {
        ech_sum_node *node = ech_sum_plan_node(gather->plan, who->sum);
        node->pending++;
        arguments.slot = node->slot;
        task.affinity_value = node->host;
        task.strict = true;
        if (gather->opening[who->sum] != NULL) {
            task.inputs = &gather->opening[who->sum];
            task.input_count = 1;
        }
    }
    return ech_flight_submit(gather->flight, LANDED_TRAIN, index, options->apps->train, &arguments,
                             sizeof arguments, &task, NULL);
}

/* ---- fused: every host's sum is open while the workers train, wherever ---- */

static ech_status train_fused(ech_gather *gather)
{
    ech_status status = ECH_OK;
    for (uint32_t sum = 0; sum < ech_sum_plan_count(gather->plan) && status == ECH_OK; sum++) {
        status = open_sum(gather, sum);
        const uint32_t parent = ech_sum_plan_node(gather->plan, sum)->parent;
        if (parent != ECH_SUM_NONE) {
            ech_sum_plan_node(gather->plan, parent)->pending++;
        }
    }
    if (status == ECH_OK) {
        status = ech_flight_land_all(gather->flight);
    }
    for (uint32_t i = 0; i < gather->participant_count && status == ECH_OK; i++) {
        status = submit_worker(gather, i);
    }
    return status;
}

/* ---- materialised: sums open and close along the tree, left to right ---- */

static void close_deepest(ech_gather *gather)
{
    contribution_is_in(gather, gather->path[--gather->path_count]);
}

/* Make the path end at `sum`: close what is not above it, open what is missing. */
static ech_status move_path_to(ech_gather *gather, uint32_t sum)
{
    uint32_t missing[ECH_TOPOLOGY_TIERS_MAX];
    uint32_t missing_count = 0;
    uint32_t above = sum;
    while (above != ECH_SUM_NONE) {
        const ech_sum_node *node = ech_sum_plan_node(gather->plan, above);
        if (node->tier < gather->path_count && gather->path[node->tier] == above) {
            break;
        }
        missing[missing_count++] = above;
        above = node->parent;
    }
    const uint32_t kept =
        above == ECH_SUM_NONE ? 0 : ech_sum_plan_node(gather->plan, above)->tier + 1;
    while (gather->path_count > kept) {
        close_deepest(gather);
    }
    ech_status status = submit_ready(gather);
    while (missing_count > 0 && status == ECH_OK) {
        const uint32_t opened = missing[--missing_count];
        if (gather->path_count > 0) {
            ech_sum_plan_node(gather->plan, gather->path[gather->path_count - 1])->pending++;
        }
        status = open_sum(gather, opened);
        gather->path[gather->path_count++] = opened;
    }
    return status;
}

static ech_status train_materialised(ech_gather *gather)
{
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < gather->participant_count && status == ECH_OK; i++) {
        status = move_path_to(gather, gather->participants[i].sum);
        if (status == ECH_OK) {
            status = submit_worker(gather, i);
        }
    }
    while (gather->path_count > 0) {
        close_deepest(gather);
    }
    return status == ECH_OK ? submit_ready(gather) : status;
}

/* ---- the round ---- */

static int by_position(const void *left, const void *right)
{
    const participant *a = left;
    const participant *b = right;
    return (a->position > b->position) - (a->position < b->position);
}

static int by_size(const void *left, const void *right)
{
    const participant *a = left;
    const participant *b = right;
    if (a->samples != b->samples) {
        return a->samples < b->samples ? 1 : -1;
    }
    return (a->worker > b->worker) - (a->worker < b->worker);
}

static ech_status list_participants(ech_gather *gather, const ech_selection *selection)
{
    const ech_topology *topology = gather->options.topology;
    if (selection->count > gather->participant_capacity) {
        participant *grown = ech_realloc(gather->participants, selection->count, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        gather->participants = grown;
        gather->participant_capacity = selection->count;
    }
    for (uint32_t i = 0; i < selection->count; i++) {
        const uint32_t worker = selection->workers[i];
        const uint32_t node = ech_topology_worker_node(topology, worker);
        gather->participants[i] = (participant){
            .worker = worker,
            .sum = ech_sum_plan_of_worker(gather->plan, worker),
            .position = ech_topology_node(topology, node)->first_leaf,
            .samples = ech_population_samples(gather->options.population, worker),
        };
    }
    gather->participant_count = selection->count;
    qsort(gather->participants, selection->count, sizeof *gather->participants,
          gather->options.aggregators == ECH_AGGREGATORS_FUSED ? by_size : by_position);
    return ECH_OK;
}

static ech_status bound_weight(ech_gather *gather)
{
    const ech_strategy *strategy = gather->options.strategy;
    gather->weight_bound = 0;
    for (uint32_t i = 0; i < gather->participant_count; i++) {
        gather->weight_bound += strategy->rule->weight(strategy, gather->participants[i].samples);
    }
    if (gather->weight_bound > (uint64_t)1 << ECH_EXACT_SUM_WEIGHT_BITS_MAX) {
        return ech_fail(ECH_ERR_LIMIT,
                        "round %llu: the weights of its %u workers add up to %llu, more than 2^%d",
                        (unsigned long long)gather->round, gather->participant_count,
                        (unsigned long long)gather->weight_bound, ECH_EXACT_SUM_WEIGHT_BITS_MAX);
    }
    return ECH_OK;
}

static void begin_round(ech_gather *gather, uint64_t round, ech_round_report *report,
                        ech_tier_bytes *tiers)
{
    gather->round = round;
    gather->report = report;
    gather->tiers = tiers;
    gather->trained_count = 0;
    gather->loss_sum = 0.0;
    gather->correct_sum = 0.0;
}

static void end_round(ech_gather *gather, uint32_t *root_slot)
{
    ech_round_report *report = gather->report;
    report->train_loss = report->samples > 0 ? gather->loss_sum / (double)report->samples : NAN;
    report->train_accuracy =
        report->samples > 0 ? gather->correct_sum / (double)report->samples : NAN;
    ech_sum_node *root = ech_sum_plan_node(gather->plan, 0);
    *root_slot = root->slot;
    free_slot(gather, root);
}

ech_status ech_gather_run(ech_gather *gather, uint64_t round, const ech_selection *selection,
                          ech_round_report *report, ech_tier_bytes *tiers, uint32_t *root_slot)
{
    begin_round(gather, round, report, tiers);
    ech_status status = list_participants(gather, selection);
    if (status == ECH_OK) {
        status = bound_weight(gather);
    }
    if (status == ECH_OK) {
        status = gather->options.aggregators == ECH_AGGREGATORS_FUSED ? train_fused(gather)
                                                                      : train_materialised(gather);
    }
    while (status == ECH_OK && !ech_flight_is_empty(gather->flight)) {
        status = land_and_submit(gather);
    }
    if (status == ECH_OK) {
        end_round(gather, root_slot);
    }
    return status;
}
