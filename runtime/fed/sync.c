#include "runtime/fed/sync.h"

#include <math.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/bytes.h"
#include "runtime/fed/flight.h"
#include "runtime/fed/gather.h"
#include "runtime/fed/replica.h"
#include "runtime/fed/round_apps.h"
#include "runtime/mpi/guard.h"

enum {
    FLIGHT_CAPACITY = 1024,
    FINISH_SLICE_VALUES = 1 << 18, /* 1 MiB of float32: worth a task */
    EVALUATE_BLOCK_MIN = 64,
    EVALUATE_BLOCKS_A_RANK = 4,
    PRIORITY_FETCH = 2,
};

enum landing_kind { LANDED_FETCH, LANDED_FINISH, LANDED_EVALUATE };

struct ech_sync {
    ech_machine *machine;
    ech_sync_options options;
    ech_round_observer observer;
    const ech_layout *layout; /* of what is summed: the model, and what travels beside it */
    ech_replica *replica;
    ech_worker_states *states; /* NULL where the rule keeps nothing on workers */
    ech_round_rank rank;       /* what this rank's tasks work on */
    ech_round_apps apps;
    uint32_t slot_count;

    /* rank 0, while it runs */
    ech_executor *executor;
    ech_gather *gather;
    ech_flight *flight;
    ech_future **fetching; /* of each host, while in flight */
    ech_selection selection;
    ech_tier_traffic *traffic;
    ech_tier_bytes *tiers;
    uint32_t tier_count;
    ech_round_report report; /* of the round that runs */
    ech_evaluation evaluation;
    uint64_t weight_all; /* of all workers that may be selected */
};

const char *ech_phase_name(ech_phase phase)
{
    static const char *const names[ECH_PHASE_COUNT] = {"send", "train", "aggregate", "evaluate"};
    return names[phase];
}

/* ---- life ---- */

/* Rank 0 knows the topology, and tells the others how many sums a host must hold. */
static ech_status agree_on_slots(ech_sync *sync)
{
    ech_comm *comm = ech_machine_comm(sync->machine);
    ech_status status = ECH_OK;
    if (ech_machine_rank(sync->machine) == 0) {
        status = ech_gather_slots(sync->options.aggregators, sync->options.topology,
                                  sync->options.placement, sync->machine, &sync->slot_count);
    }
    status = ech_comm_agree(comm, status);
    if (status != ECH_OK) {
        return status;
    }
    return ech_comm_broadcast(comm, &sync->slot_count, sizeof sync->slot_count, 0);
}

static ech_status allocate_update(ech_sync *sync)
{
    const ech_layout *layout = sync->layout;
    const size_t value_bytes = layout->value_count * sizeof(float);
    sync->rank.update.values = ech_alloc(value_bytes);
    sync->rank.update.counters = ech_calloc(layout->counter_count, sizeof(int64_t));
    if (sync->rank.update.values == NULL || sync->rank.update.counters == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_memory_populate(sync->rank.update.values, value_bytes);
    return ECH_OK;
}

/* Rank 0 knows which host each worker trains on. */
static ech_status list_homes(const ech_sync *sync, uint32_t **homes, uint32_t *count)
{
    const ech_sync_options *options = &sync->options;
    ech_sum_plan *plan = NULL;
    *count = ech_topology_worker_count(options->topology);
    *homes = ech_calloc(*count, sizeof **homes);
    ech_status status = *homes != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status =
            ech_sum_plan_create(options->aggregators, options->topology, options->placement, &plan);
    }
    for (uint32_t worker = 0; worker < *count && status == ECH_OK; worker++) {
        (*homes)[worker] = ech_sum_plan_home(plan, worker);
    }
    ech_sum_plan_destroy(&plan);
    return status;
}

static ech_status create_states(ech_sync *sync)
{
    if (sync->options.strategy->rule->kept_name == NULL) {
        return ECH_OK;
    }
    uint32_t *homes = NULL;
    uint32_t count = 0;
    ech_status status = ECH_OK;
    if (ech_machine_rank(sync->machine) == 0) {
        status = list_homes(sync, &homes, &count);
    }
    status = ech_comm_agree(ech_machine_comm(sync->machine), status);
    if (status == ECH_OK) {
        status = ech_worker_states_create(sync->machine, sync->options.strategy->value_count, homes,
                                          count, &sync->states);
    }
    ech_free(homes);
    return status;
}

ech_status ech_sync_create(ech_machine *machine, const ech_sync_options *options, ech_sync **out)
{
    *out = NULL;
    ech_comm *comm = ech_machine_comm(machine);
    ech_sync *sync = ech_calloc(1, sizeof *sync);
    ech_status status = ech_comm_agree(comm, sync != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || sync == NULL) {
        ech_free(sync);
        return status;
    }
    sync->machine = machine;
    sync->options = *options;
    sync->layout = options->strategy->layout;
    status = agree_on_slots(sync);
    if (status == ECH_OK) {
        status = ech_replica_create(machine, sync->layout, sync->slot_count, &sync->replica);
    }
    if (status == ECH_OK) {
        status = create_states(sync);
    }
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, allocate_update(sync));
    }
    if (status != ECH_OK) {
        ech_sync_destroy(&sync);
        return status;
    }
    sync->rank.trainer = options->trainer;
    sync->rank.strategy = options->strategy;
    sync->rank.replica = sync->replica;
    sync->rank.states = sync->states;
    *out = sync;
    return ECH_OK;
}

void ech_sync_destroy(ech_sync **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_sync *sync = *handle;
    ech_free(sync->rank.update.values);
    ech_free(sync->rank.update.counters);
    ech_worker_states_destroy(&sync->states);
    ech_replica_destroy(&sync->replica);
    ech_free(sync);
    *handle = NULL;
}

ech_status ech_sync_register(ech_sync *sync, ech_app_registry *registry)
{
    return ech_round_apps_register(registry, &sync->rank, &sync->apps);
}

void ech_sync_observe(ech_sync *sync, ech_round_observer observer)
{
    sync->observer = observer;
}

ech_worker_states *ech_sync_worker_states(const ech_sync *sync)
{
    return sync->states;
}

ech_state ech_sync_model(const ech_sync *sync)
{
    return ech_replica_model(sync->replica);
}

/* ---- landings ---- */

static void add_step(ech_sync *sync, const ech_step_result *step)
{
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        sync->report.phase_seconds[phase] += ech_clock_seconds(step->phase_ns[phase]);
    }
}

static ech_status land(void *user, const ech_landing *landing)
{
    ech_sync *sync = user;
    if ((enum landing_kind)landing->kind == LANDED_EVALUATE) {
        const ech_evaluate_outcome *outcome = landing->result;
        add_step(sync, &outcome->step);
        sync->evaluation.samples += outcome->sums.samples;
        sync->evaluation.correct += outcome->sums.correct;
        sync->evaluation.loss_fixed += outcome->sums.loss_fixed;
        return ECH_OK;
    }
    const ech_step_result *step = landing->result;
    add_step(sync, step);
    if ((enum landing_kind)landing->kind == LANDED_FETCH) {
        sync->fetching[landing->subject] = NULL;
        sync->tiers[1].wire_down += step->wire_bytes;
    }
    return ECH_OK;
}

/* ---- the parts of a round ---- */

/* Each host copies the model from the host that a binomial tree puts above it, once that has it. */
static ech_status broadcast_model(ech_sync *sync)
{
    ech_status status = ECH_OK;
    for (int host = 1; host < ech_machine_host_count(sync->machine) && status == ECH_OK; host++) {
        const uint32_t above = (uint32_t)host & ((uint32_t)host - 1);
        const ech_fetch_arguments fetch = {.from_host = above};
        ech_task_options options = {
            .affinity = ECH_AFFINITY_RANK,
            .affinity_value = (uint64_t)ech_machine_leader_of(sync->machine, host),
            .strict = true,
            .priority = PRIORITY_FETCH,
        };
        if (sync->fetching[above] != NULL) {
            options.inputs = &sync->fetching[above];
            options.input_count = 1;
        }
        status = ech_flight_submit(sync->flight, LANDED_FETCH, (uint32_t)host, sync->apps.fetch,
                                   &fetch, sizeof fetch, &options, &sync->fetching[host]);
    }
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

static ech_status average(ech_sync *sync, uint32_t slot, bool in_place)
{
    ech_status status = ECH_OK;
    const uint64_t value_count = sync->layout->value_count;
    for (uint64_t first = 0; first < value_count && status == ECH_OK;
         first += FINISH_SLICE_VALUES) {
        const uint64_t left = value_count - first;
        const ech_finish_arguments finish = {
            .first = first,
            .count = left < FINISH_SLICE_VALUES ? left : FINISH_SLICE_VALUES,
            .slot = slot,
            .in_place = in_place,
        };
        const ech_task_options options = {
            .affinity = ECH_AFFINITY_HOST, .affinity_value = 0, .strict = true};
        status = ech_flight_submit(sync->flight, LANDED_FINISH, 0, sync->apps.finish, &finish,
                                   sizeof finish, &options, NULL);
    }
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

static ech_status update_model(ech_sync *sync, uint32_t slot)
{
    ech_strategy *strategy = sync->options.strategy;
    const bool in_place = strategy->rule->update == NULL;
    ech_status status = average(sync, slot, in_place);
    if (status != ECH_OK) {
        return status;
    }
    const ech_state model = ech_replica_model(sync->replica);
    ech_exact_sum *sum = ech_replica_sum(sync->replica, slot);
    const uint64_t start_ns = ech_clock_ns();
    status = ech_exact_sum_finish_counters(sum, model.counters);
    if (!in_place) {
        const ech_trainer *trainer = sync->options.trainer;
        const ech_aggregate aggregate = {.mean = ech_replica_mean(sync->replica),
                                         .weight = ech_exact_sum_weight(sum),
                                         .weight_all = sync->weight_all};
        strategy->rule->update(strategy, trainer->layout(trainer->self), &aggregate, model.values);
        ech_strategy_publish(strategy, model.values);
    }
    sync->report.phase_seconds[ECH_PHASE_AGGREGATE] += ech_clock_seconds(ech_clock_ns() - start_ns);
    return status;
}

static ech_status evaluate_model(ech_sync *sync)
{
    const ech_trainer *trainer = sync->options.trainer;
    const uint64_t test_count = trainer->test_count(trainer->self);
    if (test_count == 0) {
        return ECH_OK;
    }
    sync->evaluation = (ech_evaluation){0};
    const uint64_t blocks =
        (uint64_t)ech_machine_rank_count(sync->machine) * EVALUATE_BLOCKS_A_RANK;
    uint64_t block = (test_count + blocks - 1) / blocks;
    block = block < EVALUATE_BLOCK_MIN ? EVALUATE_BLOCK_MIN : block;
    ech_status status = ECH_OK;
    for (uint64_t first = 0; first < test_count && status == ECH_OK; first += block) {
        const uint64_t left = test_count - first;
        const ech_evaluate_arguments part = {.first = first, .count = left < block ? left : block};
        status = ech_flight_submit(sync->flight, LANDED_EVALUATE, 0, sync->apps.evaluate, &part,
                                   sizeof part, NULL, NULL);
    }
    if (status == ECH_OK) {
        status = ech_flight_land_all(sync->flight);
    }
    if (status == ECH_OK) {
        const double samples = (double)sync->evaluation.samples;
        sync->report.evaluated = true;
        sync->report.test_accuracy = (double)sync->evaluation.correct / samples;
        sync->report.test_loss = (double)sync->evaluation.loss_fixed * 0x1p-24 / samples;
    }
    return status;
}

static bool evaluation_is_due(const ech_sync *sync, uint64_t round)
{
    const ech_sync_options *options = &sync->options;
    return options->evaluate_every > 0 &&
           (round % options->evaluate_every == 0 || round == options->rounds);
}

static ech_status count_logical_bytes(ech_sync *sync)
{
    const uint64_t down_bytes = ech_strategy_down_bytes(sync->options.strategy);
    const uint64_t up_bytes = ech_strategy_up_bytes(sync->options.strategy);
    const ech_status status = ech_bytes_count(sync->options.topology, sync->selection.workers,
                                              sync->selection.count, sync->traffic);
    for (uint32_t tier = 0; tier < sync->tier_count && status == ECH_OK; tier++) {
        sync->tiers[tier].logical_down = sync->traffic[tier].edges * down_bytes;
        sync->tiers[tier].logical_up = sync->traffic[tier].edges * up_bytes;
    }
    return status;
}

static ech_status train_and_update(ech_sync *sync, uint64_t round)
{
    const ech_sync_options *options = &sync->options;
    ech_status status = options->strategy->rule->select(options->strategy, options->population,
                                                        options->seed, round, &sync->selection);
    if (status != ECH_OK) {
        return status;
    }
    sync->report.selected = sync->selection.count;
    uint32_t root_slot = 0;
    status = ech_gather_run(sync->gather, round, &sync->selection, &sync->report, sync->tiers,
                            &root_slot);
    if (status == ECH_OK) {
        status = count_logical_bytes(sync);
    }
    if (status != ECH_OK) {
        return status;
    }
    if (sync->report.contributed == 0) {
        ech_log(ECH_LOG_WARNING, "round %llu: no update came, the model stays as it was",
                (unsigned long long)round);
        return ECH_OK;
    }
    return update_model(sync, root_slot);
}

static void begin_report(ech_sync *sync, uint64_t round)
{
    memset(sync->tiers, 0, sync->tier_count * sizeof *sync->tiers);
    sync->report = (ech_round_report){
        .round = round,
        .start_ns = ech_clock_wall_ns(),
        .train_loss = NAN,
        .train_accuracy = NAN,
        .tiers = sync->tiers,
        .tier_count = sync->tier_count,
    };
}

static ech_status tell(ech_sync *sync, uint64_t start_ns)
{
    const ech_round_observer *observer = &sync->observer;
    sync->report.seconds = ech_clock_seconds(ech_clock_ns() - start_ns);
    if (observer->round_done == NULL) {
        return ECH_OK;
    }
    return observer->round_done(observer->self, &sync->report,
                                ech_replica_model_view(sync->replica));
}

static ech_status run_round(ech_sync *sync, uint64_t round)
{
    const uint64_t start_ns = ech_clock_ns();
    ech_guard_phase("round %llu", (unsigned long long)round);
    begin_report(sync, round);
    ech_status status = train_and_update(sync, round);
    if (status == ECH_OK) {
        status = broadcast_model(sync);
    }
    if (status == ECH_OK && evaluation_is_due(sync, round)) {
        status = evaluate_model(sync);
    }
    return status == ECH_OK ? tell(sync, start_ns) : status;
}

/* The model that the first round starts from; a resumed run has told about it before. */
static ech_status run_start(ech_sync *sync)
{
    const uint64_t start_ns = ech_clock_ns();
    begin_report(sync, sync->options.rounds_done);
    ech_strategy_publish(sync->options.strategy, ech_replica_model(sync->replica).values);
    ech_status status = broadcast_model(sync);
    if (status != ECH_OK || sync->options.rounds_done > 0) {
        return status;
    }
    if (sync->options.evaluate_every > 0) {
        status = evaluate_model(sync);
    }
    return status == ECH_OK ? tell(sync, start_ns) : status;
}

/* ---- the run ---- */

static void weigh_population(ech_sync *sync)
{
    const ech_strategy *strategy = sync->options.strategy;
    const ech_population *population = sync->options.population;
    sync->weight_all = 0;
    for (uint32_t i = 0; i < ech_population_count(population); i++) {
        const uint32_t worker = ech_population_worker(population, i);
        sync->weight_all +=
            strategy->rule->weight(strategy, ech_population_samples(population, worker));
    }
}

static ech_status prepare_run(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    sync->tier_count = ech_topology_tier_count(options->topology);
    sync->tiers = ech_calloc(sync->tier_count, sizeof *sync->tiers);
    sync->traffic = ech_calloc(sync->tier_count, sizeof *sync->traffic);
    sync->fetching =
        ech_calloc((size_t)ech_machine_host_count(sync->machine), sizeof(ech_future *));
    if (sync->tiers == NULL || sync->traffic == NULL || sync->fetching == NULL) {
        return ECH_ERR_MEMORY;
    }
    weigh_population(sync);
    const ech_gather_options gather = {
        .states = sync->states,
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .strategy = options->strategy,
        .apps = &sync->apps,
        .observer = &sync->observer,
        .machine = sync->machine,
        .aggregators = options->aggregators,
        .slot_count = sync->slot_count,
        .seed = options->seed,
        .epochs = options->epochs,
    };
    const ech_status status = ech_gather_create(sync->executor, &gather, &sync->gather);
    if (status != ECH_OK) {
        return status;
    }
    return ech_flight_create(sync->executor, FLIGHT_CAPACITY, land, sync, &sync->flight);
}

static void end_run(ech_sync *sync)
{
    ech_flight_destroy(&sync->flight);
    ech_gather_destroy(&sync->gather);
    ech_selection_clear(&sync->selection);
    ech_free((void *)sync->fetching);
    ech_free(sync->traffic);
    ech_free(sync->tiers);
    sync->fetching = NULL;
    sync->traffic = NULL;
    sync->tiers = NULL;
}

static bool must_stop(const ech_sync *sync)
{
    const ech_round_observer *observer = &sync->observer;
    return observer->should_stop != NULL && observer->should_stop(observer->self);
}

ech_status ech_sync_run(ech_sync *sync, ech_executor *executor)
{
    sync->executor = executor;
    ech_status status = prepare_run(sync);
    if (status == ECH_OK) {
        status = run_start(sync);
    }
    uint64_t round = sync->options.rounds_done;
    while (status == ECH_OK && round < sync->options.rounds) {
        if (must_stop(sync)) {
            status = ech_fail(ECH_ERR_INTERRUPTED, "stopped after round %llu of %llu",
                              (unsigned long long)round, (unsigned long long)sync->options.rounds);
            break;
        }
        status = run_round(sync, ++round);
    }
    end_run(sync);
    return status;
}
