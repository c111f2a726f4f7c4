#include "runtime/fed/round_apps.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"

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

static ech_status open_part(const ech_round_rank *rank, const ech_train_arguments *arguments,
                            ech_state update, ech_worker_part *part)
{
    *part = (ech_worker_part){
        .layout = rank->trainer->layout(rank->trainer->self),
        .global = ech_replica_cell_view(rank->replica, arguments->base_cell).values,
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
                               ech_state update, ech_train_outcome *outcome)
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
    const ech_state_view base = ech_replica_cell_view(rank->replica, arguments->base_cell);
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_TRAIN);
    const ech_status status =
        rank->trainer->train(rank->trainer->self, &request, base, update, &outcome->train);
    stop_phase(watch);
    outcome->model_bytes = ech_strategy_down_bytes(strategy);
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

static ech_status hand_over(const ech_round_rank *rank, const ech_train_arguments *arguments,
                            const ech_worker_part *part, ech_state update,
                            ech_train_outcome *outcome)
{
    const ech_layout *layout = ech_replica_layout(rank->replica);
    const ech_strategy *strategy = strategy_of(rank, arguments);
    const ech_strategy_rule *rule = strategy->rule;
    const ech_state_view view = {update.values, update.counters};
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_AGGREGATE);
    if (rule->form == ECH_AGGREGATE_DIFFERENCE) {
        ech_strategy_difference(update, ech_replica_cell_view(rank->replica, arguments->base_cell),
                                part->layout->value_count);
    }
    if (rule->finish != NULL) {
        rule->finish(strategy, part, &outcome->train);
    }
    ech_status status = ECH_OK;
    uint64_t value_bytes = sizeof(int64_t);
    if (arguments->into_cell == ECH_CELL_NONE) {
        status = ech_exact_sum_add(ech_replica_sum(rank->replica, arguments->slot), view,
                                   arguments->weight);
    } else {
        status = check_finite(update.values, layout->value_count);
        value_bytes = sizeof(float);
    }
    if (status == ECH_OK && rule->keep != NULL) {
        rule->keep(strategy, part);
    }
    stop_phase(watch);
    if (status == ECH_OK) {
        outcome->step.wire_bytes =
            layout->value_count * value_bytes + layout->counter_count * sizeof(int64_t);
    }
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
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "round %llu, train worker %llu", (unsigned long long)train->round,
                      (unsigned long long)train->worker);
    outcome->rank = ech_task_rank(context);
    outcome->host = ech_task_host(context);
    outcome->start_ns = ech_clock_wall_ns();
    ech_state update = rank->update;
    ech_worker_part part;
    ech_status status = ECH_OK;
    if (train->into_cell != ECH_CELL_NONE) {
        status = ech_replica_open_cell(rank->replica, train->into_cell, &update);
    }
    if (status == ECH_OK) {
        status = open_part(rank, train, update, &part);
    }
    if (status == ECH_OK) {
        status = train_worker(context, rank, train, &part, update, outcome);
    }
    if (status == ECH_OK) {
        status = hand_over(rank, train, &part, update, outcome);
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
    const ech_round_rank *rank = ech_task_user(context);
    ech_task_describe(context, "evaluate %llu samples", (unsigned long long)part->count);
    const stopwatch watch = start_phase(&outcome->step, ECH_PHASE_EVALUATE);
    const ech_status status = rank->trainer->evaluate(
        rank->trainer->self, ech_replica_cell_view(rank->replica, part->cell), part->first,
        part->count, &outcome->sums);
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
        {"fed.train", run_train, sizeof(ech_train_arguments), sizeof(ech_train_outcome),
         &out->train},
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
