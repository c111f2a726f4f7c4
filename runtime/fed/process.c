#include "runtime/fed/process.h"

#include <math.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum {
    FLIGHT_CAPACITY = 1024,
    EVALUATE_BLOCK_MIN = 64,
    EVALUATE_BLOCKS_A_RANK = 4,
    PRIORITY_FETCH = 2,
};

enum landing_kind { LANDED_PUBLISH, LANDED_FETCH, LANDED_EVALUATE };

const char *ech_phase_name(ech_phase phase)
{
    static const char *const names[ECH_PHASE_COUNT] = {"send", "train", "aggregate", "evaluate"};
    return names[phase];
}

/* ---- life ---- */

static ech_status allocate_state(const ech_layout *layout, ech_state *state)
{
    const size_t value_bytes = layout->value_count * sizeof(float);
    state->values = ech_alloc(value_bytes);
    state->counters = ech_calloc(layout->counter_count, sizeof(int64_t));
    if (state->values == NULL || state->counters == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_memory_populate(state->values, value_bytes);
    return ECH_OK;
}

static ech_status allocate_states(ech_process *process)
{
    ech_round_rank *rank = &process->rank;
    ech_status status = allocate_state(process->layout, &rank->update);
    if (status == ECH_OK && rank->transfer != NULL && ech_transfer_copies_model(rank->transfer)) {
        status = allocate_state(process->layout, &rank->received);
    }
    return status;
}

ech_status ech_process_allocate(ech_machine *machine, size_t bytes, void **out)
{
    *out = ech_calloc(1, bytes);
    const ech_status status =
        ech_comm_agree(ech_machine_comm(machine), *out != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK) {
        ech_free(*out);
        *out = NULL;
    }
    return status;
}

ech_status ech_process_create(ech_machine *machine, const ech_process_options *options,
                              ech_process **out)
{
    *out = NULL;
    ech_comm *comm = ech_machine_comm(machine);
    ech_process *process = NULL;
    ech_status status = ech_process_allocate(machine, sizeof *process, (void **)&process);
    if (status != ECH_OK) {
        return status;
    }
    process->machine = machine;
    process->options = *options;
    process->layout = options->strategy->layout;
    process->rank.transfer = options->transfer;
    process->rank.received_version = (uint64_t)ECH_VERSION_NONE;
    status = ech_replica_create(machine, process->layout, &options->sums, options->slot_count,
                                options->cell_count, options->reserve_count, &process->replica);
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, allocate_states(process));
    }
    if (status != ECH_OK) {
        ech_process_destroy(&process);
        return status;
    }
    process->rank.trainer = options->trainer;
    process->rank.strategies =
        options->strategies != NULL ? options->strategies : &process->options.strategy;
    process->rank.attack = options->attack;
    process->rank.replica = process->replica;
    *out = process;
    return ECH_OK;
}

void ech_process_destroy(ech_process **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_process *process = *handle;
    ech_free(process->rank.update.values);
    ech_free(process->rank.update.counters);
    ech_free(process->rank.received.values);
    ech_free(process->rank.received.counters);
    ech_replica_destroy(&process->replica);
    ech_free(process);
    *handle = NULL;
}

ech_status ech_process_register(ech_process *process, ech_app_registry *registry)
{
    return ech_round_apps_register(registry, &process->rank, &process->apps);
}

/* ---- the run ---- */

static ech_status land(void *user, const ech_landing *landing)
{
    ech_process *process = user;
    if ((enum landing_kind)landing->kind == LANDED_EVALUATE) {
        const ech_evaluate_outcome *outcome = landing->result;
        ech_process_add_step(process, &outcome->step);
        process->tiers[1].wire_down += outcome->step.wire_bytes;
        process->evaluation.samples += outcome->sums.samples;
        process->evaluation.correct += outcome->sums.correct;
        process->evaluation.loss_fixed += outcome->sums.loss_fixed;
        return ECH_OK;
    }
    const ech_step_result *step = landing->result;
    ech_process_add_step(process, step);
    process->tiers[1].wire_down += step->wire_bytes;
    if ((enum landing_kind)landing->kind == LANDED_FETCH) {
        process->fetching[landing->subject] = NULL;
    }
    return ECH_OK;
}

ech_status ech_process_begin(ech_process *process, ech_executor *executor)
{
    process->executor = executor;
    process->tier_count = ech_topology_tier_count(process->options.topology);
    process->tiers = ech_calloc(process->tier_count, sizeof *process->tiers);
    process->fetching =
        ech_calloc((size_t)ech_machine_host_count(process->machine), sizeof(ech_future *));
    if (process->tiers == NULL || process->fetching == NULL) {
        return ECH_ERR_MEMORY;
    }
    return ech_flight_create(executor, FLIGHT_CAPACITY, land, process, &process->flight);
}

/* The last model that was published; what fails here costs room in the store, and the run has its
 * result. */
static void drop_model(ech_process *process)
{
    ech_transfer *transfer = process->options.transfer;
    if (transfer != NULL && ech_transfer_stores(transfer)) {
        const ech_failure failure = ech_failure_keep(ECH_OK);
        const ech_parcel last = {ECH_PARCEL_MODEL, process->report.round};
        (void)ech_transfer_drop(transfer, last, process->layout);
        ech_failure_restore(&failure);
    }
}

void ech_process_end(ech_process *process)
{
    ech_flight_destroy(&process->flight);
    drop_model(process);
    ech_free((void *)process->fetching);
    ech_free(process->tiers);
    process->fetching = NULL;
    process->tiers = NULL;
}

void ech_process_begin_round(ech_process *process, uint64_t round)
{
    memset(process->tiers, 0, process->tier_count * sizeof *process->tiers);
    process->round_start_ns = ech_clock_ns();
    process->report = (ech_round_report){
        .round = round,
        .start_ns = ech_clock_wall_ns(),
        .train_loss = NAN,
        .train_accuracy = NAN,
        .tiers = process->tiers,
        .tier_count = process->tier_count,
    };
}

void ech_process_add_step(ech_process *process, const ech_step_result *step)
{
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        process->report.phase_seconds[phase] += ech_clock_seconds(step->phase_ns[phase]);
    }
}

static ech_status publish(ech_process *process)
{
    const ech_publish_arguments arguments = {.version = process->report.round};
    const ech_task_options options = {
        .affinity = ECH_AFFINITY_RANK, .strict = true, .priority = PRIORITY_FETCH};
    const ech_status status =
        ech_flight_submit(process->flight, LANDED_PUBLISH, 0, process->apps.publish, &arguments,
                          sizeof arguments, &options, NULL);
    return status == ECH_OK ? ech_flight_land_all(process->flight) : status;
}

/* Each host copies the model from the host that a binomial tree puts above it, once that has it. */
static ech_status fetch_on_hosts(ech_process *process)
{
    ech_status status = ECH_OK;
    const int hosts = ech_machine_host_count(process->machine);
    for (int host = 1; host < hosts && status == ECH_OK; host++) {
        const uint32_t above = (uint32_t)host & ((uint32_t)host - 1);
        const ech_fetch_arguments fetch = {.from_host = above};
        ech_task_options options = {
            .affinity = ECH_AFFINITY_RANK,
            .affinity_value = (uint64_t)ech_machine_leader_of(process->machine, host),
            .strict = true,
            .priority = PRIORITY_FETCH,
        };
        if (process->fetching[above] != NULL) {
            options.inputs = &process->fetching[above];
            options.input_count = 1;
        }
        status =
            ech_flight_submit(process->flight, LANDED_FETCH, (uint32_t)host, process->apps.fetch,
                              &fetch, sizeof fetch, &options, &process->fetching[host]);
    }
    return status == ECH_OK ? ech_flight_land_all(process->flight) : status;
}

ech_status ech_process_broadcast(ech_process *process)
{
    const ech_transfer *transfer = process->options.transfer;
    return transfer != NULL && ech_transfer_stores(transfer) ? publish(process)
                                                             : fetch_on_hosts(process);
}

bool ech_process_evaluates(const ech_process *process, uint64_t round)
{
    const ech_process_options *options = &process->options;
    return options->evaluate_every > 0 &&
           (round % options->evaluate_every == 0 || round == options->rounds);
}

/* Where a block of test samples is evaluated: anywhere, or where a copy of the model comes to. */
static ech_task_options evaluation_place(const ech_process *process, const ech_host_cell *copies,
                                         uint64_t block, ech_future **input)
{
    if (copies == NULL) {
        return (ech_task_options){.affinity = ECH_AFFINITY_NONE};
    }
    const uint64_t ranks = (uint64_t)ech_machine_rank_count(process->machine);
    const int host = ech_machine_host_of(process->machine, (int)(block % ranks));
    *input = copies[host].fetching;
    return (ech_task_options){
        .affinity = ECH_AFFINITY_HOST,
        .affinity_value = (uint64_t)host,
        .strict = true,
        .inputs = input,
        .input_count = *input != NULL ? 1 : 0,
    };
}

static ech_status submit_evaluation(ech_process *process, const ech_host_cell *copies,
                                    uint64_t test_count)
{
    const uint64_t blocks =
        (uint64_t)ech_machine_rank_count(process->machine) * EVALUATE_BLOCKS_A_RANK;
    uint64_t size = (test_count + blocks - 1) / blocks;
    size = size < EVALUATE_BLOCK_MIN ? EVALUATE_BLOCK_MIN : size;
    ech_status status = ECH_OK;
    for (uint64_t first = 0; first < test_count && status == ECH_OK; first += size) {
        ech_future *input = NULL;
        const ech_task_options options = evaluation_place(process, copies, first / size, &input);
        const uint64_t left = test_count - first;
        const ech_evaluate_arguments part = {
            .first = first,
            .count = left < size ? left : size,
            .version = process->report.round,
            .cell = copies != NULL ? copies[options.affinity_value].cell : 0,
        };
        status = ech_flight_submit(process->flight, LANDED_EVALUATE, 0, process->apps.evaluate,
                                   &part, sizeof part, &options, NULL);
    }
    return status;
}

ech_status ech_process_evaluate(ech_process *process, const ech_host_cell *copies)
{
    const ech_trainer *trainer = process->options.trainer;
    const uint64_t test_count = trainer->test_count(trainer->self);
    if (test_count == 0) {
        return ECH_OK;
    }
    process->evaluation = (ech_evaluation){0};
    ech_status status = submit_evaluation(process, copies, test_count);
    if (status == ECH_OK) {
        status = ech_flight_land_all(process->flight);
    }
    if (status == ECH_OK) {
        const double samples = (double)process->evaluation.samples;
        process->report.evaluated = true;
        process->report.test_accuracy = (double)process->evaluation.correct / samples;
        process->report.test_loss = (double)process->evaluation.loss_fixed * 0x1p-24 / samples;
    }
    return status;
}

ech_status ech_process_end_round(ech_process *process, ech_state_view model)
{
    const ech_round_observer *observer = &process->observer;
    process->report.seconds = ech_clock_seconds(ech_clock_ns() - process->round_start_ns);
    if (!process->is_virtual) {
        process->report.clock_seconds = process->report.seconds;
    }
    if (observer->round_done == NULL) {
        return ECH_OK;
    }
    return observer->round_done(observer->self, &process->report, model);
}

bool ech_process_must_stop(const ech_process *process)
{
    const ech_round_observer *observer = &process->observer;
    return observer->should_stop != NULL && observer->should_stop(observer->self);
}

ech_status ech_process_go_on(const ech_process *process, uint64_t rounds_done)
{
    return ech_process_must_stop(process)
               ? ech_fail(ECH_ERR_INTERRUPTED, ECH_RUN_STOPPED "after round %llu of %llu",
                          (unsigned long long)rounds_done,
                          (unsigned long long)process->options.rounds)
               : ECH_OK;
}
