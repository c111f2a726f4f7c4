#include "runtime/fed/round_apps.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

static void yield_task(void *context)
{
    ech_task_yield(context);
}

static ech_idle idle_of(ech_task_context *context)
{
    return (ech_idle){.call = yield_task, .user = context};
}

static ech_status run_fetch(ech_work *work)
{
    const ech_fetch_arguments *fetch = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_step_result *step = work->result;
    ech_task_describe(work->context, "fetch the model from host %u", fetch->from_host);
    return ech_replica_fetch(rank->replica, fetch->from_host, fetch->from_cell, fetch->into_cell,
                             &step->wire_bytes);
}

static ech_status run_open(ech_work *work)
{
    const ech_open_arguments *open = work->arguments;
    const ech_round_rank *rank = work->rank;
    return ech_sum_begin(ech_replica_sum(rank->replica, open->slot), open->weight_bound,
                         open->leaf_count);
}

static ech_status run_publish(ech_work *work)
{
    const ech_publish_arguments *publish = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_step_result *step = work->result;
    const ech_layout *layout = ech_replica_layout(rank->replica);
    const ech_parcel parcel = {ECH_PARCEL_MODEL, publish->version};
    ech_task_describe(work->context, "publish the model of round %llu",
                      (unsigned long long)publish->version);
    const ech_status status = ech_transfer_put(
        rank->transfer, parcel, layout, ech_replica_model_view(rank->replica), &step->wire_bytes);
    if (status != ECH_OK || publish->version == 0) {
        return status;
    }
    const ech_parcel old = {ECH_PARCEL_MODEL, publish->version - 1};
    return ech_transfer_drop(rank->transfer, old, layout);
}

/* The model of a version, where this rank reads it. @param[in,out] bytes  moved to get it here. */
static ech_status receive_model(ech_round_rank *rank, uint32_t cell, uint64_t version,
                                ech_state_view *base, uint64_t *bytes)
{
    const ech_layout *layout = ech_replica_layout(rank->replica);
    *base = ech_replica_cell_view(rank->replica, cell);
    if (rank->transfer == NULL || !ech_transfer_copies_model(rank->transfer)) {
        return ECH_OK;
    }
    ech_status status = ECH_OK;
    if (rank->received_version != version) {
        rank->received_version = (uint64_t)ECH_VERSION_NONE;
        if (ech_transfer_stores(rank->transfer)) {
            const ech_parcel parcel = {ECH_PARCEL_MODEL, version};
            status = ech_transfer_get(rank->transfer, parcel, layout, rank->received, bytes);
        } else {
            const uint64_t value_bytes = layout->value_count * sizeof *base->values;
            const uint64_t counter_bytes = layout->counter_count * sizeof *base->counters;
            ech_memory_copy(rank->received.values, base->values, value_bytes);
            memcpy(rank->received.counters, base->counters, counter_bytes);
            *bytes += value_bytes + counter_bytes;
        }
        rank->received_version = status == ECH_OK ? version : (uint64_t)ECH_VERSION_NONE;
    }
    *base = (ech_state_view){rank->received.values, rank->received.counters};
    return status;
}

static ech_status open_part(const ech_round_rank *rank, const ech_train_arguments *arguments,
                            ech_state_view base, ech_state update, ech_worker_part *part)
{
    *part = (ech_worker_part){
        .layout = rank->trainer->layout(rank->trainer->self),
        .global = base.values,
        .update = update.values,
    };
    return rank->states == NULL
               ? ECH_OK
               : ech_worker_states_open(rank->states, arguments->state_slot, &part->kept);
}

static const ech_strategy *strategy_of(const ech_round_rank *rank,
                                       const ech_train_arguments *arguments)
{
    return rank->strategies[arguments->tier];
}

static ech_status train_worker(ech_task_context *context, const ech_round_rank *rank,
                               const ech_train_arguments *arguments, const ech_worker_part *part,
                               ech_state_view base, ech_state update, ech_train_outcome *outcome)
{
    ech_train_request request = {
        .seed = arguments->seed,
        .round = arguments->round,
        .worker = arguments->worker,
        .epochs = arguments->epochs,
        .yield = yield_task,
        .yield_user = context,
    };
    const ech_strategy *strategy = strategy_of(rank, arguments);
    if (strategy->rule->prepare != NULL) {
        strategy->rule->prepare(strategy, part, &request);
    }
    const ech_work_watch watch = ech_work_start_phase(&outcome->step, ECH_PHASE_TRAIN);
    const ech_status status =
        rank->trainer->train(rank->trainer->self, &request, base, update, &outcome->train);
    ech_work_stop_phase(watch);
    outcome->model_bytes += ech_strategy_down_bytes(strategy);
    if (status == ECH_OK && arguments->hostile != 0) {
        ech_attack(&rank->attack, arguments->seed, arguments->round, arguments->worker,
                   part->layout, base.values, update.values);
    }
    return status;
}

/* The sum of 0 * x is 0 if every x is finite, and NaN otherwise. */
static ech_status check_finite(const float *values, uint64_t count)
{
    float sum = 0.0F;
    for (uint64_t i = 0; i < count; i++) {
        sum += 0.0F * values[i];
    }
    return sum == 0.0F ? ECH_OK : ech_fail(ECH_ERR_NUMERIC, "a value of the update is not finite");
}

/* From what was trained to what is summed. */
static void form_update(const ech_strategy *strategy, const ech_worker_part *part,
                        ech_state_view base, ech_state update, ech_train_outcome *outcome)
{
    const ech_strategy_rule *rule = strategy->rule;
    if (rule->form == ECH_AGGREGATE_DIFFERENCE) {
        ech_strategy_difference(update, base, part->layout->value_count);
    }
    if (rule->finish != NULL) {
        rule->finish(strategy, part, &outcome->train);
    }
}

static bool is_collected(const ech_round_rank *rank)
{
    return rank->transfer != NULL && ech_transfer_stores(rank->transfer);
}

/* Into the sum, on its way there, or left in its cell. @param[out] bytes  that this moved. */
static ech_status pass_on(const ech_round_rank *rank, const ech_train_arguments *arguments,
                          ech_state_view update, uint64_t *bytes)
{
    const ech_layout *layout = ech_replica_layout(rank->replica);
    *bytes = 0;
    if (arguments->into_cell == ECH_CELL_NONE && !is_collected(rank)) {
        ech_sum *sum = ech_replica_sum(rank->replica, arguments->slot);
        *bytes = ech_sum_state_bytes(ech_sum_kind_of(sum), layout);
        return ech_sum_add(sum, update, arguments->weight, arguments->leaf);
    }
    const ech_status status = check_finite(update.values, layout->value_count);
    if (status != ECH_OK || arguments->into_cell != ECH_CELL_NONE) {
        *bytes = ech_layout_state_bytes(layout);
        return status;
    }
    const ech_parcel parcel = {ECH_PARCEL_UPDATE, arguments->worker};
    return ech_transfer_put(rank->transfer, parcel, layout, update, bytes);
}

static ech_status hand_over(const ech_round_rank *rank, const ech_train_arguments *arguments,
                            const ech_worker_part *part, ech_state_view base, ech_state update,
                            ech_train_outcome *outcome)
{
    const ech_strategy *strategy = strategy_of(rank, arguments);
    const ech_strategy_rule *rule = strategy->rule;
    const ech_state_view view = {update.values, update.counters};
    const ech_work_watch watch = ech_work_start_phase(&outcome->step, ECH_PHASE_AGGREGATE);
    form_update(strategy, part, base, update, outcome);
    uint64_t bytes = 0;
    const ech_status status = pass_on(rank, arguments, view, &bytes);
    if (status == ECH_OK && rule->keep != NULL) {
        rule->keep(strategy, part);
    }
    ech_work_stop_phase(watch);
    outcome->step.wire_bytes = status == ECH_OK ? bytes : 0;
    return status;
}

static ech_status run_collect(ech_work *work)
{
    const ech_collect_arguments *collect = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_step_result *step = work->result;
    const ech_layout *layout = ech_replica_layout(rank->replica);
    const ech_parcel parcel = {ECH_PARCEL_UPDATE, collect->worker};
    const ech_state_view update = {rank->update.values, rank->update.counters};
    ech_task_describe(work->context, "add the update of worker %llu",
                      (unsigned long long)collect->worker);
    ech_status status =
        ech_transfer_get(rank->transfer, parcel, layout, rank->update, &step->wire_bytes);
    if (status == ECH_OK) {
        status = ech_sum_add(ech_replica_sum(rank->replica, collect->slot), update, collect->weight,
                             collect->leaf);
    }
    return status == ECH_OK ? ech_transfer_drop(rank->transfer, parcel, layout) : status;
}

/* An update that is not finite leaves its worker out of the round; any other failure is the
 * task's own. */
static ech_status run_train(ech_work *work)
{
    const ech_train_arguments *train = work->arguments;
    ech_train_outcome *outcome = work->result;
    ech_round_rank *rank = work->rank;
    ech_task_describe(work->context, "round %llu, train worker %llu",
                      (unsigned long long)train->round, (unsigned long long)train->worker);
    outcome->rank = ech_task_rank(work->context);
    outcome->host = ech_task_host(work->context);
    outcome->start_ns = ech_clock_wall_ns();
    ech_state update = rank->update;
    ech_worker_part part;
    ech_state_view base;
    const ech_work_watch watch = ech_work_start_phase(&outcome->step, ECH_PHASE_SEND);
    ech_status status =
        receive_model(rank, train->base_cell, train->round - 1, &base, &outcome->model_bytes);
    ech_work_stop_phase(watch);
    if (status == ECH_OK && train->into_cell != ECH_CELL_NONE) {
        status = ech_replica_open_cell(rank->replica, train->into_cell, &update);
    }
    if (status == ECH_OK) {
        status = open_part(rank, train, base, update, &part);
    }
    if (status == ECH_OK) {
        status = train_worker(work->context, rank, train, &part, base, update, outcome);
    }
    if (status == ECH_OK) {
        status = hand_over(rank, train, &part, base, update, outcome);
    }
    outcome->end_ns = ech_clock_wall_ns();
    if (status == ECH_ERR_NUMERIC) {
        outcome->refused = 1;
        snprintf(outcome->reason, sizeof outcome->reason, "%s", ech_status_message());
        return ECH_OK;
    }
    return status;
}

static ech_status run_merge(ech_work *work)
{
    const ech_merge_arguments *merge = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_step_result *step = work->result;
    ech_sum *from = ech_replica_sum(rank->replica, merge->from_slot);
    ech_task_describe(work->context, "merge sum %u into %u", merge->from_slot, merge->into_slot);
    ech_sum_settle(from);
    step->wire_bytes =
        ech_sum_state_bytes(ech_sum_kind_of(from), ech_replica_layout(rank->replica));
    return ech_sum_merge(ech_replica_sum(rank->replica, merge->into_slot), from, merge->leaf);
}

static ech_status run_send(ech_work *work)
{
    const ech_move_arguments *move = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_step_result *step = work->result;
    ech_task_describe(work->context, "send sum %u to host %u", move->slot, move->other_host);
    return ech_replica_send_sum(rank->replica, move->slot, move->other_host, move->leaf,
                                idle_of(work->context), &step->wire_bytes);
}

/* The bytes are counted once, where they are sent. */
static ech_status run_receive(ech_work *work)
{
    const ech_move_arguments *move = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_task_describe(work->context, "receive sum %u from host %u", move->slot, move->other_host);
    return ech_replica_receive_sum(rank->replica, move->slot, move->other_host, move->leaf,
                                   idle_of(work->context));
}

static ech_status run_finish(ech_work *work)
{
    const ech_finish_arguments *finish = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_task_describe(work->context, "average %llu values", (unsigned long long)finish->count);
    float *values = finish->in_place != 0 ? ech_replica_model(rank->replica).values
                                          : ech_replica_mean(rank->replica);
    return ech_sum_finish(ech_replica_sum(rank->replica, finish->slot), finish->first,
                          finish->count, values);
}

static ech_status run_mean(ech_work *work)
{
    const ech_mean_arguments *mean = work->arguments;
    const ech_round_rank *rank = work->rank;
    ech_sum *sum = ech_replica_sum(rank->replica, mean->slot);
    ech_state cell;
    ech_task_describe(work->context, "average sum %u", mean->slot);
    ech_sum_settle(sum);
    ech_status status = ech_replica_open_cell(rank->replica, mean->cell, &cell);
    if (status == ECH_OK) {
        status =
            ech_sum_finish(sum, 0, ech_replica_layout(rank->replica)->value_count, cell.values);
    }
    return status == ECH_OK ? ech_sum_finish_counters(sum, cell.counters) : status;
}

static ech_status run_evaluate(ech_work *work)
{
    const ech_evaluate_arguments *part = work->arguments;
    ech_evaluate_outcome *outcome = work->result;
    ech_round_rank *rank = work->rank;
    ech_task_describe(work->context, "evaluate %llu samples", (unsigned long long)part->count);
    ech_state_view model;
    const ech_work_watch received = ech_work_start_phase(&outcome->step, ECH_PHASE_SEND);
    ech_status status =
        receive_model(rank, part->cell, part->version, &model, &outcome->step.wire_bytes);
    ech_work_stop_phase(received);
    const ech_work_watch watch = ech_work_start_phase(&outcome->step, ECH_PHASE_EVALUATE);
    if (status == ECH_OK) {
        status = rank->trainer->evaluate(rank->trainer->self, model, part->first, part->count,
                                         &outcome->sums);
    }
    ech_work_stop_phase(watch);
    return status;
}

ech_status ech_round_apps_register(ech_app_registry *registry, ech_round_rank *rank,
                                   ech_round_apps *out)
{
    const size_t step = sizeof(ech_step_result);
    const ech_work_app apps[ECH_ROUND_APP_COUNT] = {
        {"fed.fetch", run_fetch, ECH_PHASE_SEND, sizeof(ech_fetch_arguments), step, &out->fetch},
        {"fed.open", run_open, ECH_PHASE_AGGREGATE, sizeof(ech_open_arguments), step, &out->open},
        {"fed.publish", run_publish, ECH_PHASE_SEND, sizeof(ech_publish_arguments), step,
         &out->publish},
        {"fed.train", run_train, ECH_PHASE_COUNT, sizeof(ech_train_arguments),
         sizeof(ech_train_outcome), &out->train},
        {"fed.collect", run_collect, ECH_PHASE_AGGREGATE, sizeof(ech_collect_arguments), step,
         &out->collect},
        {"fed.merge", run_merge, ECH_PHASE_AGGREGATE, sizeof(ech_merge_arguments), step,
         &out->merge},
        {"fed.send", run_send, ECH_PHASE_AGGREGATE, sizeof(ech_move_arguments), step, &out->send},
        {"fed.receive", run_receive, ECH_PHASE_AGGREGATE, sizeof(ech_move_arguments), step,
         &out->receive},
        {"fed.finish", run_finish, ECH_PHASE_AGGREGATE, sizeof(ech_finish_arguments), step,
         &out->finish},
        {"fed.mean", run_mean, ECH_PHASE_AGGREGATE, sizeof(ech_mean_arguments), step, &out->mean},
        {"fed.evaluate", run_evaluate, ECH_PHASE_COUNT, sizeof(ech_evaluate_arguments),
         sizeof(ech_evaluate_outcome), &out->evaluate},
    };
    return ech_work_register(registry, apps, ECH_ROUND_APP_COUNT, rank, rank->bindings);
}
