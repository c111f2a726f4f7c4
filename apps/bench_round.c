#include "apps/bench_round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fit/fit_base.h"
#include "apps/fit/fit_process.h"
#include "apps/memory_probe.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/hardware.h"
#include "runtime/mpi/interrupt.h"

enum {
    SET_BYTES = 96,
    OWN_SETS = 9,
};

static const uint64_t probe_ns = UINT64_C(300000000);

typedef struct {
    const ech_bench_round_options *options;
    ech_fit_base base;
    ech_fit_process_handle *process;
    ech_app_registry *apps;
    ech_executor *executor;
    ech_bench_round_result *result;
    uint64_t start_ns;
} bench_job;

/* ---- the configuration ---- */

typedef struct {
    char texts[OWN_SETS][SET_BYTES];
    const char *sets[OWN_SETS + ECH_ARGUMENT_SETS_MAX];
    size_t count;
} set_list;

static void write_sets(const ech_bench_round_options *options, set_list *list)
{
    static const char *const fixed[] = {"strategy.name=fedsgd", "train.epochs=0",
                                        "topology.kind=star", "evaluate.every=0"};
    snprintf(list->texts[0], SET_BYTES, "model.name=%s", options->model);
    snprintf(list->texts[1], SET_BYTES, "topology.workers=%u", options->workers);
    snprintf(list->texts[2], SET_BYTES, "rounds=%u", options->rounds);
    snprintf(list->texts[3], SET_BYTES, "workers_on=%s", options->processes ? "rank" : "any");
    snprintf(list->texts[4], SET_BYTES, "leader=%s", options->processes ? "trains" : "auto");
    for (size_t i = 0; i < 5; i++) {
        list->sets[list->count++] = list->texts[i];
    }
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        list->sets[list->count++] = fixed[i];
    }
    for (size_t i = 0; i < options->set_count; i++) {
        list->sets[list->count++] = options->sets[i];
    }
}

/* ---- start: collective steps ---- */

static ech_status check_ranks(const bench_job *bench)
{
    const int ranks = ech_machine_rank_count(bench->base.machine);
    if (bench->options->processes && (uint32_t)ranks != bench->options->workers) {
        return ech_fail(ECH_ERR_CONFIG, "--variant processes: expected a rank a worker, %u, got %d",
                        bench->options->workers, ranks);
    }
    return ECH_OK;
}

static bool interrupted(void *self)
{
    (void)self;
    return ech_interrupt_requested();
}

static ech_status hear_round(void *self, const ech_round_report *report, ech_state_view global)
{
    bench_job *bench = self;
    (void)global;
    ech_fit_totals_add(&bench->result->totals, report, 0);
    if (report->round > 0) {
        bench->result->seconds[report->round - 1] = report->seconds;
    }
    return ECH_OK;
}

static ech_status prepare_on_rank_0(bench_job *bench)
{
    ech_fit_base *base = &bench->base;
    if (!base->is_first) {
        return ECH_OK;
    }
    const ech_round_observer observer = {
        .self = bench, .round_done = hear_round, .should_stop = interrupted};
    ech_fit_process_observe(bench->process, observer);
    bench->result->value_count = base->network->layout->value_count;
    ech_status status =
        ech_fit_totals_create(&bench->result->totals, ech_topology_tier_count(base->tree.topology),
                              (uint32_t)ech_machine_rank_count(base->machine),
                              (uint32_t)ech_machine_host_count(base->machine));
    if (status == ECH_OK) {
        const ech_trainer *trainer = base->trainer;
        status = trainer->initialise(trainer->self, base->options.seed,
                                     ech_fit_process_model(bench->process));
    }
    return status;
}

static ech_status create_executor(bench_job *bench)
{
    ech_status status = ech_app_registry_create(&bench->apps);
    if (status == ECH_OK) {
        status = ech_fit_process_register(bench->process, bench->apps);
    }
    if (status == ECH_OK) {
        status = prepare_on_rank_0(bench);
    }
    status = ech_fit_base_agree(&bench->base, status);
    if (status != ECH_OK) {
        return status;
    }
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = bench->base.machine};
    return ech_executor_create(bench->apps, &options, &bench->executor);
}

static ech_status start(bench_job *bench, const ech_fit_arguments *arguments,
                        const ech_failure *prepared, ech_io **io)
{
    ech_guard_phase("start");
    ech_status status = ech_fit_base_start(&bench->base, arguments, prepared, io);
    if (status == ECH_OK) {
        status = check_ranks(bench); /* the same everywhere */
    }
    if (status == ECH_OK) {
        status = ech_fit_base_create_process(&bench->base, 0, &bench->process);
    }
    return status == ECH_OK ? create_executor(bench) : status;
}

/* ---- what the machine could do ---- */

/* A rank's own part; 0 where there is no memory for its arrays. */
static double probe_rank(void)
{
    ech_memory_probe *probe = NULL;
    double rate = 0.0;
    if (ech_memory_probe_create(1, &probe) == ECH_OK) {
        rate = ech_memory_probe_measure(probe, probe_ns);
    }
    ech_memory_probe_destroy(&probe);
    return rate;
}

/* All at once, one rank a core: what they get together. */
static ech_status measure_bandwidth(bench_job *bench)
{
    ech_hardware hardware;
    const bool known = ech_hardware_query(&hardware) == ECH_OK;
    const uint32_t cores = known ? hardware.core_count : 1;
    ech_status status = ech_comm_barrier(bench->base.comm);
    uint64_t rate = 0;
    if (status == ECH_OK && (uint32_t)ech_machine_host_rank(bench->base.machine) < cores) {
        rate = (uint64_t)probe_rank();
    }
    if (status == ECH_OK) {
        status = ech_comm_sum_u64(bench->base.comm, &rate, 1);
    }
    const double moved_bytes = (double)(bench->result->value_count * ECH_PROBE_MOVED_BYTES);
    bench->result->bytes_per_second = (double)rate;
    bench->result->bound_seconds =
        rate > 0 ? moved_bytes * bench->options->workers / (double)rate : 0.0;
    return status;
}

/* ---- the run ---- */

static ech_status run_rounds(ech_executor *executor, void *user)
{
    bench_job *bench = user;
    bench->result->totals.start_seconds = ech_clock_seconds(ech_clock_ns() - bench->start_ns);
    return ech_fit_process_run(bench->process, executor);
}

static ech_status run(bench_job *bench)
{
    ech_guard_phase("run");
    ech_status status =
        ech_fit_base_agree(&bench->base, ech_executor_run(bench->executor, run_rounds, bench));
    if (status == ECH_OK && bench->base.is_first) {
        bench->result->totals.model_hash = ech_layout_hash_values(
            bench->base.network->layout, ech_fit_process_model(bench->process).values);
    }
    if (status == ECH_OK) {
        status = ech_fit_base_measure_memory(&bench->base, &bench->result->totals);
    }
    return status == ECH_OK ? ech_fit_base_agree(&bench->base, measure_bandwidth(bench)) : status;
}

static void clear(bench_job *bench)
{
    ech_executor_destroy(&bench->executor);
    ech_app_registry_destroy(&bench->apps);
    ech_fit_process_destroy(&bench->process);
    ech_fit_base_clear(&bench->base);
}

ech_status ech_bench_round(const ech_bench_round_options *options, const ech_failure *prepared,
                           ech_io **io, ech_bench_round_result *result)
{
    bench_job bench = {.options = options, .result = result, .start_ns = ech_clock_ns()};
    set_list list = {.count = 0};
    write_sets(options, &list);
    const ech_fit_arguments arguments = {.sets = list.sets, .set_count = list.count, .json = true};
    ech_status status = start(&bench, &arguments, prepared, io);
    if (bench.base.machine == NULL) {
        return status;
    }
    if (status == ECH_OK) {
        status = run(&bench);
    }
    const ech_failure failure = ech_failure_keep(status);
    clear(&bench);
    return ech_failure_restore(&failure);
}

static int by_size(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

double ech_bench_round_median(const ech_bench_round_result *result)
{
    double sorted[ECH_BENCH_ROUNDS_MAX];
    const size_t count = result->totals.rounds;
    memcpy(sorted, result->seconds, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_size);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0;
}
