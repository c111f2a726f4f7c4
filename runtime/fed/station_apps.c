#include "runtime/fed/station_apps.h"

#include <assert.h>

#include "runtime/base/memory.h"
#include "runtime/fed/sum_plan.h"

size_t ech_squares_bytes(uint32_t update_count)
{
    return sizeof(ech_squares_arguments) + update_count * sizeof(uint32_t);
}

size_t ech_combine_bytes(uint32_t update_count, bool has_shares)
{
    return sizeof(ech_combine_arguments) +
           update_count * ((has_shares ? sizeof(double) : 0) + sizeof(uint32_t));
}

/* Where the updates lie; the caller's: ech_free. */
static const float **list_updates(const ech_station_rank *rank, const uint32_t *cells,
                                  uint32_t count)
{
    const float **updates = ech_calloc(count, sizeof(const float *));
    for (uint32_t i = 0; updates != NULL && i < count; i++) {
        updates[i] = ech_replica_cell_view(rank->round->replica, cells[i]).values;
    }
    return updates;
}

static ech_status run_squares(ech_work *work)
{
    const ech_squares_arguments *rows = work->arguments;
    assert(work->arguments_bytes == ech_squares_bytes(rows->update_count));
    const ech_station_rank *rank = work->rank;
    size_t pairs = 0;
    for (uint32_t row = rows->first; row < rows->end; row++) {
        pairs += row;
    }
    ech_squares_result *found = work->result;
    assert(work->result_bytes >= sizeof *found + pairs * sizeof(double));
    work->result_bytes = sizeof *found + pairs * sizeof(double);
    const float **updates = list_updates(rank, rows->cells, rows->update_count);
    if (updates == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_collect_squares(updates, ech_replica_layout(rank->round->replica)->value_count, rows->first,
                        rows->end, found->squares);
    ech_free((void *)updates);
    return ECH_OK;
}

static void raise_counters(const ech_station_rank *rank, const uint32_t *cells, uint32_t count,
                           int64_t *counters)
{
    const ech_replica *replica = rank->round->replica;
    const uint64_t counter_count = ech_replica_layout(replica)->counter_count;
    for (uint64_t c = 0; c < counter_count; c++) {
        counters[c] = ech_replica_cell_view(replica, cells[0]).counters[c];
        for (uint32_t i = 1; i < count; i++) {
            const int64_t other = ech_replica_cell_view(replica, cells[i]).counters[c];
            counters[c] = other > counters[c] ? other : counters[c];
        }
    }
}

static ech_status run_combine(ech_work *work)
{
    const ech_combine_arguments *slice = work->arguments;
    assert(work->arguments_bytes == ech_combine_bytes(slice->update_count, slice->has_shares != 0));
    const ech_station_rank *rank = work->rank;
    ech_task_describe(work->context, "combine %llu values of %u updates",
                      (unsigned long long)slice->count, slice->update_count);
    const double *shares = slice->has_shares != 0 ? slice->shares_and_cells : NULL;
    const uint32_t *cells =
        (const void *)(slice->shares_and_cells + (shares != NULL ? slice->update_count : 0));
    ech_state into;
    ech_status status = ech_replica_open_cell(rank->round->replica, slice->into_cell, &into);
    const float **updates = list_updates(rank, cells, slice->update_count);
    if (updates == NULL) {
        status = ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        status =
            ech_collect_combine(rank->round->strategies[slice->tier], updates, slice->update_count,
                                shares, slice->first, slice->count, into.values);
    }
    if (status == ECH_OK && slice->first == 0) {
        raise_counters(rank, cells, slice->update_count, into.counters);
    }
    ech_free((void *)updates);
    return status;
}

static ech_status run_hand_up(ech_work *work)
{
    const ech_hand_up_arguments *hand = work->arguments;
    const ech_station_rank *rank = work->rank;
    ech_step_result *step = work->result;
    ech_replica *replica = rank->round->replica;
    ech_task_describe(work->context, "take an aggregator's model from host %u", hand->from_host);
    const ech_status status = ech_replica_fetch(replica, hand->from_host, hand->from_cell,
                                                hand->into_cell, &step->wire_bytes);
    if (status != ECH_OK) {
        return status;
    }
    const ech_state update = ech_replica_cell(replica, hand->into_cell);
    if (rank->round->strategies[hand->tier]->rule->form == ECH_AGGREGATE_DIFFERENCE) {
        ech_strategy_difference(update, ech_replica_cell_view(replica, hand->base_cell),
                                ech_replica_layout(replica)->value_count);
    }
    if (hand->slot == ECH_SUM_NONE) {
        return ECH_OK;
    }
    const ech_state_view view = {update.values, update.counters};
    return ech_sum_add(ech_replica_sum(replica, hand->slot), view, hand->weight, hand->leaf);
}

/* The tier's strategy as that of one station: with its vectors. */
static ech_status open_strategy(const ech_station_rank *rank,
                                const ech_station_step_arguments *arguments, ech_strategy *out)
{
    *out = *rank->round->strategies[arguments->tier];
    if (out->rule->vector_names[0] == NULL) {
        return ECH_OK;
    }
    float *vectors = NULL;
    const ech_status status =
        ech_worker_states_open(rank->vectors, arguments->state_slot, &vectors);
    for (uint32_t v = 0; status == ECH_OK && out->rule->vector_names[v] != NULL; v++) {
        out->vectors[v] = vectors + v * out->value_count;
    }
    if (status == ECH_OK && arguments->is_first != 0 && out->rule->start != NULL) {
        out->rule->start(out);
    }
    return status;
}

static ech_status run_step(ech_work *work)
{
    const ech_station_step_arguments *update = work->arguments;
    const ech_station_rank *rank = work->rank;
    ech_replica *replica = rank->round->replica;
    ech_task_describe(work->context, "update the model of an aggregator in tier %u", update->tier);
    ech_strategy strategy;
    const ech_status status = open_strategy(rank, update, &strategy);
    if (status != ECH_OK) {
        return status;
    }
    const ech_layout *layout = ech_replica_layout(replica);
    const ech_state model = ech_replica_cell(replica, update->model_cell);
    const ech_state_view mean = ech_replica_cell_view(replica, update->mean_cell);
    ech_strategy_advance(&strategy, layout, mean, update->weight, update->weight, model);
    return ECH_OK;
}

ech_status ech_station_apps_register(ech_app_registry *registry, ech_station_rank *rank,
                                     ech_station_apps *out)
{
    const ech_work_app apps[ECH_STATION_APP_COUNT] = {
        {"fed.squares", run_squares, ECH_PHASE_AGGREGATE,
         ech_squares_bytes(ECH_COLLECT_UPDATES_MAX),
         sizeof(ech_squares_result) + ECH_STATION_PAIRS_MAX * sizeof(double), &out->squares},
        {"fed.combine", run_combine, ECH_PHASE_AGGREGATE,
         ech_combine_bytes(ECH_COLLECT_UPDATES_MAX, true), sizeof(ech_step_result), &out->combine},
        {"fed.hand_up", run_hand_up, ECH_PHASE_AGGREGATE, sizeof(ech_hand_up_arguments),
         sizeof(ech_step_result), &out->hand_up},
        {"fed.step", run_step, ECH_PHASE_AGGREGATE, sizeof(ech_station_step_arguments),
         sizeof(ech_step_result), &out->step},
    };
    return ech_work_register(registry, apps, ECH_STATION_APP_COUNT, rank, rank->bindings);
}
