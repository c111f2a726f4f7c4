/* Tiers with rounds and rules of their own against vectors/tiers.json, which an independent NumPy
 * script wrote: a linear model, three aggregators over two workers each. */
#include <math.h>

#include "runtime/base/yaml.h"
#include "runtime/fed/sync.h"
#include "tests/mpi_case.h"

enum { DIMENSION = 5, WORKERS = 6, SAMPLES_MAX = 16, ROUNDS = 2, AGGREGATORS = 3 };

static const char vectors_path[] = ECH_SOURCE_DIR "/tests/fed/vectors/tiers.json";

typedef struct {
    double x[SAMPLES_MAX][DIMENSION];
    double y[SAMPLES_MAX];
    uint32_t count;
} samples_of_worker;

/* One case, and the federation that runs it. */
typedef struct {
    samples_of_worker workers[WORKERS];
    double lr;
    uint32_t steps;
    const ech_yaml_node *models; /* expected after each round */
    const char *leader, *below;
    ech_layout *layout;
} problem;

static double number(const ech_yaml_node *node)
{
    double value = NAN;
    mpi_expect_ok(ech_yaml_read_real(node, "a number", &value));
    return value;
}

static double member(const ech_yaml_node *object, const char *key)
{
    return number(ech_yaml_find(object, key));
}

static void read_workers(const ech_yaml_node *list, problem *p)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        const ech_yaml_node *x = ech_yaml_find(ech_yaml_item(list, w), "x");
        const ech_yaml_node *y = ech_yaml_find(ech_yaml_item(list, w), "y");
        p->workers[w].count = (uint32_t)ech_yaml_count(y);
        for (uint32_t i = 0; i < p->workers[w].count; i++) {
            p->workers[w].y[i] = number(ech_yaml_item(y, i));
            for (uint32_t d = 0; d < DIMENSION; d++) {
                p->workers[w].x[i][d] = number(ech_yaml_item(ech_yaml_item(x, i), d));
            }
        }
    }
}

/* ---- the trainer: gradient descent on all samples ---- */

static const ech_layout *layout_of(void *self)
{
    return ((problem *)self)->layout;
}

static uint64_t count_samples(void *self, uint64_t worker)
{
    return ((problem *)self)->workers[worker].count;
}

static void descend(const samples_of_worker *data, double lr, double *w)
{
    double gradient[DIMENSION] = {0.0};
    for (uint32_t i = 0; i < data->count; i++) {
        double error = -data->y[i];
        for (uint32_t d = 0; d < DIMENSION; d++) {
            error += data->x[i][d] * w[d];
        }
        for (uint32_t d = 0; d < DIMENSION; d++) {
            gradient[d] += data->x[i][d] * error / data->count;
        }
    }
    for (uint32_t d = 0; d < DIMENSION; d++) {
        w[d] -= lr * gradient[d];
    }
}

static ech_status train(void *self, const ech_train_request *request, ech_state_view global,
                        ech_state update, ech_train_result *result)
{
    const problem *p = self;
    const samples_of_worker *data = &p->workers[request->worker];
    double w[DIMENSION];
    for (uint32_t d = 0; d < DIMENSION; d++) {
        w[d] = (double)global.values[d];
    }
    for (uint32_t step = 0; step < p->steps; step++) {
        descend(data, p->lr, w);
    }
    for (uint32_t d = 0; d < DIMENSION; d++) {
        update.values[d] = (float)w[d];
    }
    *result = (ech_train_result){.samples = data->count, .steps = p->steps};
    return ECH_OK;
}

static uint64_t count_test(void *self)
{
    (void)self;
    return 0;
}

/* ---- one run ---- */

static ech_status see_round(void *self, const ech_round_report *report, ech_state_view global)
{
    const problem *p = self;
    for (uint32_t d = 0; d < DIMENSION && report->round > 0; d++) {
        const double expected =
            number(ech_yaml_item(ech_yaml_item(p->models, report->round - 1), d));
        mpi_expect(fabs((double)global.values[d] - expected) < 1e-6,
                   "%s over %s, round %llu: element %u is %.9g, expected %.9g", p->leader, p->below,
                   (unsigned long long)report->round, d, (double)global.values[d], expected);
    }
    mpi_expect(report->round == 0 || report->contributed == WORKERS, "%llu contributed",
               (unsigned long long)report->contributed);
    return ECH_OK;
}

static ech_status program(ech_executor *executor, void *user)
{
    return ech_sync_run(user, executor);
}

static void run_sync(ech_machine *machine, problem *p, const ech_sync_options *options,
                     const ech_yaml_node *start)
{
    ech_sync *sync = NULL;
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    if (!mpi_expect_ok(ech_sync_create(machine, options, &sync))) {
        return;
    }
    mpi_expect_ok(ech_app_registry_create(&apps));
    mpi_expect_ok(ech_sync_register(sync, apps));
    if (ech_machine_rank(machine) == 0) {
        ech_sync_observe(sync, (ech_round_observer){.self = p, .round_done = see_round});
        for (uint32_t d = 0; d < DIMENSION; d++) {
            ech_sync_model(sync).values[d] = (float)number(ech_yaml_item(start, d));
        }
    }
    const ech_executor_options executing = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    if (mpi_expect_ok(ech_executor_create(apps, &executing, &executor))) {
        mpi_expect_ok(ech_executor_run(executor, program, sync));
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    ech_sync_destroy(&sync);
}

static ech_strategy *create_strategy(const char *name, const ech_yaml_node *root,
                                     const ech_layout *layout)
{
    ech_strategy_options options = ech_strategy_defaults(name);
    options.server_lr = member(root, "server_lr");
    options.server_momentum = member(root, "server_momentum");
    ech_strategy *strategy = NULL;
    mpi_expect_ok(ech_strategy_create(name, &options, layout, &strategy));
    return strategy;
}

/* What all cases share. */
typedef struct {
    ech_machine *machine;
    ech_topology *topology;
    ech_placement *placement;
    ech_population *population;
    uint64_t samples[WORKERS];
} federation;

static void run_case(const federation *f, problem *p, const ech_yaml_node *root,
                     const ech_yaml_node *expected)
{
    p->leader = ech_yaml_text(ech_yaml_find(expected, "leader"));
    p->below = ech_yaml_text(ech_yaml_find(expected, "below"));
    p->models = ech_yaml_find(expected, "models");
    const ech_trainer trainer = {.self = p,
                                 .layout = layout_of,
                                 .sample_count = count_samples,
                                 .train = train,
                                 .test_count = count_test};
    ech_tier_rule tiers[] = {
        {.rounds = 1, .strategy = create_strategy(p->leader, root, p->layout)},
        {.rounds = (uint32_t)member(expected, "rounds"),
         .strategy = create_strategy(p->below, root, p->layout)},
    };
    const ech_sync_options options = {
        .trainer = &trainer,
        .strategy = tiers[0].strategy,
        .topology = f->topology,
        .placement = f->placement,
        .population = f->population,
        .tiers = tiers,
        .tier_count = 2,
        .rounds = ROUNDS,
        .epochs = 1,
    };
    run_sync(f->machine, p, &options, ech_yaml_find(root, "start"));
    ech_strategy_destroy(&tiers[0].strategy);
    ech_strategy_destroy(&tiers[1].strategy);
}

static void make_federation(federation *f, const problem *p)
{
    const uint32_t counts[] = {AGGREGATORS, WORKERS};
    uint32_t ranks[16] = {0};
    for (int host = 0; host < ech_machine_host_count(f->machine); host++) {
        int count = 0;
        ech_machine_ranks_of(f->machine, host, &count);
        ranks[host] = (uint32_t)count;
    }
    for (uint32_t w = 0; w < WORKERS; w++) {
        f->samples[w] = p->workers[w].count;
    }
    mpi_expect_ok(ech_topology_tiers(counts, 2, &f->topology));
    mpi_expect_ok(ech_placement_create(
        f->topology, ranks, (uint32_t)ech_machine_host_count(f->machine), &f->placement));
    mpi_expect_ok(ech_population_create(f->samples, WORKERS, &f->population));
}

static void tiers_as_numpy(void)
{
    federation f = {.machine = NULL};
    ech_yaml *document = NULL;
    if (!mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &f.machine)) ||
        !mpi_expect_ok(ech_yaml_load_file(vectors_path, &document))) {
        return;
    }
    const ech_yaml_node *root = ech_yaml_root(document);
    const uint64_t shape[] = {DIMENSION};
    problem p = {.lr = member(root, "lr"), .steps = (uint32_t)member(root, "steps")};
    read_workers(ech_yaml_find(root, "workers"), &p);
    mpi_expect_ok(ech_layout_create(&p.layout));
    mpi_expect_ok(ech_layout_add(p.layout, "weight", ECH_TENSOR_PARAMETER, 1, shape));
    make_federation(&f, &p);
    const ech_yaml_node *cases = ech_yaml_find(root, "cases");
    for (size_t i = 0; i < ech_yaml_count(cases); i++) {
        run_case(&f, &p, root, ech_yaml_item(cases, i));
    }
    ech_population_destroy(&f.population);
    ech_placement_destroy(&f.placement);
    ech_topology_destroy(&f.topology);
    ech_layout_destroy(&p.layout);
    ech_yaml_destroy(&document);
    ech_machine_destroy(&f.machine);
}

static const mpi_case tier_cases[] = {
    {"tiers_as_numpy_2", .ranks = 2, .seconds = 60, .run = tiers_as_numpy},
    {"tiers_as_numpy_hosts_3", .ranks = 3, .cliques = 3, .seconds = 90, .run = tiers_as_numpy},
};
MPI_CASES(fed, tier_cases)
