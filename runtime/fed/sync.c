#include "runtime/fed/sync.h"

#include <math.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/bytes.h"
#include "runtime/fed/flight.h"
#include "runtime/fed/gather.h"
#include "runtime/fed/process.h"
#include "runtime/mpi/guard.h"

enum {
    FLIGHT_CAPACITY = 1024,
    FINISH_SLICE_VALUES = 1 << 18, /* 1 MiB of float32: worth a task */
};

struct ech_sync {
    ech_sync_options options;
    ech_process *process;
    ech_worker_states *states; /* NULL where the rule keeps nothing on workers */
    uint32_t slot_count;

    /* rank 0, while it runs */
    ech_gather *gather;
    ech_flight *flight; /* slices of the mean */
    ech_selection selection;
    ech_tier_traffic *traffic;
    uint64_t now_ns;     /* on the virtual clock */
    uint64_t weight_all; /* of all workers that may be selected */
};

/* ---- life ---- */

/* Rank 0 knows the topology, and tells the others how many sums a host must hold. */
static ech_status agree_on_slots(ech_machine *machine, const ech_sync_options *options,
                                 uint32_t *slot_count)
{
    ech_comm *comm = ech_machine_comm(machine);
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        status = ech_gather_slots(options->aggregators, options->topology, options->placement,
                                  machine, slot_count);
    }
    status = ech_comm_agree(comm, status);
    return status == ECH_OK ? ech_comm_broadcast(comm, slot_count, sizeof *slot_count, 0) : status;
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

static ech_status create_states(ech_machine *machine, ech_sync *sync)
{
    if (sync->options.strategy->rule->kept_name == NULL) {
        return ECH_OK;
    }
    uint32_t *homes = NULL;
    uint32_t count = 0;
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        status = list_homes(sync, &homes, &count);
    }
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status == ECH_OK) {
        status = ech_worker_states_create(machine, sync->options.strategy->value_count, homes,
                                          count, &sync->states);
    }
    ech_free(homes);
    return status;
}

ech_status ech_sync_create(ech_machine *machine, const ech_sync_options *options, ech_sync **out)
{
    *out = NULL;
    ech_sync *sync = NULL;
    ech_status status = ech_process_allocate(machine, sizeof *sync, (void **)&sync);
    if (status != ECH_OK) {
        return status;
    }
    sync->options = *options;
    status = agree_on_slots(machine, options, &sync->slot_count);
    if (status == ECH_OK) {
        const ech_process_options process = {
            .trainer = options->trainer,
            .strategy = options->strategy,
            .topology = options->topology,
            .slot_count = sync->slot_count,
            .cell_count = 1,
            .rounds = options->rounds,
            .evaluate_every = options->evaluate_every,
        };
        status = ech_process_create(machine, &process, &sync->process);
    }
    if (status == ECH_OK) {
        status = create_states(machine, sync);
    }
    if (status != ECH_OK) {
        ech_sync_destroy(&sync);
        return status;
    }
    sync->process->is_virtual = options->pace != NULL;
    sync->process->rank.states = sync->states;
    *out = sync;
    return ECH_OK;
}

void ech_sync_destroy(ech_sync **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_worker_states_destroy(&(*handle)->states);
    ech_process_destroy(&(*handle)->process);
    ech_free(*handle);
    *handle = NULL;
}

ech_status ech_sync_register(ech_sync *sync, ech_app_registry *registry)
{
    return ech_process_register(sync->process, registry);
}

void ech_sync_observe(ech_sync *sync, ech_round_observer observer)
{
    sync->process->observer = observer;
}

ech_worker_states *ech_sync_worker_states(const ech_sync *sync)
{
    return sync->states;
}

ech_state ech_sync_model(const ech_sync *sync)
{
    return ech_replica_model(sync->process->replica);
}

/* ---- the parts of a round ---- */

static ech_status land_slice(void *user, const ech_landing *landing)
{
    ech_sync *sync = user;
    ech_process_add_step(sync->process, landing->result);
    return ECH_OK;
}

static ech_status average(ech_sync *sync, uint32_t slot, bool in_place)
{
    ech_status status = ECH_OK;
    const uint64_t value_count = sync->process->layout->value_count;
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
        status = ech_flight_submit(sync->flight, 0, 0, sync->process->apps.finish, &finish,
                                   sizeof finish, &options, NULL);
    }
    return status == ECH_OK ? ech_flight_land_all(sync->flight) : status;
}

static ech_status update_model(ech_sync *sync, uint32_t slot)
{
    ech_strategy *strategy = sync->options.strategy;
    const bool in_place = strategy->rule->step == NULL;
    ech_status status = average(sync, slot, in_place);
    if (status != ECH_OK) {
        return status;
    }
    const ech_state model = ech_replica_model(sync->process->replica);
    ech_exact_sum *sum = ech_replica_sum(sync->process->replica, slot);
    const uint64_t start_ns = ech_clock_ns();
    status = ech_exact_sum_finish_counters(sum, model.counters);
    if (!in_place) {
        const ech_trainer *trainer = sync->options.trainer;
        const ech_aggregate aggregate = {.mean = ech_replica_mean(sync->process->replica),
                                         .weight = ech_exact_sum_weight(sum),
                                         .weight_all = sync->weight_all};
        ech_strategy_update(strategy, trainer->layout(trainer->self), &aggregate, model.values);
        ech_strategy_publish(strategy, model.values);
    }
    sync->process->report.phase_seconds[ECH_PHASE_AGGREGATE] +=
        ech_clock_seconds(ech_clock_ns() - start_ns);
    return status;
}

static ech_status count_logical_bytes(ech_sync *sync)
{
    const uint64_t down_bytes = ech_strategy_down_bytes(sync->options.strategy);
    const uint64_t up_bytes = ech_strategy_up_bytes(sync->options.strategy);
    const ech_status status = ech_bytes_count(sync->options.topology, sync->selection.workers,
                                              sync->selection.count, sync->traffic);
    for (uint32_t tier = 0; tier < sync->process->tier_count && status == ECH_OK; tier++) {
        sync->process->tiers[tier].logical_down = sync->traffic[tier].edges * down_bytes;
        sync->process->tiers[tier].logical_up = sync->traffic[tier].edges * up_bytes;
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
    sync->process->report.selected = sync->selection.count;
    uint32_t root_slot = 0;
    status = ech_gather_run(sync->gather, round, &sync->selection, &sync->process->report,
                            sync->process->tiers, &root_slot);
    if (status == ECH_OK) {
        status = count_logical_bytes(sync);
    }
    if (status != ECH_OK) {
        return status;
    }
    if (sync->process->report.contributed == 0) {
        ech_log(ECH_LOG_WARNING, "round %llu: no update came, the model stays as it was",
                (unsigned long long)round);
        return ECH_OK;
    }
    return update_model(sync, root_slot);
}

static void begin_round(ech_sync *sync, uint64_t round)
{
    ech_process_begin_round(sync->process, round);
    if (sync->options.pace != NULL) {
        sync->process->report.start_ns = sync->now_ns;
    }
}

static void advance(ech_sync *sync, double seconds)
{
    sync->now_ns += (uint64_t)llround(seconds * 1e9);
}

static ech_status run_round(ech_sync *sync, uint64_t round)
{
    ech_process *process = sync->process;
    ech_guard_phase("round %llu", (unsigned long long)round);
    begin_round(sync, round);
    ech_status status = train_and_update(sync, round);
    advance(sync, process->report.clock_seconds);
    if (status == ECH_OK) {
        status = ech_process_broadcast(process);
    }
    if (status == ECH_OK && ech_process_evaluates(process, round)) {
        status = ech_process_evaluate(process, NULL);
    }
    return status == ECH_OK
               ? ech_process_end_round(process, ech_replica_model_view(process->replica))
               : status;
}

/* The virtual time at which a resumed run goes on: the turns of the rounds before, once more. */
static ech_status find_time(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    ech_status status = ECH_OK;
    for (uint64_t round = 1; round <= options->rounds_done && status == ECH_OK; round++) {
        uint64_t longest_ns = 0;
        status = options->strategy->rule->select(options->strategy, options->population,
                                                 options->seed, round, &sync->selection);
        for (uint32_t i = 0; i < sync->selection.count && status == ECH_OK; i++) {
            const uint64_t taken_ns =
                ech_pace_turn(options->pace, sync->selection.workers[i], round, 0).arrival_ns;
            longest_ns = taken_ns > longest_ns ? taken_ns : longest_ns;
        }
        sync->now_ns += longest_ns;
    }
    return status;
}

/* The model that the first round starts from; a resumed run has told about it before. */
static ech_status run_start(ech_sync *sync)
{
    ech_process *process = sync->process;
    ech_status status = sync->options.pace != NULL ? find_time(sync) : ECH_OK;
    begin_round(sync, sync->options.rounds_done);
    ech_strategy_publish(sync->options.strategy, ech_replica_model(process->replica).values);
    if (status == ECH_OK) {
        status = ech_process_broadcast(process);
    }
    if (status != ECH_OK || sync->options.rounds_done > 0) {
        return status;
    }
    if (sync->options.evaluate_every > 0) {
        status = ech_process_evaluate(process, NULL);
    }
    return status == ECH_OK
               ? ech_process_end_round(process, ech_replica_model_view(process->replica))
               : status;
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

static ech_status prepare_run(ech_sync *sync, ech_executor *executor)
{
    const ech_sync_options *options = &sync->options;
    ech_process *process = sync->process;
    ech_status status = ech_process_begin(process, executor);
    if (status != ECH_OK) {
        return status;
    }
    sync->traffic = ech_calloc(process->tier_count, sizeof *sync->traffic);
    if (sync->traffic == NULL) {
        return ECH_ERR_MEMORY;
    }
    weigh_population(sync);
    const ech_gather_options gather = {
        .states = sync->states,
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .pace = options->pace,
        .strategy = options->strategy,
        .apps = &process->apps,
        .observer = &process->observer,
        .machine = process->machine,
        .aggregators = options->aggregators,
        .slot_count = sync->slot_count,
        .seed = options->seed,
        .epochs = options->epochs,
    };
    status = ech_gather_create(executor, &gather, &sync->gather);
    return status == ECH_OK
               ? ech_flight_create(executor, FLIGHT_CAPACITY, land_slice, sync, &sync->flight)
               : status;
}

static void end_run(ech_sync *sync)
{
    ech_flight_destroy(&sync->flight);
    ech_gather_destroy(&sync->gather);
    ech_selection_clear(&sync->selection);
    ech_free(sync->traffic);
    sync->traffic = NULL;
    ech_process_end(sync->process);
}

ech_status ech_sync_run(ech_sync *sync, ech_executor *executor)
{
    ech_status status = prepare_run(sync, executor);
    if (status == ECH_OK) {
        status = run_start(sync);
    }
    uint64_t round = sync->options.rounds_done;
    while (status == ECH_OK && round < sync->options.rounds) {
        if (ech_process_must_stop(sync->process)) {
            status = ech_fail(ECH_ERR_INTERRUPTED, "stopped after round %llu of %llu",
                              (unsigned long long)round, (unsigned long long)sync->options.rounds);
            break;
        }
        status = run_round(sync, ++round);
    }
    end_run(sync);
    return status;
}
