/* How the stations of a tier make their next models. */
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/stations_priv.h"

enum {
    SLICE_VALUES = 1 << 22, /* numbers of all updates together that are worth a task */
    SLICE_VALUES_MIN = 4096,
    SQUARES_TASKS = 16,
};

/* What a station has collected: a run of the sorted list. */
typedef struct {
    const ech_station_update *updates;
    uint32_t count;
} collection;

static int by_station_and_order(const void *left, const void *right)
{
    const ech_station_update *a = left;
    const ech_station_update *b = right;
    if (a->station != b->station) {
        return a->station < b->station ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static ech_task_options for_host(const ech_stations *stations, uint32_t station)
{
    return (ech_task_options){.affinity = ECH_AFFINITY_HOST,
                              .affinity_value = stations->stations[station].host,
                              .strict = true};
}

/* ---- updates that were trained on another host ---- */

static ech_status bring_home(ech_stations *stations, uint32_t *strangers)
{
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < stations->update_count && status == ECH_OK; i++) {
        const ech_station_update *update = &stations->updates[i];
        const ech_station *station = &stations->stations[update->station];
        strangers[i] = update->cell;
        if (update->host == station->host) {
            continue;
        }
        const ech_fetch_arguments fetch = {
            .from_host = update->host,
            .from_cell = update->cell,
            .into_cell = ech_host_pool_take(stations->free_cells, station->host),
        };
        stations->updates[i].cell = fetch.into_cell;
        const ech_task_options options = ech_station_for_leader(stations, station->host);
        status =
            ech_flight_submit(stations->flight, ECH_LANDED_BYTES, station->tier + 1,
                              stations->options.apps->fetch, &fetch, sizeof fetch, &options, NULL);
    }
    return status == ECH_OK ? ech_flight_land_all(stations->flight) : status;
}

static ech_status collect(ech_stations *stations)
{
    uint32_t *strangers = ech_calloc(stations->update_count, sizeof *strangers);
    ech_status status = strangers != NULL ? bring_home(stations, strangers) : ECH_ERR_MEMORY;
    for (uint32_t i = 0; i < stations->update_count && status == ECH_OK; i++) {
        ech_station_update *update = &stations->updates[i];
        if (update->cell != strangers[i]) {
            ech_host_pool_give(stations->free_cells, update->host, strangers[i]);
            update->host = stations->stations[update->station].host;
        }
    }
    ech_free(strangers);
    return status;
}

/* ---- rules that look at every update ---- */

/* The last row, not included, of a task that begins with this one. */
static uint32_t rows_end(uint32_t first, uint32_t count)
{
    const uint64_t all = (uint64_t)count * (count - 1) / 2;
    uint64_t limit = all / SQUARES_TASKS + 1;
    limit = limit < ECH_STATION_PAIRS_MAX ? limit : ECH_STATION_PAIRS_MAX;
    uint64_t pairs = first;
    uint32_t end = first + 1;
    while (end < count && pairs + end <= limit) {
        pairs += end++;
    }
    return end;
}

void ech_station_land_squares(ech_stations *stations, uint32_t first_row,
                              const ech_squares_result *result)
{
    const uint32_t count = stations->square_rows;
    const double *square = result->squares;
    for (uint32_t row = first_row; row < rows_end(first_row, count); row++) {
        for (uint32_t other = 0; other < row; other++) {
            stations->squares[(size_t)row * count + other] = *square;
            stations->squares[(size_t)other * count + row] = *square++;
        }
    }
}

static ech_status find_squares(ech_stations *stations, uint32_t station, const collection *held)
{
    const size_t bytes = ech_squares_bytes(held->count);
    ech_squares_arguments *rows = ech_calloc(1, bytes);
    if (rows == NULL) {
        return ECH_ERR_MEMORY;
    }
    rows->update_count = held->count;
    for (uint32_t i = 0; i < held->count; i++) {
        rows->cells[i] = held->updates[i].cell;
    }
    stations->square_rows = held->count;
    const ech_task_options options = for_host(stations, station);
    ech_status status = ECH_OK;
    for (uint32_t first = 1; first < held->count && status == ECH_OK; first = rows->end) {
        rows->first = first;
        rows->end = rows_end(first, held->count);
        status =
            ech_flight_submit(stations->flight, ECH_LANDED_SQUARES, first,
                              stations->options.station_apps->squares, rows, bytes, &options, NULL);
    }
    ech_free(rows);
    return status == ECH_OK ? ech_flight_land_all(stations->flight) : status;
}

static ech_status find_shares(ech_stations *stations, uint32_t station, const collection *held,
                              double *shares)
{
    const ech_strategy *strategy = ech_station_strategy(stations, station);
    uint64_t *weights = ech_calloc(held->count, sizeof *weights);
    stations->squares = ech_calloc((size_t)held->count * held->count, sizeof *stations->squares);
    ech_status status = weights != NULL && stations->squares != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = find_squares(stations, station, held);
    }
    for (uint32_t i = 0; i < held->count && status == ECH_OK; i++) {
        weights[i] = held->updates[i].weight;
    }
    if (status == ECH_OK) {
        status = strategy->rule->collect->weigh(strategy, stations->squares, weights, held->count,
                                                shares);
    }
    ech_free(weights);
    ech_free(stations->squares);
    stations->squares = NULL;
    return status;
}

static ech_status submit_slices(ech_stations *stations, uint32_t station,
                                ech_combine_arguments *slice, size_t bytes)
{
    const uint64_t value_count = ech_replica_layout(stations->options.replica)->value_count;
    uint64_t size = SLICE_VALUES / slice->update_count / ECH_COLLECT_WIDTH * ECH_COLLECT_WIDTH;
    size = size < SLICE_VALUES_MIN ? SLICE_VALUES_MIN : size;
    const ech_task_options options = for_host(stations, station);
    ech_status status = ECH_OK;
    for (uint64_t first = 0; first < value_count && status == ECH_OK; first += size) {
        slice->first = first;
        slice->count = value_count - first < size ? value_count - first : size;
        status = ech_flight_submit(stations->flight, ECH_LANDED_STEP, station,
                                   stations->options.station_apps->combine, slice, bytes, &options,
                                   NULL);
    }
    return status;
}

static ech_status combine(ech_stations *stations, uint32_t station, const collection *held)
{
    const ech_strategy *strategy = ech_station_strategy(stations, station);
    const bool by_distance = strategy->rule->collect->weigh != NULL;
    const size_t bytes = ech_combine_bytes(held->count, by_distance);
    ech_combine_arguments *slice = ech_calloc(1, bytes);
    if (slice == NULL) {
        return ECH_ERR_MEMORY;
    }
    slice->tier = ech_station_rule_tier(stations, stations->stations[station].tier);
    slice->into_cell = stations->stations[station].mean_cell;
    slice->update_count = held->count;
    slice->has_shares = by_distance;
    uint32_t *cells = (void *)(slice->shares_and_cells + (by_distance ? held->count : 0));
    for (uint32_t i = 0; i < held->count; i++) {
        cells[i] = held->updates[i].cell;
    }
    ech_status status = ECH_OK;
    if (by_distance) {
        status = find_shares(stations, station, held, slice->shares_and_cells);
    }
    if (status == ECH_OK) {
        status = submit_slices(stations, station, slice, bytes);
    }
    ech_free(slice);
    return status;
}

static ech_status combine_all(ech_stations *stations)
{
    if (stations->update_count == 0) {
        return ECH_OK;
    }
    ech_status status = collect(stations);
    if (status != ECH_OK) {
        return status;
    }
    qsort(stations->updates, stations->update_count, sizeof *stations->updates,
          by_station_and_order);
    uint32_t first = 0;
    for (uint32_t i = 0; i < stations->update_count && status == ECH_OK; i++) {
        const uint32_t station = stations->updates[i].station;
        if (i + 1 == stations->update_count || stations->updates[i + 1].station != station) {
            const collection held = {stations->updates + first, i + 1 - first};
            if (stations->stations[station].slot == ECH_SUM_NONE) {
                status = combine(stations, station, &held);
            }
            first = i + 1;
        }
    }
    return status;
}

/* ---- rules that sum ---- */

static ech_status average(ech_stations *stations, uint32_t station)
{
    const ech_station *at = &stations->stations[station];
    const ech_mean_arguments mean = {.slot = at->slot, .cell = at->mean_cell};
    const ech_task_options options = ech_station_for_leader(stations, at->host);
    return ech_flight_submit(stations->flight, ECH_LANDED_STEP, station,
                             stations->options.apps->mean, &mean, sizeof mean, &options, NULL);
}

/* ---- from the means to the models ---- */

static uint64_t weight_of(const ech_stations *stations, uint32_t station)
{
    const ech_strategy *strategy = ech_station_strategy(stations, station);
    return strategy->rule->weight(strategy, stations->stations[station].samples);
}

/* The leader's strategy has its vectors on this rank. */
static void advance_leader(ech_stations *stations)
{
    ech_strategy *strategy = stations->options.tiers[0].strategy;
    const ech_replica *replica = stations->options.replica;
    const uint64_t start_ns = ech_clock_ns();
    ech_step_result step = {0};
    const uint64_t weight = weight_of(stations, 0);
    ech_strategy_advance(strategy, ech_replica_layout(replica),
                         ech_replica_cell_view(replica, stations->stations[0].mean_cell), weight,
                         weight, ech_replica_model(replica));
    step.phase_ns[ECH_PHASE_AGGREGATE] = ech_clock_ns() - start_ns;
    ech_ledger_add_step(stations->options.ledger, &step);
}

static ech_status advance(ech_stations *stations, uint32_t station)
{
    const ech_station *at = &stations->stations[station];
    if (station == 0) {
        advance_leader(stations);
        return ECH_OK;
    }
    ech_station_step_arguments step = {
        .weight = weight_of(stations, station),
        .tier = ech_station_rule_tier(stations, at->tier),
        .model_cell = at->model_cell,
        .mean_cell = at->mean_cell,
    };
    ech_worker_states *vectors = stations->options.vectors;
    if (vectors != NULL) {
        step.state_slot = ech_worker_states_slot(vectors, station);
        step.is_first = !ech_worker_states_is_marked(vectors, station);
        ech_worker_states_mark(vectors, station);
    }
    const ech_task_options options = ech_station_for_leader(stations, at->host);
    return ech_flight_submit(stations->flight, ECH_LANDED_STEP, station,
                             stations->options.station_apps->step, &step, sizeof step, &options,
                             NULL);
}

static ech_status for_each_heard(ech_stations *stations, uint32_t tier,
                                 ech_status (*call)(ech_stations *stations, uint32_t station),
                                 bool sums_only)
{
    ech_status status = ECH_OK;
    for (uint32_t s = 0; s < stations->count && status == ECH_OK; s++) {
        const ech_station *station = &stations->stations[s];
        if (station->is_active && station->tier == tier && station->update_count > 0 &&
            (!sums_only || station->slot != ECH_SUM_NONE)) {
            status = call(stations, s);
        }
    }
    return status;
}

static void forget_updates(ech_stations *stations)
{
    for (uint32_t i = 0; i < stations->update_count; i++) {
        ech_host_pool_give(stations->free_cells, stations->updates[i].host,
                           stations->updates[i].cell);
    }
    stations->update_count = 0;
}

ech_status ech_station_update_tier(ech_stations *stations, uint32_t tier)
{
    ech_status status = for_each_heard(stations, tier, average, true);
    if (status == ECH_OK) {
        status = combine_all(stations);
    }
    if (status == ECH_OK) {
        status = ech_flight_land_all(stations->flight);
    }
    if (status == ECH_OK) {
        status = for_each_heard(stations, tier, advance, false);
    }
    if (status == ECH_OK) {
        status = ech_flight_land_all(stations->flight);
    }
    forget_updates(stations);
    return status;
}
