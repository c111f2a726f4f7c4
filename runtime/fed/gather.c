#include <assert.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/gather_priv.h"

enum { FLIGHT_CAPACITY = 4096 };

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
    return gather->hosts != NULL
               ? ech_host_pool_create(gather->host_count, 0, gather->options.slot_count,
                                      &gather->free_slots)
               : ECH_ERR_MEMORY;
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
    gather->ledger = options->ledger;
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
    ech_host_pool_destroy(&gather->free_slots);
    ech_free(gather->hosts);
    ech_free((void *)gather->opening);
    ech_free(gather->ready);
    ech_free(gather->path);
    ech_free(gather->waiting);
    ech_sum_plan_destroy(&gather->plan);
    ech_free(gather);
    *handle = NULL;
}

/* ---- what happens when a task has landed ---- */

void ech_gather_contribution_is_in(ech_gather *gather, uint32_t sum)
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
        ech_gather_contribution_is_in(gather, sum);
    }
}

/* A participant is in its sum, or left out for good. */
static void settle(ech_gather *gather)
{
    gather->settled_count++;
    if (gather->options.aggregators == ECH_AGGREGATORS_FUSED &&
        gather->settled_count == gather->participant_count) {
        training_is_over(gather);
    }
}

/* The round is over before a worker's training has begun. */
static void leave_out(ech_gather *gather)
{
    gather->trained_count++;
    gather->cancelled_count++;
    gather->ledger->report->late++;
    settle(gather);
}

/* What a worker's sum has been waiting for since it was submitted. */
static void end_contribution(ech_gather *gather, const ech_participant *who)
{
    if (who->sum != ECH_SUM_NONE) {
        ech_gather_contribution_is_in(gather, who->sum);
    }
}

static ech_status land_train(ech_gather *gather, uint32_t index, const ech_train_outcome *outcome)
{
    ech_participant *who = &gather->participants[index];
    if (outcome == NULL) {
        end_contribution(gather, who);
        leave_out(gather);
        return ECH_OK;
    }
    gather->trained_count++;
    who->host = (uint32_t)outcome->host;
    if (gather->options.collects && outcome->refused == 0) {
        gather->waiting[gather->waiting_count++] = index;
    } else {
        end_contribution(gather, who);
        settle(gather);
    }
    return ech_ledger_add_training(gather->ledger, who, outcome);
}

static void land_collect(ech_gather *gather, uint32_t index, const ech_step_result *step)
{
    const ech_participant *who = &gather->participants[index];
    ech_ledger_add_collection(gather->ledger, who, step);
    end_contribution(gather, who);
    settle(gather);
}

static ech_status land(void *user, const ech_landing *landing)
{
    ech_gather *gather = user;
    switch ((enum ech_gather_landing)landing->kind) {
    case ECH_LANDED_OPEN:
        ech_ledger_add_step(gather->ledger, landing->result);
        gather->opening[landing->subject] = NULL;
        return ECH_OK;
    case ECH_LANDED_TRAIN:
        return land_train(gather, landing->subject, landing->result);
    case ECH_LANDED_COLLECT:
        land_collect(gather, landing->subject, landing->result);
        return ECH_OK;
    case ECH_LANDED_MERGE:
    case ECH_LANDED_SEND:
    case ECH_LANDED_RECEIVE:
        ech_gather_land_departure(gather, landing);
    }
    return ECH_OK;
}

/* ---- submitting ---- */

static ech_status submit_ready(ech_gather *gather)
{
    ech_status status = ECH_OK;
    while (gather->waiting_count > 0 && status == ECH_OK) {
        status = ech_gather_submit_collect(gather, gather->waiting[--gather->waiting_count]);
    }
    while (gather->ready_count > 0 && status == ECH_OK) {
        status = ech_gather_submit_departure(gather, gather->ready[--gather->ready_count]);
    }
    return status;
}

/* ---- the end of a round on the real clock ---- */

static bool is_over(const ech_gather *gather)
{
    const ech_cutoff *cutoff = &gather->options.cutoff;
    const double seconds = ech_clock_seconds(ech_clock_ns() - gather->start_ns);
    return (cutoff->quorum > 0 &&
            gather->trained_count - gather->cancelled_count >= cutoff->quorum) ||
           (cutoff->deadline > 0.0 && seconds >= cutoff->deadline);
}

/* What some rank has begun will end, and counts. */
static void cut_off(ech_gather *gather)
{
    if (!gather->is_cut_off && is_over(gather)) {
        gather->is_cut_off = true;
        ech_flight_cancel(gather->flight, ECH_LANDED_TRAIN);
    }
}

static ech_status land_and_submit(ech_gather *gather)
{
    cut_off(gather);
    const ech_status status = ech_flight_land_one(gather->flight);
    return status == ECH_OK ? submit_ready(gather) : status;
}

/* Slots suffice for a path from the root to the deepest aggregator, and whatever is off the path
 * leaves by itself: landing frees one. */
static ech_status take_slot(ech_gather *gather, ech_sum_node *node)
{
    while (ech_host_pool_is_empty(gather->free_slots, node->host)) {
        assert(!ech_flight_is_empty(gather->flight));
        const ech_status status = land_and_submit(gather);
        if (status != ECH_OK) {
            return status;
        }
    }
    node->slot = ech_host_pool_take(gather->free_slots, node->host);
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
    const ech_open_arguments arguments = {
        .weight_bound = gather->weight_bound, .slot = node->slot, .leaf_count = node->leaf_count};
    const ech_task_options options = ech_gather_for_leader(gather, node->host);
    return ech_flight_submit(gather->flight, ECH_LANDED_OPEN, sum, gather->options.apps->open,
                             &arguments, sizeof arguments, &options, &gather->opening[sum]);
}

static ech_status submit_worker(ech_gather *gather, uint32_t index)
{
    const ech_participant *who = &gather->participants[index];
    const ech_gather_options *options = &gather->options;
    ech_train_arguments arguments = {
        .seed = options->seed,
        .round = gather->round,
        .worker = who->worker,
        .weight = options->strategy->rule->weight(options->strategy, who->samples),
        .leaf = who->leaf,
        .hostile = ech_hostiles_hold(options->hostiles, who->worker),
        .epochs = options->epochs,
        .into_cell = ECH_CELL_NONE,
    };
    ech_task_options task = ech_gather_home_of(gather, who);
    if (options->states != NULL) {
        arguments.state_slot = ech_worker_states_slot(options->states, who->worker);
    }
    if (who->sum != ECH_SUM_NONE) {
        ech_sum_node *node = ech_sum_plan_node(gather->plan, who->sum);
        node->pending++;
        arguments.slot = node->slot;
        if (gather->opening[who->sum] != NULL) {
            task.inputs = &gather->opening[who->sum];
            task.input_count = 1;
        }
    }
    return ech_flight_submit(gather->flight, ECH_LANDED_TRAIN, index, options->apps->train,
                             &arguments, sizeof arguments, &task, NULL);
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
        cut_off(gather);
        if (gather->is_cut_off) {
            leave_out(gather);
        } else {
            status = submit_worker(gather, i);
        }
    }
    return status;
}

/* ---- materialised: sums open and close along the tree, left to right ---- */

static void close_deepest(ech_gather *gather)
{
    ech_gather_contribution_is_in(gather, gather->path[--gather->path_count]);
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
    uint32_t submitted = 0;
    while (submitted < gather->participant_count && status == ECH_OK && !gather->is_cut_off) {
        status = move_path_to(gather, gather->participants[submitted].sum);
        if (status == ECH_OK) {
            status = submit_worker(gather, submitted++);
        }
        cut_off(gather);
    }
    while (submitted++ < gather->participant_count) {
        leave_out(gather);
    }
    while (gather->path_count > 0) {
        close_deepest(gather);
    }
    return status == ECH_OK ? submit_ready(gather) : status;
}

/* ---- the round ---- */

static ech_status bound_weight(ech_gather *gather, uint64_t weight_bound)
{
    const ech_strategy *strategy = gather->options.strategy;
    gather->weight_bound = weight_bound;
    for (uint32_t i = 0; i < gather->participant_count && weight_bound == 0; i++) {
        gather->weight_bound += strategy->rule->weight(strategy, gather->participants[i].samples);
    }
    if (gather->weight_bound > (uint64_t)1 << ECH_SUM_WEIGHT_BITS_MAX) {
        return ech_fail(ECH_ERR_LIMIT,
                        "round %llu: the weights of its %u workers add up to %llu, more than 2^%d",
                        (unsigned long long)gather->round, gather->participant_count,
                        (unsigned long long)gather->weight_bound, ECH_SUM_WEIGHT_BITS_MAX);
    }
    return ECH_OK;
}

static void end_round(ech_gather *gather, uint32_t *root_slot)
{
    ech_sum_node *root = ech_sum_plan_node(gather->plan, 0);
    *root_slot = root->slot;
    ech_gather_free_slot(gather, root);
}

/* Room for every participant to wait at once. */
static ech_status make_waiting_room(ech_gather *gather, uint32_t count)
{
    if (!gather->options.collects || count <= gather->waiting_capacity) {
        return ECH_OK;
    }
    uint32_t *grown = ech_realloc(gather->waiting, count, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    gather->waiting = grown;
    gather->waiting_capacity = count;
    return ECH_OK;
}

ech_status ech_gather_run(ech_gather *gather, uint64_t round, uint64_t weight_bound,
                          ech_participant *participants, uint32_t count, uint32_t *root_slot)
{
    assert(count > 0);
    gather->round = round;
    gather->participants = participants;
    gather->participant_count = count;
    gather->trained_count = 0;
    gather->settled_count = 0;
    gather->waiting_count = 0;
    gather->cancelled_count = 0;
    gather->start_ns = ech_clock_ns();
    gather->is_cut_off = false;
    ech_gather_place_participants(gather);
    ech_status status = make_waiting_room(gather, count);
    if (status == ECH_OK) {
        status = bound_weight(gather, weight_bound);
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
