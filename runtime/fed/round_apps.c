#include "runtime/fed/round_apps.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

/* Adds the time from its start to its stop to one phase of a result. */
typedef struct {
    uint64_t *sum_ns;
    uint64_t start_ns;
} stopwatch;

static stopwatch start_phase(ech_step_result *step, ech_phase phase)
{
    return (stopwatch){.sum_ns = &step->phase_ns[phase], .start_ns = ech_clock_ns()};
}

static void stop_phase(stopwatch watch)
{
    *watch.sum_ns += ech_clock_ns() - watch.start_ns;
}

static void yield_task(void *context)
{
    ech_task_yield(context);
}

static ech_idle idle_of(ech_task_context *context)
{
    return (ech_idle){.call = yield_task, .user = context};
}

static const void *expect(const void *arguments, size_t given_bytes, size_t bytes)
{
    assert(given_bytes == bytes);
    (void)given_bytes;
    (void)bytes;
    return arguments;
}

/* The result struct, zeroed, for the task to fill in place. */
static void *begin_result(void *result, size_t capacity, size_t bytes, size_t *result_bytes)
{
    assert(capacity >= bytes);
    (void)capacity;
    memset(result, 0, bytes);
    *result_bytes = bytes;
    return result;
}

static ech_status run_fetch(ech_task_context *context, const void *arguments,
                            size_t arguments_bytes, void *result, size_t capacity,
                            size_t *result_bytes)
{
    const ech_fetch_arguments *fetch = expect(arguments, arguments_bytes, sizeof *fetch);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "fetch the model from host %u", fetch->from_host);
    const stopwatch watch = start_phase(step, ECH_PHASE_SEND);
    const ech_status status = ech_replica_fetch(rank->replica, fetch->from_host, fetch->from_cell,
                                                fetch->into_cell, &step->wire_bytes);
    stop_phase(watch);
    return status;
}

static ech_status run_open(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                           void *result, size_t capacity, size_t *result_bytes)
{
    const ech_open_arguments *open = expect(arguments, arguments_bytes, sizeof *open);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    const ech_status status =
        ech_exact_sum_begin(ech_replica_sum(rank->replica, open->slot), open->weight_bound);
    stop_phase(watch);
    return status;
}

static ech_status run_publish(ech_task_context *context, const void *arguments,
                              size_t arguments_bytes, void *result, size_t capacity,
                              size_t *result_bytes)
{
    const ech_publish_arguments *publish = expect(arguments, arguments_bytes, sizeof *publish);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    const ech_layout *layout = ech_replica_layout(rank->replica);
    const ech_parcel parcel = {ECH_PARCEL_MODEL, publish->version};
    ech_task_describe(context, "publish the model of round %llu",
                      (unsigned long long)publish->version);
    const stopwatch watch = start_phase(step, ECH_PHASE_SEND);
    ech_status status = ech_transfer_put(rank->transfer, parcel, layout,
                                         ech_replica_model_view(rank->replica), &step->wire_bytes);
    if (status == ECH_OK && publish->version > 0) {
        const ech_parcel old = {ECH_PARCEL_MODEL, publish->version - 1};
        status = ech_transfer_drop(rank->transfer, old, layout);
    }
    stop_phase(watch);
    return status;
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
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_TRAIN);
    const ech_status status =
        rank->trainer->train(rank->trainer->self, &request, base, update, &outcome->train);
    stop_phase(watch);
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
    const uint64_t counter_bytes = layout->counter_count * sizeof(int64_t);
    *bytes = 0;
    if (arguments->into_cell == ECH_CELL_NONE && !is_collected(rank)) {
        *bytes = layout->value_count * sizeof(int64_t) + counter_bytes;
        return ech_exact_sum_add(ech_replica_sum(rank->replica, arguments->slot), update,
                                 arguments->weight);
    }
    const ech_status status = check_finite(update.values, layout->value_count);
    if (status != ECH_OK || arguments->into_cell != ECH_CELL_NONE) {
        *bytes = layout->value_count * sizeof(float) + counter_bytes;
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
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_AGGREGATE);
    form_update(strategy, part, base, update, outcome);
    uint64_t bytes = 0;
    const ech_status status = pass_on(rank, arguments, view, &bytes);
    if (status == ECH_OK && rule->keep != NULL) {
        rule->keep(strategy, part);
    }
    stop_phase(watch);
    outcome->step.wire_bytes = status == ECH_OK ? bytes : 0;
    return status;
}

static ech_status run_collect(ech_task_context *context, const void *arguments,
                              size_t arguments_bytes, void *result, size_t capacity,
                              size_t *result_bytes)
{
    const ech_collect_arguments *collect = expect(arguments, arguments_bytes, sizeof *collect);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    const ech_layout *layout = ech_replica_layout(rank->replica);
    const ech_parcel parcel = {ECH_PARCEL_UPDATE, collect->worker};
    const ech_state_view update = {rank->update.values, rank->update.counters};
    ech_task_describe(context, "add the update of worker %llu",
                      (unsigned long long)collect->worker);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    ech_status status =
        ech_transfer_get(rank->transfer, parcel, layout, rank->update, &step->wire_bytes);
    if (status == ECH_OK) {
        status = ech_exact_sum_add(ech_replica_sum(rank->replica, collect->slot), update,
                                   collect->weight);
    }
    if (status == ECH_OK) {
        status = ech_transfer_drop(rank->transfer, parcel, layout);
    }
    stop_phase(watch);
    return status;
}

/* An update that is not finite leaves its worker out of the round; any other failure is the
 * task's own. */
static ech_status run_train(ech_task_context *context, const void *arguments,
                            size_t arguments_bytes, void *result, size_t capacity,
                            size_t *result_bytes)
{
    const ech_train_arguments *train = expect(arguments, arguments_bytes, sizeof *train);
    ech_train_outcome *outcome = begin_result(result, capacity, sizeof *outcome, result_bytes);
    ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "round %llu, train worker %llu", (unsigned long long)train->round,
                      (unsigned long long)train->worker);
    outcome->rank = ech_task_rank(context);
    outcome->host = ech_task_host(context);
    outcome->start_ns = ech_clock_wall_ns();
    ech_state update = rank->update;
    ech_worker_part part;
    ech_state_view base;
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_SEND);
    ech_status status =
        receive_model(rank, train->base_cell, train->round - 1, &base, &outcome->model_bytes);
    stop_phase(watch);
    if (status == ECH_OK && train->into_cell != ECH_CELL_NONE) {
        status = ech_replica_open_cell(rank->replica, train->into_cell, &update);
    }
    if (status == ECH_OK) {
        status = open_part(rank, train, base, update, &part);
    }
    if (status == ECH_OK) {
        status = train_worker(context, rank, train, &part, base, update, outcome);
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

static ech_status run_merge(ech_task_context *context, const void *arguments,
                            size_t arguments_bytes, void *result, size_t capacity,
                            size_t *result_bytes)
{
    const ech_merge_arguments *merge = expect(arguments, arguments_bytes, sizeof *merge);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    const ech_layout *layout = ech_replica_layout(rank->replica);
    ech_task_describe(context, "merge sum %u into %u", merge->from_slot, merge->into_slot);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    const ech_status status = ech_exact_sum_merge(ech_replica_sum(rank->replica, merge->into_slot),
                                                  ech_replica_sum(rank->replica, merge->from_slot));
    stop_phase(watch);
    step->wire_bytes = (layout->value_count + layout->counter_count) * sizeof(int64_t);
    return status;
}

static ech_status run_send(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                           void *result, size_t capacity, size_t *result_bytes)
{
    const ech_move_arguments *move = expect(arguments, arguments_bytes, sizeof *move);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "send sum %u to host %u", move->slot, move->other_host);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    const ech_status status = ech_replica_send_sum(rank->replica, move->slot, move->other_host,
                                                   idle_of(context), &step->wire_bytes);
    stop_phase(watch);
    return status;
}

/* The bytes are counted once, where they are sent. */
static ech_status run_receive(ech_task_context *context, const void *arguments,
                              size_t arguments_bytes, void *result, size_t capacity,
                              size_t *result_bytes)
{
    const ech_move_arguments *move = expect(arguments, arguments_bytes, sizeof *move);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "receive sum %u from host %u", move->slot, move->other_host);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    const ech_status status =
        ech_replica_receive_sum(rank->replica, move->slot, move->other_host, idle_of(context));
    stop_phase(watch);
    return status;
}

static ech_status run_finish(ech_task_context *context, const void *arguments,
                             size_t arguments_bytes, void *result, size_t capacity,
                             size_t *result_bytes)
{
    const ech_finish_arguments *finish = expect(arguments, arguments_bytes, sizeof *finish);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "average %llu values", (unsigned long long)finish->count);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    float *values = finish->in_place != 0 ? ech_replica_model(rank->replica).values
                                          : ech_replica_mean(rank->replica);
    const ech_status status = ech_exact_sum_finish(ech_replica_sum(rank->replica, finish->slot),
                                                   finish->first, finish->count, values);
    stop_phase(watch);
    return status;
}

static ech_status run_mean(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                           void *result, size_t capacity, size_t *result_bytes)
{
    const ech_mean_arguments *mean = expect(arguments, arguments_bytes, sizeof *mean);
    ech_step_result *step = begin_result(result, capacity, sizeof *step, result_bytes);
    const ech_round_rank *rank = ech_task_user(context);
    ech_exact_sum *sum = ech_replica_sum(rank->replica, mean->slot);
    ech_state cell;
    ech_task_describe(context, "average sum %u", mean->slot);
    const stopwatch watch = start_phase(step, ECH_PHASE_AGGREGATE);
    ech_status status = ech_replica_open_cell(rank->replica, mean->cell, &cell);
    if (status == ECH_OK) {
        status = ech_exact_sum_finish(sum, 0, ech_replica_layout(rank->replica)->value_count,
                                      cell.values);
    }
    if (status == ECH_OK) {
        status = ech_exact_sum_finish_counters(sum, cell.counters);
    }
    stop_phase(watch);
    return status;
}

static ech_status run_evaluate(ech_task_context *context, const void *arguments,
                               size_t arguments_bytes, void *result, size_t capacity,
                               size_t *result_bytes)
{
    const ech_evaluate_arguments *part = expect(arguments, arguments_bytes, sizeof *part);
    ech_evaluate_outcome *outcome = begin_result(result, capacity, sizeof *outcome, result_bytes);
    ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "evaluate %llu samples", (unsigned long long)part->count);
    ech_state_view model;
    const stopwatch received = start_phase(&outcome->step, ECH_PHASE_SEND);
    ech_status status =
        receive_model(rank, part->cell, part->version, &model, &outcome->step.wire_bytes);
    stop_phase(received);
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_EVALUATE);
    if (status == ECH_OK) {
        status = rank->trainer->evaluate(rank->trainer->self, model, part->first, part->count,
                                         &outcome->sums);
    }
    stop_phase(watch);
    return status;
}

ech_status ech_round_apps_register(ech_app_registry *registry, ech_round_rank *rank,
                                   ech_round_apps *out)
{
    const struct {
        const char *name;
        ech_app_function run;
        size_t arguments_bytes, result_bytes;
        ech_app_id *id;
    } apps[] = {
        {"fed.fetch", run_fetch, sizeof(ech_fetch_arguments), sizeof(ech_step_result), &out->fetch},
        {"fed.open", run_open, sizeof(ech_open_arguments), sizeof(ech_step_result), &out->open},
        {"fed.publish", run_publish, sizeof(ech_publish_arguments), sizeof(ech_step_result),
         &out->publish},
        {"fed.train", run_train, sizeof(ech_train_arguments), sizeof(ech_train_outcome),
         &out->train},
        {"fed.collect", run_collect, sizeof(ech_collect_arguments), sizeof(ech_step_result),
         &out->collect},
        {"fed.merge", run_merge, sizeof(ech_merge_arguments), sizeof(ech_step_result), &out->merge},
        {"fed.send", run_send, sizeof(ech_move_arguments), sizeof(ech_step_result), &out->send},
        {"fed.receive", run_receive, sizeof(ech_move_arguments), sizeof(ech_step_result),
         &out->receive},
        {"fed.finish", run_finish, sizeof(ech_finish_arguments), sizeof(ech_step_result),
         &out->finish},
        {"fed.mean", run_mean, sizeof(ech_mean_arguments), sizeof(ech_step_result), &out->mean},
        {"fed.evaluate", run_evaluate, sizeof(ech_evaluate_arguments), sizeof(ech_evaluate_outcome),
         &out->evaluate},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof apps / sizeof apps[0] && status == ECH_OK; i++) {
        const ech_app app = {
            .name = apps[i].name,
            .run = apps[i].run,
            .user = rank,
            .arguments_bytes_max = apps[i].arguments_bytes,
            .result_bytes_max = apps[i].result_bytes,
            .version = 1,
        };
        status = ech_app_register(registry, &app, apps[i].id);
    }
    return status;
}
