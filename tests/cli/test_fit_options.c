#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fit_options.h"
#include "tests/support.h"

static char directory[ECH_TEST_PATH_BYTES];
static char path[ECH_TEST_PATH_BYTES];
static ech_config *config;

static void begin_test(void)
{
    ech_test_make_directory(directory);
}

static void end_test(void)
{
    ech_config_destroy(&config);
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(fit_options, .init = begin_test, .fini = end_test);

static ech_status load(const char *text)
{
    ech_config_destroy(&config);
    ech_test_write_text(directory, "fit.yaml", text, path);
    return ech_fit_config_load(path, NULL, 0, &config);
}

static ech_fit_options options_of(const char *text)
{
    cr_assert_eq(load(text), ECH_OK, "%s", ech_status_message());
    return ech_fit_options_of(config);
}

/* How many keys stand before this one. */
static size_t place_of(const ech_option_section *sections, size_t count, const char *key)
{
    size_t before = 0;
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sections[s].count; i++, before++) {
            if (strcmp(sections[s].options[i].key, key) == 0) {
                return before;
            }
        }
    }
    cr_assert_fail("no key %s", key);
    return before;
}

Test(fit_options, keys_are_unique_and_conditions_come_before_what_hangs_on_them)
{
    size_t count = 0;
    const ech_option_section *sections = ech_fit_sections(&count);
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sections[s].count; i++) {
            const ech_option *option = &sections[s].options[i];
            cr_expect_eq(ech_options_find(sections, count, option->key), option,
                         "%s is declared twice", option->key);
            cr_expect_not_null(option->help, "%s has no help", option->key);
            if (option->only_if == NULL) {
                continue;
            }
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)strcspn(option->only_if, "="), option->only_if);
            cr_expect_lt(place_of(sections, count, key), place_of(sections, count, option->key),
                         "%s hangs on %s, which is not before it", option->key, key);
        }
    }
}

/* The reference of all keys, printed; free it. */
static char *printed_keys(const ech_option_section *sections, size_t count)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    cr_assert_not_null(file);
    ech_options_print(file, sections, count);
    fclose(file);
    return text;
}

Test(fit_options, the_reference_has_every_word_of_the_help_on_a_page)
{
    size_t count = 0;
    const ech_option_section *sections = ech_fit_sections(&count);
    for (size_t s = 0; s < count; s++) {
        char *text = printed_keys(&sections[s], 1);
        char *at = text;
        for (size_t i = 0; i < sections[s].count; i++) {
            char *help = strdup(sections[s].options[i].help);
            for (char *word = strtok(help, " "); word != NULL; word = strtok(NULL, " ")) {
                char *found = strstr(at, word);
                cr_assert_not_null(found, "%s: '%s' is missing", sections[s].options[i].key, word);
                at = found + strlen(word);
            }
            free(help);
        }
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            cr_expect_leq(strcspn(line, "\n"), 100, "a wide line: %.*s", (int)strcspn(line, "\n"),
                          line);
        }
        free(text);
    }
}

Test(fit_options, the_least_configuration_has_all_defaults)
{
    const ech_fit_options options = options_of("data: {file: d.h5}\nmodel: {name: smallconv}\n"
                                               "topology: {kind: star, workers: 4}\n");
    cr_expect_str_eq(options.name, "echelon");
    cr_expect_eq(options.seed, 1);
    cr_expect_eq(options.rounds, 10);
    cr_expect_eq(options.evaluate_every, 1);
    cr_expect_eq(options.data.mean_count, 1);
    cr_expect_eq(options.data.std[0], 1.0);
    cr_expect_eq(options.split.source, ECH_FIT_SPLIT_RULE);
    cr_expect_eq(options.split.rule.kind, ECH_SPLIT_IID);
    cr_expect_null(options.split.file);
    cr_expect_eq(options.topology.workers, 4);
    cr_expect_eq(options.topology.height, 1);
    cr_expect_eq(options.strategy.options.selection.share, 1.0);
    cr_expect_eq(options.train.epochs, 1);
    cr_expect_eq(options.train.optimizer.lr, 0.01);
    cr_expect_eq(options.train.optimizer.clip_norm, 0.0);
    cr_expect_not(options.train.optimizer.nesterov);
    cr_expect_eq(options.train.schedule.kind, ECH_SCHEDULE_CONSTANT);
    cr_expect_eq(options.train.schedule.warm_up, 0.0);
    cr_expect_eq(options.train.augmentation.crop_pad, 0);
    cr_expect_not(options.train.augmentation.flip);
    cr_expect_eq(options.engine, ECH_ENGINE_AUTO);
    cr_expect_null(options.model.file);
    cr_expect_eq(options.checkpoint.keep, 3);
}

Test(fit_options, everything_can_be_given)
{
    const ech_fit_options options =
        options_of("name: fashion-tree\n"
                   "seed: 7\n"
                   "data:\n"
                   "  file: fashion-mnist.h5\n"
                   "  normalize: {mean: [0.5], std: [0.25]}\n"
                   "  augment: {crop: 4, flip: true}\n"
                   "  split: {kind: dirichlet, samples_alpha: 10, labels_alpha: 0.5}\n"
                   "model: {name: smallconv}\n"
                   "topology: {kind: balanced, workers: 256, height: 4}\n"
                   "strategy: {name: fedavg, participation: 0.03125, sum: exact}\n"
                   "process: sync\n"
                   "rounds: 100\n"
                   "train: {epochs: 5, batch: 64, optimizer: sgd, lr: 0.02, momentum: 0.9, "
                   "weight_decay: 1e-5, nesterov: true, clip_norm: 2.5,\n"
                   "  schedule: {kind: step, every: 1.5, factor: 0.3, warm_up: 0.5}}\n"
                   "evaluate: {every: 0}\n"
                   "threads: 2\n"
                   "engine: blas\n"
                   "leader: dedicated\n"
                   "aggregators: materialised\n"
                   "transfer: shared\n"
                   "checkpoint: {every: 5, keep: 1}\n");
    char file[2 * ECH_TEST_PATH_BYTES];
    snprintf(file, sizeof file, "%s/fashion-mnist.h5", directory);
    cr_expect_str_eq(options.name, "fashion-tree");
    cr_expect_eq(options.seed, 7);
    cr_expect_str_eq(options.data.file, file);
    cr_expect_eq(options.data.mean[0], 0.5);
    cr_expect_eq(options.data.std[0], 0.25);
    cr_expect_eq(options.split.rule.kind, ECH_SPLIT_DIRICHLET);
    cr_expect_eq(options.split.rule.samples_alpha, 10.0);
    cr_expect_eq(options.split.rule.labels_alpha, 0.5);
    cr_expect_str_eq(options.model.name, "smallconv");
    cr_expect_eq(options.topology.kind, ECH_FIT_TOPOLOGY_BALANCED);
    cr_expect_eq(options.topology.workers, 256);
    cr_expect_eq(options.topology.height, 4);
    cr_expect_str_eq(options.strategy.name, "fedavg");
    cr_expect_eq(options.strategy.options.selection.share, 0.03125);
    cr_expect_eq(options.process, ECH_FIT_PROCESS_SYNC);
    cr_expect_eq(options.rounds, 100);
    cr_expect_eq(options.train.epochs, 5);
    cr_expect_eq(options.train.batch, 64);
    cr_expect_eq(options.train.optimizer.kind, ECH_OPTIMIZER_SGD);
    cr_expect_eq(options.train.optimizer.lr, 0.02);
    cr_expect_eq(options.train.optimizer.momentum, 0.9);
    cr_expect(options.train.optimizer.nesterov);
    cr_expect_eq(options.train.optimizer.weight_decay, 1e-5);
    cr_expect_eq(options.train.optimizer.clip_norm, 2.5);
    cr_expect_eq(options.train.schedule.kind, ECH_SCHEDULE_STEP);
    cr_expect_eq(options.train.schedule.every, 1.5);
    cr_expect_eq(options.train.schedule.factor, 0.3);
    cr_expect_eq(options.train.schedule.warm_up, 0.5);
    cr_expect_eq(options.train.augmentation.crop_pad, 4);
    cr_expect(options.train.augmentation.flip);
    cr_expect_eq(options.evaluate_every, 0);
    cr_expect_eq(options.threads, 2);
    cr_expect_eq(options.engine, ECH_ENGINE_BLAS);
    cr_expect_eq(options.leader, ECH_FIT_LEADER_DEDICATED);
    cr_expect_eq(options.aggregators, ECH_FIT_MATERIALISED);
    cr_expect_eq(options.transfer.kind, ECH_TRANSFER_SHARED);
    cr_expect_eq(options.checkpoint.every, 5);
    cr_expect_eq(options.checkpoint.keep, 1);
}

Test(fit_options, a_split_and_a_tree_may_come_from_files)
{
    const ech_fit_options options = options_of("data:\n  file: d.h5\n"
                                               "  split: {kind: file, file: s.h5, dataset: owner}\n"
                                               "model: {name: smallconv}\n"
                                               "topology: {file: /t/tree.yaml}\n");
    cr_expect_eq(options.split.source, ECH_FIT_SPLIT_FILE);
    cr_expect_not_null(strstr(options.split.file, "/s.h5"));
    cr_expect_str_eq(options.split.dataset, "owner");
    cr_expect_str_eq(options.topology.file, "/t/tree.yaml");
}

#define REST "model: {name: smallconv}\ntopology: {kind: star, workers: 4}\n"

Test(fit_options, each_split_has_its_parameters_and_defaults)
{
    static const struct {
        const char *text;
        ech_split_rule rule;
    } cases[] = {
        {"{kind: label}", {.kind = ECH_SPLIT_LABEL, .labels_alpha = 1.0, .least = 10}},
        {"{kind: label, labels_alpha: 0.5, least: 3}",
         {.kind = ECH_SPLIT_LABEL, .labels_alpha = 0.5, .least = 3}},
        {"{kind: classes}", {.kind = ECH_SPLIT_CLASSES, .classes_each = 2}},
        {"{kind: shards, shards: 5}", {.kind = ECH_SPLIT_SHARDS, .shards_each = 5}},
        {"{kind: log-normal, sigma: 0.25}", {.kind = ECH_SPLIT_LOG_NORMAL, .sigma = 0.25}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "data: {file: d.h5, split: %s}\n" REST, cases[i].text);
        const ech_fit_options options = options_of(text);
        const ech_split_rule *rule = &options.split.rule;
        cr_expect_eq(options.split.source, ECH_FIT_SPLIT_RULE);
        cr_expect_eq(rule->kind, cases[i].rule.kind);
        cr_expect_eq(rule->labels_alpha, cases[i].rule.labels_alpha);
        cr_expect_eq(rule->least, cases[i].rule.least);
        cr_expect_eq(rule->classes_each, cases[i].rule.classes_each);
        cr_expect_eq(rule->shards_each, cases[i].rule.shards_each);
        cr_expect_eq(rule->sigma, cases[i].rule.sigma);
    }
    const ech_fit_options by_ids =
        options_of("data: {file: d.h5, split: {kind: ids, file: d.h5, dataset: writer}}\n" REST);
    cr_expect_eq(by_ids.split.source, ECH_FIT_SPLIT_IDS);
    cr_expect_str_eq(by_ids.split.dataset, "writer");
}

Test(fit_options, a_strategys_options_are_its_own_or_its_papers)
{
    ech_fit_options options =
        options_of("data: {file: d.h5}\nstrategy: {name: fedprox, mu: 0.01}\n" REST);
    cr_expect_eq(options.strategy.options.proximal, 0.01);
    options = options_of("data: {file: d.h5}\nstrategy: {name: fedprox}\n" REST);
    cr_expect_eq(options.strategy.options.proximal, 0.3);
    options = options_of("data: {file: d.h5}\nstrategy: {name: fedyogi, server_lr: 0.1, "
                         "server_momentum: 0.5, beta2: 0.9, tau: 0.1}\n" REST);
    cr_expect_eq(options.strategy.options.server_lr, 0.1);
    cr_expect_eq(options.strategy.options.server_momentum, 0.5);
    cr_expect_eq(options.strategy.options.server_beta2, 0.9);
    cr_expect_eq(options.strategy.options.server_tau, 0.1);
    options = options_of("data: {file: d.h5}\nstrategy: {selection: size, workers: 7}\n" REST);
    cr_expect_eq(options.strategy.options.selection.policy, ECH_SELECT_SIZE);
    cr_expect_eq(options.strategy.options.selection.count, 7);
    options = options_of("data: {file: d.h5}\nstrategy: {name: fedavgm}\n" REST);
    cr_expect_eq(options.strategy.options.server_lr, 1.0);
    cr_expect_eq(options.strategy.options.server_momentum, 0.9);
    options = options_of("data: {file: d.h5}\nstrategy: {name: feddyn, alpha: 0.1}\n" REST);
    cr_expect_eq(options.strategy.options.dynamic, 0.1);
    options = options_of("data: {file: d.h5}\nstrategy: {name: scaffold}\n" REST);
    cr_expect_eq(options.strategy.options.server_lr, 1.0);
}

Test(fit_options, adam_and_a_cosine_have_parameters_of_their_own)
{
    const ech_fit_options options =
        options_of("data: {file: d.h5}\n"
                   "train: {optimizer: adam, beta1: 0.8, beta2: 0.95, epsilon: 1e-6,\n"
                   "  schedule: {kind: cosine, rounds: 20, end: 0.05}}\n" REST);
    cr_expect_eq(options.train.optimizer.kind, ECH_OPTIMIZER_ADAM);
    cr_expect_eq(options.train.optimizer.momentum, 0.0);
    cr_expect_eq(options.train.optimizer.beta1, 0.8);
    cr_expect_eq(options.train.optimizer.beta2, 0.95);
    cr_expect_eq(options.train.optimizer.epsilon, 1e-6);
    cr_expect_eq(options.train.schedule.kind, ECH_SCHEDULE_COSINE);
    cr_expect_eq(options.train.schedule.rounds, 20.0);
    cr_expect_eq(options.train.schedule.end, 0.05);
    const ech_optimizer standard =
        options_of("data: {file: d.h5}\ntrain: {optimizer: adam}\n" REST).train.optimizer;
    cr_expect_eq(standard.beta1, 0.9);
    cr_expect_eq(standard.beta2, 0.999);
    cr_expect_eq(standard.epsilon, 1e-8);
}

Test(fit_options, a_model_may_come_from_a_file)
{
    const ech_fit_options options = options_of("data: {file: d.h5}\nmodel: {file: net.yaml}\n"
                                               "topology: {kind: star, workers: 4}\n");
    cr_expect_null(options.model.name);
    cr_expect_not_null(strstr(options.model.file, "/net.yaml"));
}

Test(fit_options, no_data_is_needed_where_nothing_is_trained)
{
    const ech_fit_options options = options_of("model: {name: resnet18}\ntrain: {epochs: 0}\n"
                                               "topology: {kind: star, workers: 4}\n");
    cr_expect_null(options.data.file);
}

typedef struct {
    const char *text;
    const char *message; /* what follows the file's name */
} refusal;

Test(fit_options, keys_that_do_not_go_together_are_refused)
{
    static const refusal cases[] = {
        {"model: {name: smallconv}\ntopology: {kind: star, workers: 4}\n",
         ": data.file: missing: expected a data set where train.epochs is above 0"},
        {"data: {file: d.h5}\nmodel: {name: smalconv}\ntopology: {kind: star, workers: 4}\n",
         ":2: model.name: unknown name 'smalconv': did you mean 'smallconv'?"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\ntopology: {kind: star, workers: 4}\n"
         "strategy: {name: fedagv}\n",
         ":4: strategy.name: unknown name 'fedagv': did you mean 'fedavg'?"},
        {"data: {file: d.h5}\ntopology: {kind: star, workers: 4}\n",
         ": model.name: missing: expected model {name: smallconv} or {file: MODEL.yaml}"},
        {"data: {file: d.h5}\ntopology: {kind: star, workers: 4}\n"
         "model:\n  file: m.yaml\n  name: smallconv\n",
         ":5: model.name: given with model.file: expected model {name: smallconv} or "
         "{file: MODEL.yaml}"},
        {"data: {file: d.h5}\ntrain: {optimizer: adam, momentum: 0.9}\n" REST,
         ":2: train.momentum is not read where train.optimizer is 'adam'"},
        {"data: {file: d.h5}\ntrain: {nesterov: true}\n" REST,
         ":2: train.nesterov: expected a train.momentum above 0"},
        {"data: {file: d.h5}\ntrain: {schedule: {kind: cosine, rounds: 2, warm_up: 2}}\n" REST,
         ":2: train.schedule.rounds: expected more than the 2 rounds of train.schedule.warm_up, "
         "got 2"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\n",
         ": topology.kind: missing: expected topology {kind: star, workers: N}, {kind: balanced, "
         "workers: N, height: H} or {file: TREE.yaml}"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\ntopology:\n  file: t.yaml\n  kind: star\n"
         "  workers: 4\n",
         ":5: topology.kind: expected either topology.file or topology.kind, got both"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\ntopology: {file: t.yaml, workers: 4}\n",
         ":3: topology.workers is read only where topology.kind is given"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\ntopology: {kind: star, workers: 4, height: "
         "2}\n",
         ":3: topology.height is not read where topology.kind is 'star'"},
        {"data: {file: d.h5}\nmodel: {name: smallconv}\ntopology: {kind: star}\n",
         ": key 'topology.workers' is missing: expected a whole number from 1 to 134217728 "
         "(leaves of the tree)"},
        {"data: {file: d.h5}\nstrategy: {selection: bernoulli, workers: 4}\n" REST,
         ":2: strategy.workers: expected strategy.participation, the probability of a worker, "
         "where strategy.selection is 'bernoulli'"},
        {"data: {file: d.h5}\nprocess: async\nstrategy: {name: fedasync, alpha: 2}\n" REST,
         ":3: strategy.alpha: expected above 0 and up to 1 with fedasync, got 2"},
        {"data: {file: d.h5}\nstrategy: {mu: 1}\n" REST,
         ":2: strategy.mu is not read where strategy.name is 'fedavg'"},
        {"data:\n  file: d.h5\n  normalize: {mean: [0.1, 0.2, 0.3], std: [1, 1]}\n"
         "model: {name: smallconv}\ntopology: {kind: star, workers: 4}\n",
         ":3: data.normalize.std: expected 3 numbers, as in data.normalize.mean, got 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[2 * ECH_TEST_PATH_BYTES];
        cr_expect_eq(load(cases[i].text), ECH_ERR_CONFIG, "case %zu was read", i);
        cr_expect_null(config);
        snprintf(expected, sizeof expected, "%s%s", path, cases[i].message);
        cr_expect_str_eq(ech_status_message(), expected);
    }
}
