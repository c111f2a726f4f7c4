#include "apps/plan/memory_forecast.h"

#include <assert.h>

#include "apps/fit/fit_data.h"
#include "apps/fit/fit_shards_room.h"
#include "kernels/train.h"
#include "runtime/fed/sum.h"
#include "runtime/fed/sum_plan.h"

/* Sums that keep late updates for the next round: sync.c. */
enum { LATE_SLOTS = 2 };

static ech_memory_part *add_part(ech_memory_forecast *forecast, const char *name)
{
    assert(forecast->count < ECH_MEMORY_PARTS_MAX);
    ech_memory_part *part = &forecast->parts[forecast->count++];
    *part = (ech_memory_part){.name = name};
    return part;
}

void ech_memory_forecast_add(ech_memory_forecast *forecast, const char *name, uint64_t rank_bytes,
                             uint64_t host_bytes)
{
    ech_memory_part *part = add_part(forecast, name);
    part->rank_bytes = rank_bytes;
    part->host_bytes = host_bytes;
}

/* ---- each rank's own ---- */

/* What a learner holds once it has trained and evaluated: it is made, and asked. */
static ech_status measure_learner(const ech_subject *subject, uint64_t *bytes)
{
    const ech_fit_options *options = &subject->options;
    const bool evaluates = options->evaluate_every > 0 && subject->info.samples[ECH_DATA_TEST] > 0;
    ech_learner_options learner_options = {
        .network = subject->network,
        .batch = options->train.batch,
        .threads = options->threads,
        .engine = options->engine,
    };
    for (int channel = 0; channel < ECH_CHANNELS_MAX; channel++) {
        learner_options.normalisation.std[channel] = 1.0F;
    }
    ech_learner *learner = NULL;
    ech_status status = ech_learner_create(&learner_options, &learner);
    if (status == ECH_OK) {
        status = ech_learner_memory_bytes(learner, &options->train.optimizer, evaluates, bytes);
    }
    ech_learner_destroy(&learner);
    return status;
}

static ech_status add_own(const ech_subject *subject, ech_memory_forecast *out)
{
    const uint64_t state_bytes = ech_layout_state_bytes(subject->strategy->layout);
    add_part(out, "update of the worker in training")->rank_bytes = state_bytes;
    if (subject->options.transfer.kind != ECH_TRANSFER_SHARED) {
        add_part(out, "copy of the model (transfer)")->rank_bytes = state_bytes;
    }
    if (!subject->has_data) {
        return ECH_OK;
    }
    uint64_t learner_bytes = 0;
    const ech_status status = measure_learner(subject, &learner_bytes);
    add_part(out, "kernels: activations, gradients")->rank_bytes = learner_bytes;
    return status;
}

/* ---- rank 0's ---- */

static void add_first(const ech_subject *subject, ech_memory_forecast *out)
{
    uint64_t vectors_bytes = 0;
    for (int v = 0; subject->strategy->rule->vector_names[v] != NULL; v++) {
        vectors_bytes += subject->strategy->value_count * sizeof(float);
    }
    if (vectors_bytes > 0) {
        add_part(out, "vectors of the strategy")->first_bytes = vectors_bytes;
    }
    add_part(out, "checkpoint in the making")->first_bytes =
        ech_layout_state_bytes(subject->network->layout) + vectors_bytes;
    add_part(out, "topology")->first_bytes = ech_topology_memory_bytes(subject->tree.topology);
}

/* ---- each host's ---- */

static ech_status find_room(const ech_subject *subject, ech_stations_room *room)
{
    if (ech_subject_has_stations(subject)) {
        const ech_stations_options stations = {
            .topology = subject->tree.topology,
            .placement = subject->tree.placement,
            .population = subject->tree.population,
            .tiers = subject->rules,
            .tier_count = subject->rule_count,
            .includes_aggregators = subject->options.strategy.always_include_aggregators,
        };
        return ech_stations_need(&stations, room);
    }
    ech_sum_plan *plan = NULL;
    const ech_aggregators kind = subject->options.aggregators == ECH_FIT_FUSED
                                     ? ECH_AGGREGATORS_FUSED
                                     : ECH_AGGREGATORS_MATERIALISED;
    const ech_status status =
        ech_sum_plan_create(kind, subject->tree.topology, subject->tree.placement, &plan);
    for (uint32_t host = 0; status == ECH_OK && host < subject->hosts; host++) {
        const uint32_t slots = ech_sum_plan_slots(plan, host, subject->ranks_per_host);
        room->slots = slots > room->slots ? slots : room->slots;
    }
    ech_sum_plan_destroy(&plan);
    return status;
}

/* The vectors that workers keep live on the hosts where these are placed. */
static uint64_t kept_bytes(const ech_subject *subject)
{
    uint32_t most = 0;
    for (uint32_t host = 0; host < subject->hosts; host++) {
        uint32_t first = 0;
        const uint32_t leaves = ech_placement_leaves(subject->tree.placement, host, &first);
        most = leaves > most ? leaves : most;
    }
    return (uint64_t)most * subject->strategy->value_count * sizeof(float);
}

/* Of rank 0's host, from a set of shards. */
static ech_fit_shards_room shards_room(const ech_subject *subject)
{
    uint64_t samples = 0;
    for (uint32_t worker = 0; worker < subject->shards.workers; worker++) {
        if (ech_placement_worker_host(subject->tree.placement, worker) == 0) {
            samples += subject->tree.samples[worker];
        }
    }
    const ech_fit_shards_host host = {
        .samples = samples,
        .ranks = subject->ranks_per_host,
        .has_strays = subject->hosts > 1,
        .batch = subject->options.train.batch,
        .memory_bytes = subject->options.data.memory_bytes,
    };
    return ech_fit_shards_room_of(&subject->shards, &host);
}

static void add_data(const ech_subject *subject, ech_memory_forecast *out)
{
    if (subject->options.data.shards != NULL) {
        const uint64_t sample_bytes = ech_dataset_sample_bytes(&subject->info) + 1;
        const ech_fit_shards_room room = shards_room(subject);
        ech_memory_part *part = add_part(out, "data");
        part->shared_bytes = (room.samples + room.tests) * sample_bytes;
        part->rank_bytes = room.stage * sample_bytes;
    } else if (subject->has_data) {
        add_part(out, "data")->shared_bytes =
            ech_fit_data_bytes(&subject->info, ech_topology_worker_count(subject->tree.topology));
    }
}

/* The most leaves that a sum may have: a round's workers, or the children of a node. */
static uint32_t most_leaves(const ech_subject *subject)
{
    const ech_topology *topology = subject->tree.topology;
    const uint32_t selected =
        ech_roster_most(subject->strategy, subject->tree.population,
                        subject->options.strategy.always_include_aggregators ? topology : NULL);
    uint32_t children = 0;
    for (uint32_t n = 0; n < ech_topology_node_count(topology); n++) {
        const uint32_t count = ech_topology_node(topology, n)->child_count;
        children = count > children ? count : children;
    }
    return subject->options.aggregators == ECH_FIT_FUSED || selected < children ? selected
                                                                                : children;
}

static void add_sums(const ech_subject *subject, uint32_t slots, ech_memory_forecast *out)
{
    const ech_layout *layout = subject->strategy->layout;
    if (subject->options.strategy.sum == ECH_SUM_EXACT) {
        add_part(out, "exact sums")->shared_bytes = slots * ech_exact_sum_populated_bytes(layout);
    } else {
        add_part(out, "float32 sums")->shared_bytes =
            slots * ech_ordered_sum_held_bytes(layout, most_leaves(subject),
                                               subject->ranks_per_host,
                                               subject->options.workers_on == ECH_HOMES_RANK);
    }
}

static ech_status add_shared(const ech_subject *subject, ech_memory_forecast *out)
{
    const ech_strategy *strategy = subject->strategy;
    const uint64_t state_bytes = ech_layout_state_bytes(strategy->layout);
    const uint64_t mean_bytes =
        strategy->rule->step != NULL ? strategy->layout->value_count * sizeof(float) : 0;
    ech_stations_room room = {0};
    const ech_status status = find_room(subject, &room);
    const uint32_t late_slots =
        subject->options.cutoff.late == ECH_LATE_KEEP ? (uint32_t)LATE_SLOTS : 0;
    add_part(out, "global model")->shared_bytes = state_bytes + mean_bytes;
    add_sums(subject, room.slots + late_slots, out);
    if (room.cells > 0) {
        add_part(out, "models and updates of aggregators")->shared_bytes = room.cells * state_bytes;
    }
    if (strategy->rule->kept_name != NULL) {
        add_part(out, "vectors that workers keep")->shared_bytes = kept_bytes(subject);
    }
    add_data(subject, out);
    return status;
}

ech_status ech_memory_forecast_make(const ech_subject *subject, ech_memory_forecast *out)
{
    *out = (ech_memory_forecast){.count = 0};
    ech_status status = add_own(subject, out);
    if (status == ECH_OK) {
        add_first(subject, out);
        status = add_shared(subject, out);
    }
    for (uint32_t i = 0; i < out->count; i++) {
        ech_memory_part *part = &out->parts[i];
        part->host_bytes =
            subject->ranks_per_host * part->rank_bytes + part->first_bytes + part->shared_bytes;
    }
    return status;
}

uint64_t ech_memory_forecast_rank(const ech_memory_forecast *forecast)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < forecast->count; i++) {
        const ech_memory_part *part = &forecast->parts[i];
        bytes += part->rank_bytes + part->first_bytes + part->shared_bytes;
    }
    return bytes;
}

uint64_t ech_memory_forecast_host(const ech_memory_forecast *forecast)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < forecast->count; i++) {
        bytes += forecast->parts[i].host_bytes;
    }
    return bytes;
}
