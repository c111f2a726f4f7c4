/* Every strategy against vectors/strategies.json, which an independent NumPy script wrote: two
 * rounds, unequal sizes and numbers of steps, partial participation, with and without momentum. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/base/yaml.h"
#include "runtime/fed/exact_sum.h"
#include "runtime/fed/strategy.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { DIMENSION_MAX = 8, SAMPLES_MAX = 16, WORKERS_MAX = 4 };

/* A linear model with local SGD on the mean of 1/2 (x w - y)^2, the samples in order. */
typedef struct {
    uint32_t sample_count;
    double x[SAMPLES_MAX][DIMENSION_MAX];
    double y[SAMPLES_MAX];
} worker_data;

typedef struct {
    uint32_t dimension;
    uint32_t batch;
    uint32_t epochs;
    double lr;
    double start[DIMENSION_MAX];
    uint32_t worker_count;
    worker_data workers[WORKERS_MAX];
} problem;

static double real_of(const ech_yaml_node *node)
{
    double value = 0.0;
    cr_assert_eq(ech_yaml_read_real(node, "a number", &value), ECH_OK, "%s", ech_status_message());
    return value;
}

static double member(const ech_yaml_node *object, const char *key)
{
    return real_of(ech_yaml_find(object, key));
}

static uint32_t read_reals(const ech_yaml_node *list, double *out)
{
    for (size_t i = 0; i < ech_yaml_count(list); i++) {
        out[i] = real_of(ech_yaml_item(list, i));
    }
    return (uint32_t)ech_yaml_count(list);
}

static problem read_problem(const ech_yaml_node *root)
{
    problem p = {
        .dimension = (uint32_t)member(root, "dimension"),
        .batch = (uint32_t)member(root, "batch"),
        .epochs = (uint32_t)member(root, "epochs"),
        .lr = member(root, "lr"),
    };
    read_reals(ech_yaml_find(root, "start"), p.start);
    const ech_yaml_node *workers = ech_yaml_find(root, "workers");
    p.worker_count = (uint32_t)ech_yaml_count(workers);
    for (uint32_t w = 0; w < p.worker_count; w++) {
        const ech_yaml_node *worker = ech_yaml_item(workers, w);
        const ech_yaml_node *x = ech_yaml_find(worker, "x");
        p.workers[w].sample_count = read_reals(ech_yaml_find(worker, "y"), p.workers[w].y);
        for (uint32_t i = 0; i < p.workers[w].sample_count; i++) {
            read_reals(ech_yaml_item(x, i), p.workers[w].x[i]);
        }
    }
    return p;
}

/* The mean gradient of samples [first, end) at w. */
static void gradient_of(const problem *p, const worker_data *data, uint32_t first, uint32_t end,
                        const double *w, double *gradient)
{
    memset(gradient, 0, p->dimension * sizeof *gradient);
    for (uint32_t i = first; i < end; i++) {
        double error = -data->y[i];
        for (uint32_t d = 0; d < p->dimension; d++) {
            error += data->x[i][d] * w[d];
        }
        for (uint32_t d = 0; d < p->dimension; d++) {
            gradient[d] += data->x[i][d] * error / (end - first);
        }
    }
}

static double at(const float *term, uint32_t d)
{
    return term != NULL ? (double)term[d] : 0.0;
}

static ech_train_result train(const problem *p, const ech_train_request *request, double momentum,
                              const float *global, float *update)
{
    const worker_data *data = &p->workers[request->worker];
    double w[DIMENSION_MAX] = {0.0};
    double velocity[DIMENSION_MAX] = {0.0};
    double gradient[DIMENSION_MAX] = {0.0};
    ech_train_result result = {.samples = data->sample_count};
    double buffer_weight = 0.0;
    for (uint32_t d = 0; d < p->dimension; d++) {
        w[d] = (double)global[d];
    }
    for (uint32_t epoch = 0; epoch < request->epochs; epoch++) {
        for (uint32_t first = 0; first < data->sample_count; first += p->batch) {
            const uint32_t left = data->sample_count - first;
            gradient_of(p, data, first, first + (left < p->batch ? left : p->batch), w, gradient);
            for (uint32_t d = 0; d < p->dimension; d++) {
                gradient[d] +=
                    request->proximal * (w[d] - (double)global[d]) + at(request->gradient_term, d);
                velocity[d] = momentum * velocity[d] + gradient[d];
                w[d] -= p->lr * velocity[d] + p->lr * at(request->correction, d);
            }
            result.steps++;
            result.learning_rate_sum += p->lr;
            buffer_weight = momentum * buffer_weight + 1.0;
            result.gradient_weight += buffer_weight;
        }
    }
    for (uint32_t d = 0; d < p->dimension; d++) {
        update[d] = (float)w[d];
    }
    return result;
}

/* A federation: the model with what travels beside it, and what each worker keeps. */
typedef struct {
    float global[2 * DIMENSION_MAX];
    float kept[WORKERS_MAX][DIMENSION_MAX];
} federation;

/* One worker's part, as round_apps.c plays it: into `update`. @return its weight. */
static uint64_t train_worker(const problem *p, ech_strategy *strategy, const ech_layout *layout,
                             double momentum, uint64_t worker, federation *f, float *update)
{
    const ech_strategy_rule *rule = strategy->rule;
    ech_train_request request = {.worker = worker, .epochs = p->epochs};
    const ech_worker_part part = {
        .layout = layout, .global = f->global, .update = update, .kept = f->kept[worker]};
    if (rule->prepare != NULL) {
        rule->prepare(strategy, &part, &request);
    }
    const ech_train_result trained = train(p, &request, momentum, f->global, update);
    if (rule->form == ECH_AGGREGATE_DIFFERENCE) {
        ech_strategy_difference((ech_state){.values = update},
                                (ech_state_view){.values = f->global}, p->dimension);
    }
    if (rule->finish != NULL) {
        rule->finish(strategy, &part, &trained);
    }
    if (rule->keep != NULL) {
        rule->keep(strategy, &part);
    }
    return rule->weight(strategy, p->workers[worker].sample_count);
}

/* A round of a rule that looks at every update, as station_update.c runs it. */
static void run_collecting(const problem *p, ech_strategy *strategy, const ech_layout *layout,
                           double momentum, const ech_yaml_node *participants, federation *f)
{
    float updates[WORKERS_MAX][2 * DIMENSION_MAX] = {{0.0F}};
    const float *list[WORKERS_MAX];
    uint64_t weights[WORKERS_MAX];
    const uint32_t count = (uint32_t)ech_yaml_count(participants);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t worker = (uint64_t)real_of(ech_yaml_item(participants, i));
        weights[i] = train_worker(p, strategy, layout, momentum, worker, f, updates[i]);
        list[i] = updates[i];
    }
    double below[WORKERS_MAX * WORKERS_MAX] = {0.0};
    double squares[WORKERS_MAX * WORKERS_MAX] = {0.0};
    double shares[WORKERS_MAX] = {0.0};
    ech_collect_squares(list, p->dimension, 0, count, below);
    const double *next = below;
    for (uint32_t row = 0; row < count; row++) {
        for (uint32_t other = 0; other < row; other++) {
            squares[row * count + other] = *next;
            squares[other * count + row] = *next++;
        }
    }
    const ech_collect_rule *rule = strategy->rule->collect;
    if (rule->weigh != NULL) {
        cr_assert_eq(rule->weigh(strategy, squares, weights, count, shares), ECH_OK);
    }
    cr_assert_eq(ech_collect_combine(strategy, list, count, rule->weigh != NULL ? shares : NULL, 0,
                                     p->dimension, f->global),
                 ECH_OK);
}

/* One round of these participants, as the synchronous process runs it. */
static void run_round(const problem *p, ech_strategy *strategy, const ech_layout *layout,
                      double momentum, const ech_yaml_node *participants, federation *f)
{
    if (strategy->rule->collect != NULL) {
        run_collecting(p, strategy, layout, momentum, participants, f);
        return;
    }
    ech_exact_sum *sum = ech_test_sum(strategy->layout, 1000);
    for (size_t i = 0; i < ech_yaml_count(participants); i++) {
        const uint64_t worker = (uint64_t)real_of(ech_yaml_item(participants, i));
        float update[2 * DIMENSION_MAX] = {0.0F};
        const uint64_t weight = train_worker(p, strategy, layout, momentum, worker, f, update);
        cr_assert_eq(ech_exact_sum_add(sum, (ech_state_view){.values = update}, weight), ECH_OK);
    }
    float mean[2 * DIMENSION_MAX] = {0.0F};
    cr_assert_eq(ech_exact_sum_finish(sum, 0, strategy->layout->value_count, mean), ECH_OK);
    ech_aggregate aggregate = {.mean = mean, .weight = ech_exact_sum_weight(sum)};
    for (uint32_t worker = 0; worker < p->worker_count; worker++) {
        aggregate.weight_all += strategy->rule->weight(strategy, p->workers[worker].sample_count);
    }
    if (strategy->rule->step != NULL) {
        ech_strategy_update(strategy, layout, &aggregate, f->global);
        ech_strategy_publish(strategy, f->global);
    } else {
        memcpy(f->global, mean, p->dimension * sizeof *mean);
    }
    ech_exact_sum_destroy(&sum);
}

static ech_strategy *create(const ech_yaml_node *expected, const ech_layout *layout)
{
    const char *name = ech_yaml_text(ech_yaml_find(expected, "strategy"));
    const ech_yaml_node *given = ech_yaml_find(expected, "options");
    ech_strategy_options options = ech_strategy_defaults(name);
    struct {
        const char *key;
        double *value;
    } keys[] = {
        {"proximal", &options.proximal},         {"alpha", &options.dynamic},
        {"server_lr", &options.server_lr},       {"server_momentum", &options.server_momentum},
        {"server_beta2", &options.server_beta2}, {"server_tau", &options.server_tau},
        {"trim", &options.collect.trim},         {"smoothing", &options.collect.smoothing}};
    struct {
        const char *key;
        uint32_t *value;
    } numbers[] = {{"hostile", &options.collect.hostile},
                   {"chosen", &options.collect.chosen},
                   {"iterations", &options.collect.iterations}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (ech_yaml_find(given, numbers[i].key) != NULL) {
            *numbers[i].value = (uint32_t)member(given, numbers[i].key);
        }
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (ech_yaml_find(given, keys[i].key) != NULL) {
            *keys[i].value = member(given, keys[i].key);
        }
    }
    ech_strategy *strategy = NULL;
    cr_assert_eq(ech_strategy_create(name, &options, layout, &strategy), ECH_OK);
    return strategy;
}

static void expect_models(const problem *p, const ech_yaml_node *rounds,
                          const ech_yaml_node *expected)
{
    ech_layout *layout = ech_test_layout_of(p->dimension);
    ech_strategy *strategy = create(expected, layout);
    const double momentum = member(expected, "momentum");
    federation f = {.global = {0.0F}};
    for (uint32_t d = 0; d < p->dimension; d++) {
        f.global[d] = (float)p->start[d];
    }
    for (size_t r = 0; r < ech_yaml_count(rounds); r++) {
        double model[DIMENSION_MAX] = {0.0};
        read_reals(ech_yaml_item(ech_yaml_find(expected, "models"), r), model);
        run_round(p, strategy, layout, momentum, ech_yaml_item(rounds, r), &f);
        for (uint32_t d = 0; d < p->dimension; d++) {
            cr_expect_float_eq((double)f.global[d], model[d], 1e-6,
                               "%s, momentum %g, round %zu: %u", strategy->rule->name, momentum,
                               r + 1, d);
        }
    }
    ech_strategy_destroy(&strategy);
    ech_layout_destroy(&layout);
}

TestSuite(strategy_vectors, .fini = ech_test_expect_no_leak);

Test(strategy_vectors, two_rounds_of_each_rule)
{
    ech_yaml *document = NULL;
    cr_assert_eq(ech_yaml_load_file(ECH_SOURCE_DIR "/tests/fed/vectors/strategies.json", &document),
                 ECH_OK);
    const ech_yaml_node *root = ech_yaml_root(document);
    const ech_yaml_node *cases = ech_yaml_find(root, "cases");
    const problem p = read_problem(root);
    bool covered[64] = {false};
    for (size_t i = 0; i < ech_yaml_count(cases); i++) {
        const ech_yaml_node *expected = ech_yaml_item(cases, i);
        expect_models(&p, ech_yaml_find(root, "rounds"), expected);
        for (uint32_t rule = 0; ech_strategy_rule_at(rule) != NULL; rule++) {
            covered[rule] |= strcmp(ech_strategy_rule_at(rule)->name,
                                    ech_yaml_text(ech_yaml_find(expected, "strategy"))) == 0;
        }
    }
    for (uint32_t rule = 0; ech_strategy_rule_at(rule) != NULL; rule++) {
        const bool elsewhere = ech_strategy_rule_at(rule)->async != NULL; /* test_async_rules.c */
        cr_expect(covered[rule] || elsewhere, "no vectors for %s",
                  ech_strategy_rule_at(rule)->name);
    }
    ech_yaml_destroy(&document);
}
