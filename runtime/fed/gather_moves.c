#include "runtime/fed/gather_priv.h"

enum { PRIORITY_SUMS = 1 /* opening and moving sums goes before more training */ };

ech_task_options ech_gather_for_leader(const ech_gather *gather, uint32_t host)
{
    return (ech_task_options){
        .affinity = ECH_AFFINITY_RANK,
        .affinity_value = (uint64_t)ech_machine_leader_of(gather->options.machine, (int)host),
        .strict = true,
        .priority = PRIORITY_SUMS,
    };
}

/* On the host of the sum: where sums are a host's, on the one where the worker trained. */
ech_status ech_gather_submit_collect(ech_gather *gather, uint32_t index)
{
    const ech_participant *who = &gather->participants[index];
    const ech_strategy *strategy = gather->options.strategy;
    ech_collect_arguments arguments = {
        .worker = who->worker,
        .weight = strategy->rule->weight(strategy, who->samples),
        .leaf = who->leaf,
    };
    ech_task_options task = {.affinity = ECH_AFFINITY_HOST,
                             .affinity_value = who->host,
                             .strict = true,
                             .priority = PRIORITY_SUMS};
    if (who->sum != ECH_SUM_NONE) {
        const ech_sum_node *node = ech_sum_plan_node(gather->plan, who->sum);
        arguments.slot = node->slot;
        task.affinity_value = node->host;
    }
    return ech_flight_submit(gather->flight, ECH_LANDED_COLLECT, index,
                             gather->options.apps->collect, &arguments, sizeof arguments, &task,
                             NULL);
}

void ech_gather_free_slot(ech_gather *gather, ech_sum_node *node)
{
    ech_host_pool_give(gather->free_slots, node->host, node->slot);
    node->slot = ECH_SUM_NONE;
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

static ech_status submit_half(ech_gather *gather, enum ech_gather_landing kind, uint32_t sum,
                              uint32_t host_number, uint32_t other_host, ech_future *const *inputs,
                              uint32_t input_count, ech_future **out)
{
    const bool sends = kind == ECH_LANDED_SEND;
    const ech_sum_node *from = ech_sum_plan_node(gather->plan, sum);
    const ech_sum_node *into = ech_sum_plan_node(gather->plan, from->parent);
    const ech_move_arguments arguments = {
        .slot = sends ? from->slot : into->slot, .other_host = other_host, .leaf = from->leaf};
    ech_task_options options = ech_gather_for_leader(gather, host_number);
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
        status = submit_half(gather, ECH_LANDED_SEND, sum, from, into, inputs, count, &halves[0]);
    }
    if (status == ECH_OK) {
        status =
            submit_half(gather, ECH_LANDED_RECEIVE, sum, into, from, inputs, count, &halves[1]);
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

ech_status ech_gather_submit_departure(ech_gather *gather, uint32_t sum)
{
    const ech_sum_node *from = ech_sum_plan_node(gather->plan, sum);
    const ech_sum_node *into = ech_sum_plan_node(gather->plan, from->parent);
    if (from->host != into->host) {
        return submit_move(gather, sum);
    }
    const ech_merge_arguments merge = {
        .from_slot = from->slot, .into_slot = into->slot, .leaf = from->leaf};
    const ech_task_options options = ech_gather_for_leader(gather, from->host);
    return ech_flight_submit(gather->flight, ECH_LANDED_MERGE, sum, gather->options.apps->merge,
                             &merge, sizeof merge, &options, NULL);
}

/* A sum has left for its parent: by a merge on its host, or at the sending end of a move. */
static void land_leaving(ech_gather *gather, uint32_t sum, const ech_step_result *step)
{
    ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
    ech_ledger_add_step(gather->ledger, step);
    gather->ledger->tiers[node->tier].wire_up += step->wire_bytes;
    ech_gather_free_slot(gather, node);
}

static void land_receipt(ech_gather *gather, uint32_t sum, const ech_step_result *step)
{
    const uint32_t parent = ech_sum_plan_node(gather->plan, sum)->parent;
    gather->hosts[ech_sum_plan_node(gather->plan, parent)->host].moves_in_flight--;
    ech_ledger_add_step(gather->ledger, step);
    ech_gather_contribution_is_in(gather, parent);
}

void ech_gather_land_departure(ech_gather *gather, const ech_landing *landing)
{
    const ech_sum_node *node = ech_sum_plan_node(gather->plan, landing->subject);
    if (landing->kind == ECH_LANDED_RECEIVE) {
        land_receipt(gather, landing->subject, landing->result);
        return;
    }
    if (landing->kind == ECH_LANDED_SEND) {
        gather->hosts[node->host].moves_in_flight--;
    }
    land_leaving(gather, landing->subject, landing->result);
    if (landing->kind == ECH_LANDED_MERGE) {
        ech_gather_contribution_is_in(gather, node->parent);
    }
}
