/* The synchronous process on a toy trainer whose updates are known: whatever the ranks, hosts and
 * aggregators, the model must be, bit for bit, what a plain loop over the workers gives; with
 * float32 sums within their error of it, and bit for bit that of one sum whose leaves are the
 * workers, where aggregators are fused. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/sum.h"
#include "runtime/fed/sync.h"
#include "tests/mpi_case.h"

enum {
    WORKERS = 23,
    ROUNDS = 3,
    VALUES = 70001, /* several stripes of a sum */
    SEED = 7,
    POISONED_WORKER = 5, /* its update is not finite in this round */
    POISONED_ROUND = 2,
    TEST_SAMPLES = 1000,
};

static uint64_t samples_of(uint64_t worker)
{
    return worker == 11 ? 0 : 1 + 37 * worker % 19;
}

/* Worker w adds noise of its own size to the global model. */
static void toy_update(const float *global, uint64_t round, uint64_t worker, float *update)
{
    ech_random noise = ech_random_stream(SEED, ECH_RANDOM_TEST, round, worker, 0);
    const float scale = ldexpf(1.0F, (int)(worker % 7) - 3);
    for (uint64_t i = 0; i < VALUES; i++) {
        update[i] = global[i] + scale * (ech_random_uniform_float(&noise) - 0.5F);
    }
    if (worker == POISONED_WORKER && round == POISONED_ROUND) {
        update[VALUES - 1] = NAN;
    }
}

static const ech_layout *toy_layout(void *self)
{
    return self;
}

static ech_status toy_initialise(void *self, uint64_t seed, ech_state state)
{
    (void)self;
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_INITIALISE, 0, 0, 0);
    for (uint64_t i = 0; i < VALUES; i++) {
        state.values[i] = ech_random_uniform_float(&stream);
    }
    state.counters[0] = 0;
    return ECH_OK;
}

static uint64_t toy_samples(void *self, uint64_t worker)
{
    (void)self;
    return samples_of(worker);
}

static ech_status toy_train(void *self, const ech_train_request *request, ech_state_view global,
                            ech_state update, ech_train_result *result)
{
    (void)self;
    toy_update(global.values, request->round, request->worker, update.values);
    update.counters[0] = global.counters[0] + (int64_t)request->worker;
    request->yield(request->yield_user);
    *result = (ech_train_result){.samples = samples_of(request->worker), .steps = 1};
    return ECH_OK;
}

static uint64_t toy_test_count(void *self)
{
    (void)self;
    return TEST_SAMPLES;
}

/* Sample i is right if i is even. */
static ech_status toy_evaluate(void *self, ech_state_view state, uint64_t first, uint64_t count,
                               ech_evaluation *result)
{
    (void)self;
    (void)state;
    *result = (ech_evaluation){.samples = count, .loss_fixed = (int64_t)count << 23};
    for (uint64_t i = first; i < first + count; i++) {
        result->correct += i % 2 == 0;
    }
    return ECH_OK;
}

typedef struct {
    ech_layout *layout;
    ech_trainer trainer;
    ech_topology *topology;
    ech_placement *placement;
    ech_population *population;
    uint64_t samples[WORKERS];
    ech_strategy *strategy;
    uint64_t refused;
    uint64_t rounds_seen;
    uint64_t workers_seen;
    ech_tier_bytes last_tiers[8];
} toy;

static ech_status make_toy(toy *made, ech_machine *machine, uint32_t height)
{
    const uint64_t shape[] = {VALUES};
    ech_status status = ech_layout_create(&made->layout);
    if (status == ECH_OK) {
        status = ech_layout_add(made->layout, "weight", ECH_TENSOR_PARAMETER, 1, shape);
    }
    if (status == ECH_OK) {
        status = ech_layout_add(made->layout, "num_batches_tracked", ECH_TENSOR_COUNTER, 0, NULL);
    }
    made->trainer = (ech_trainer){
        .self = made->layout,
        .layout = toy_layout,
        .initialise = toy_initialise,
        .sample_count = toy_samples,
        .train = toy_train,
        .test_count = toy_test_count,
        .evaluate = toy_evaluate,
    };
    uint32_t ranks[16] = {0};
    for (int host = 0; host < ech_machine_host_count(machine); host++) {
        int count = 0;
        ech_machine_ranks_of(machine, host, &count);
        ranks[host] = (uint32_t)count;
    }
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        made->samples[worker] = samples_of(worker);
    }
    if (status == ECH_OK) {
        status = ech_topology_balanced(WORKERS, height, &made->topology);
    }
    if (status == ECH_OK) {
        status = ech_placement_create(made->topology, ranks,
                                      (uint32_t)ech_machine_host_count(machine), &made->placement);
    }
    if (status == ECH_OK) {
        status = ech_population_create(made->samples, WORKERS, &made->population);
    }
    const ech_strategy_options options = ech_strategy_defaults("fedavg");
    return status == ECH_OK ? ech_strategy_create("fedavg", &options, made->layout, &made->strategy)
                            : status;
}

static void free_toy(toy *made)
{
    ech_strategy_destroy(&made->strategy);
    ech_population_destroy(&made->population);
    ech_placement_destroy(&made->placement);
    ech_topology_destroy(&made->topology);
    ech_layout_destroy(&made->layout);
}

static ech_status see_worker(void *self, const ech_worker_report *report)
{
    toy *seen = self;
    seen->workers_seen++;
    if (report->refused) {
        seen->refused++;
        mpi_expect(report->worker == POISONED_WORKER && report->round == POISONED_ROUND,
                   "worker %u refused in round %llu", report->worker,
                   (unsigned long long)report->round);
    }
    return ECH_OK;
}

static ech_status see_round(void *self, const ech_round_report *report, ech_state_view global)
{
    toy *seen = self;
    (void)global;
    mpi_expect(report->round == seen->rounds_seen, "round %llu told as number %llu",
               (unsigned long long)report->round, (unsigned long long)seen->rounds_seen);
    mpi_expect(report->evaluated && report->test_accuracy == 0.5 && report->test_loss == 0.5,
               "evaluated to %g, %g", report->test_accuracy, report->test_loss);
    memcpy(seen->last_tiers, report->tiers, report->tier_count * sizeof *report->tiers);
    seen->rounds_seen++;
    return ECH_OK;
}

/* ---- the oracle: one sum, one loop ---- */

/* Worker 11 is not selected. */
static uint32_t leaf_of(uint64_t worker)
{
    return (uint32_t)(worker < 11 ? worker : worker - 1);
}

static void expected_model(const toy *made, ech_sum_kind kind, float *global, int64_t *counter)
{
    const ech_sum_options options = {.kind = kind, .leaves_max = WORKERS - 1};
    const uint64_t bytes = ech_sum_bytes(&options, made->layout);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ech_sum *sum = NULL;
    float *update = ech_alloc(VALUES * sizeof *update);
    mpi_expect_ok(ech_sum_format(&options, memory, bytes, made->layout));
    mpi_expect_ok(ech_sum_attach(&options, memory, made->layout, &sum));
    toy_initialise(NULL, SEED, (ech_state){.values = global, .counters = counter});
    uint64_t bound = 0;
    for (uint64_t worker = 0; worker < WORKERS; worker++) {
        bound += samples_of(worker);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        mpi_expect_ok(ech_sum_begin(sum, bound, WORKERS - 1));
        for (uint64_t worker = WORKERS; worker-- > 0;) {
            if (samples_of(worker) == 0 || (worker == POISONED_WORKER && round == POISONED_ROUND)) {
                continue;
            }
            toy_update(global, round, worker, update);
            const int64_t count = *counter + (int64_t)worker;
            const ech_state_view view = {.values = update, .counters = &count};
            mpi_expect_ok(ech_sum_add(sum, view, samples_of(worker), leaf_of(worker)));
        }
        ech_sum_settle(sum);
        mpi_expect_ok(ech_sum_finish(sum, 0, VALUES, global));
        mpi_expect_ok(ech_sum_finish_counters(sum, counter));
    }
    ech_free(update);
    ech_sum_destroy(&sum);
    munmap(memory, bytes);
}

/* @param tolerance  0: bit for bit. */
static void compare_with_oracle(const toy *made, ech_sum_kind kind, double tolerance,
                                ech_state model)
{
    float *expected = ech_alloc(VALUES * sizeof *expected);
    int64_t counter = 0;
    expected_model(made, kind, expected, &counter);
    uint64_t different = 0;
    for (uint64_t i = 0; i < VALUES; i++) {
        const bool same = memcmp((const char *)(expected + i), (const char *)(model.values + i),
                                 sizeof *expected) == 0;
        const double error = fabs((double)expected[i] - (double)model.values[i]);
        different += !same && !(tolerance > 0.0 && error <= tolerance);
    }
    mpi_expect(different == 0, "%llu of %d values differ", (unsigned long long)different, VALUES);
    mpi_expect(model.counters[0] == counter, "counter %lld, expected %lld",
               (long long)model.counters[0], (long long)counter);
    ech_free(expected);
}

/* ---- one run ---- */

typedef struct {
    ech_sync *sync;
} program_state;

static ech_status program(ech_executor *executor, void *user)
{
    const program_state *state = user;
    return ech_sync_run(state->sync, executor);
}

/* Updates reach 8: half a unit in the last place of that for each split, in each round. */
static const double float32_error = ROUNDS * 5 * 8 * 0x1p-24;

/* What a run must be: of float32 sums near the exact model, and that of their order where the
 * order is the workers' own. */
static void compare(const toy *made, const ech_sync_options *options, ech_state model)
{
    const bool exact = options->sum == ECH_SUM_EXACT;
    compare_with_oracle(made, ECH_SUM_EXACT, exact ? 0.0 : float32_error, model);
    if (!exact && options->aggregators == ECH_AGGREGATORS_FUSED) {
        compare_with_oracle(made, ECH_SUM_FLOAT32, 0.0, model);
    }
}

static void run_sync(ech_machine *machine, toy *made, ech_aggregators aggregators,
                     ech_sum_kind kind)
{
    const ech_sync_options options = {
        .trainer = &made->trainer,
        .strategy = made->strategy,
        .topology = made->topology,
        .placement = made->placement,
        .population = made->population,
        .aggregators = aggregators,
        .sum = kind,
        .seed = SEED,
        .rounds = ROUNDS,
        .evaluate_every = 1,
        .epochs = 1,
    };
    ech_sync *sync = NULL;
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    if (!mpi_expect_ok(ech_sync_create(machine, &options, &sync))) {
        return;
    }
    mpi_expect_ok(ech_app_registry_create(&apps));
    mpi_expect_ok(ech_sync_register(sync, apps));
    const bool first = ech_machine_rank(machine) == 0;
    if (first) {
        ech_sync_observe(
            sync,
            (ech_round_observer){.self = made, .worker_done = see_worker, .round_done = see_round});
        toy_initialise(NULL, SEED, ech_sync_model(sync));
    }
    const ech_executor_options executing = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    if (mpi_expect_ok(ech_executor_create(apps, &executing, &executor))) {
        program_state state = {.sync = sync};
        mpi_expect_ok(ech_executor_run(executor, program, &state));
        if (first) {
            compare(made, &options, ech_sync_model(sync));
            mpi_expect(made->rounds_seen == ROUNDS + 1, "%llu rounds told",
                       (unsigned long long)made->rounds_seen);
            mpi_expect(made->refused == 1, "%llu refused", (unsigned long long)made->refused);
            mpi_expect(made->workers_seen == (uint64_t)ROUNDS * (WORKERS - 1), "%llu workers told",
                       (unsigned long long)made->workers_seen);
        }
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    ech_sync_destroy(&sync);
}

/* Logical bytes: the tree's edges, each once in each direction. */
static void expect_logical_bytes(const toy *made)
{
    const uint64_t model = VALUES * sizeof(float) + sizeof(int64_t);
    const uint32_t tiers = ech_topology_tier_count(made->topology);
    for (uint32_t tier = 1; tier < tiers; tier++) {
        uint64_t edges = ech_topology_tier_begin(made->topology, tier + 1) -
                         ech_topology_tier_begin(made->topology, tier);
        edges -= tier + 1 == tiers; /* the worker without samples */
        mpi_expect(made->last_tiers[tier].logical_up == edges * model, "tier %u: %llu up", tier,
                   (unsigned long long)made->last_tiers[tier].logical_up);
        mpi_expect(made->last_tiers[tier].logical_down == edges * model, "tier %u: %llu down", tier,
                   (unsigned long long)made->last_tiers[tier].logical_down);
    }
}

/* Each update, and along the tree each sum, once upwards in the width of the sum; between hosts
 * with the little that tells what it is. */
static void expect_wire_bytes(const toy *made, ech_machine *machine, ech_aggregators aggregators,
                              ech_sum_kind kind)
{
    const uint64_t state = ech_sum_state_bytes(kind, made->layout);
    const uint32_t tiers = ech_topology_tier_count(made->topology);
    const bool one_host = ech_machine_host_count(machine) == 1;
    for (uint32_t tier = 1; tier < tiers; tier++) {
        const uint64_t edges =
            made->last_tiers[tier].logical_up / (VALUES * sizeof(float) + sizeof(int64_t));
        const bool crosses = aggregators == ECH_AGGREGATORS_MATERIALISED || tier + 1 == tiers;
        const uint64_t wire = made->last_tiers[tier].wire_up;
        const uint64_t least = crosses ? edges * state : 0;
        mpi_expect(!one_host || wire == least, "tier %u: %llu bytes up, expected %llu", tier,
                   (unsigned long long)wire, (unsigned long long)least);
    }
}

static void run_case(ech_aggregators aggregators, ech_sum_kind kind, uint32_t height)
{
    ech_machine *machine = NULL;
    if (!mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine))) {
        return;
    }
    toy made = {0};
    if (mpi_expect_ok(make_toy(&made, machine, height))) {
        run_sync(machine, &made, aggregators, kind);
    }
    if (ech_machine_rank(machine) == 0) {
        expect_logical_bytes(&made);
        expect_wire_bytes(&made, machine, aggregators, kind);
    }
    free_toy(&made);
    ech_machine_destroy(&machine);
}

static void fused_star(void)
{
    run_case(ECH_AGGREGATORS_FUSED, ECH_SUM_EXACT, 1);
}

static void fused_tree(void)
{
    run_case(ECH_AGGREGATORS_FUSED, ECH_SUM_EXACT, 3);
}

static void materialised_star(void)
{
    run_case(ECH_AGGREGATORS_MATERIALISED, ECH_SUM_EXACT, 1);
}

static void materialised_tree(void)
{
    run_case(ECH_AGGREGATORS_MATERIALISED, ECH_SUM_EXACT, 4);
}

static void float32_fused(void)
{
    run_case(ECH_AGGREGATORS_FUSED, ECH_SUM_FLOAT32, 3);
}

static void float32_materialised(void)
{
    run_case(ECH_AGGREGATORS_MATERIALISED, ECH_SUM_FLOAT32, 4);
}

static const mpi_case cases[] = {
    {"sync_fused_star_1", .ranks = 1, .seconds = 60, .run = fused_star},
    {"sync_fused_tree_2", .ranks = 2, .seconds = 60, .run = fused_tree},
    {"sync_fused_tree_5", .ranks = 5, .seconds = 60, .run = fused_tree},
    {"sync_fused_hosts_2", .ranks = 4, .cliques = 2, .seconds = 90, .run = fused_tree},
    {"sync_fused_hosts_3", .ranks = 3, .cliques = 3, .seconds = 90, .run = fused_star},
    {"sync_materialised_star_1", .ranks = 1, .seconds = 60, .run = materialised_star},
    {"sync_materialised_tree_3", .ranks = 3, .seconds = 60, .run = materialised_tree},
    {"sync_materialised_hosts_2", .ranks = 4, .cliques = 2, .seconds = 90,
     .run = materialised_tree},
    {"sync_materialised_hosts_3", .ranks = 5, .cliques = 3, .seconds = 90,
     .run = materialised_tree},
    {"sync_float32_fused_1", .ranks = 1, .seconds = 60, .run = float32_fused},
    {"sync_float32_fused_5", .ranks = 5, .seconds = 60, .run = float32_fused},
    {"sync_float32_fused_hosts_2", .ranks = 4, .cliques = 2, .seconds = 90, .run = float32_fused},
    {"sync_float32_fused_hosts_3", .ranks = 3, .cliques = 3, .seconds = 90, .run = float32_fused},
    {"sync_float32_materialised_3", .ranks = 3, .seconds = 60, .run = float32_materialised},
    {"sync_float32_materialised_hosts_3", .ranks = 5, .cliques = 3, .seconds = 90,
     .run = float32_materialised},
};
MPI_CASES(fed, cases)
