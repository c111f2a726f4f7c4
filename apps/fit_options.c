#include "apps/fit_options.h"

#include <math.h>
#include <stdio.h>

#include "io/dataset.h"
#include "kernels/models.h"
#include "runtime/base/text.h"
#include "runtime/fed/strategy.h"

enum { THREADS_MAX = 1024, AUGMENT_CROP_MAX = 1024, NAMES_MAX = 64, LIST_BYTES = 512 };

static const ech_option run_options[] = {
    {.key = "name",
     .type = ECH_OPTION_TEXT,
     .standard = "echelon",
     .help = "name of the run, kept in its files"},
    {.key = "seed",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 0,
     .most = INFINITY,
     .help = "where all random numbers come from"},
    {.key = "process",
     .type = ECH_OPTION_CHOICE,
     .choices = "sync|async",
     .standard = "sync",
     .help = "rounds in step, or updates as they come"},
    {.key = "replay",
     .type = ECH_OPTION_PATH,
     .only_if = "process=async",
     .help = "run record whose order of updates is followed"},
    {.key = "async.tiers",
     .type = ECH_OPTION_INTEGER,
     .standard = "64",
     .least = 1,
     .most = 4096,
     .only_if = "process=async",
     .help = "tiers that are async, from the leader's down; aggregators below work in step"},
    {.key = "rounds",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 1,
     .most = UINT32_MAX,
     .help = "rounds to train"},
    {.key = "evaluate.every",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 0,
     .most = UINT32_MAX,
     .help = "rounds between evaluations on the test set; 0: never"},
};

static const ech_option data_options[] = {
    {.key = "data.file",
     .type = ECH_OPTION_PATH,
     .help = "data set, made by `echelon data import`; not needed where train.epochs is 0"},
    {.key = "data.normalize.mean",
     .type = ECH_OPTION_REALS,
     .standard = "[0]",
     .help = "a pixel p becomes (p / 255 - mean) / std; one a channel, or one for all"},
    {.key = "data.normalize.std",
     .type = ECH_OPTION_REALS,
     .standard = "[1]",
     .above = true,
     .most = INFINITY,
     .help = "see data.normalize.mean"},
    {.key = "data.augment.crop",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = AUGMENT_CROP_MAX,
     .help =
         "pixels of zeros around a training image, which is then cropped to its size at random"},
    {.key = "data.augment.flip",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .help = "mirror a training image left to right with probability 1/2"},
    {.key = "data.split.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "iid|dirichlet|label|classes|shards|log-normal|ids|file",
     .standard = "iid",
     .help = "how the training samples are dealt to the workers"},
    {.key = "data.split.samples_alpha",
     .type = ECH_OPTION_REAL,
     .standard = "3.0",
     .above = true,
     .most = INFINITY,
     .only_if = "data.split.kind=dirichlet",
     .help = "the larger, the more equal the workers' numbers of samples"},
    {.key = "data.split.labels_alpha",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .above = true,
     .most = INFINITY,
     .only_if = "data.split.kind=dirichlet|label",
     .help = "the larger, the more alike the workers' labels"},
    {.key = "data.split.least",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 0,
     .most = UINT32_MAX,
     .only_if = "data.split.kind=label",
     .help = "samples that each worker has at least: drawn again until it holds"},
    {.key = "data.split.classes",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = ECH_DATASET_CLASSES_MAX,
     .only_if = "data.split.kind=classes",
     .help = "classes of a worker"},
    {.key = "data.split.shards",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "data.split.kind=shards",
     .help = "shards of a worker, of the samples sorted by class"},
    {.key = "data.split.sigma",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .least = 0,
     .most = ECH_SPLIT_SIGMA_MAX,
     .only_if = "data.split.kind=log-normal",
     .help = "spread of the logarithms of the workers' numbers of samples"},
    {.key = "data.split.file",
     .type = ECH_OPTION_PATH,
     .required = true,
     .only_if = "data.split.kind=ids|file",
     .help = "HDF5 file that holds a number for each training sample: of its worker (file), or of "
             "whoever it is from (ids: dealt to the workers in runs)"},
    {.key = "data.split.dataset",
     .type = ECH_OPTION_TEXT,
     .required = true,
     .only_if = "data.split.kind=ids|file",
     .help = "dataset in data.split.file; -1 or the type's largest value: no worker"},
};

static const ech_option model_options[] = {
    {.key = "model.name", .type = ECH_OPTION_TEXT, .help = "model to train, such as smallconv"},
    {.key = "model.file",
     .type = ECH_OPTION_PATH,
     .help = "a model of one's own, instead of model.name: layers and sizes in YAML"},
};

static const ech_option topology_options[] = {
    {.key = "topology.file",
     .type = ECH_OPTION_PATH,
     .help = "tree in YAML or JSON: names with kind and children"},
    {.key = "topology.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "star|balanced",
     .help = "a generated tree, instead of topology.file"},
    {.key = "topology.workers",
     .type = ECH_OPTION_INTEGER,
     .required = true,
     .least = 1,
     .most = 1 << 27,
     .only_if = "topology.kind=star|balanced",
     .help = "leaves of the tree"},
    {.key = "topology.height",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = 64,
     .only_if = "topology.kind=balanced",
     .help = "edges from the leader to a worker; tier d has round(workers^(d/height)) nodes"},
};

static const ech_option strategy_options[] = {
    {.key = "strategy.name",
     .type = ECH_OPTION_TEXT,
     .standard = "fedavg",
     .help = "rule of selection and aggregation; scaffold and feddyn keep a vector like the model "
             "for each worker that has trained, in its host's memory"},
    {.key = "strategy.participation",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .above = true,
     .least = 0,
     .most = 1,
     .help = "share of the workers that take part in a round"},
    {.key = "strategy.workers",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = UINT32_MAX,
     .help = "workers that take part in a round, instead of a share of them"},
    {.key = "strategy.selection",
     .type = ECH_OPTION_CHOICE,
     .choices = "uniform|bernoulli|size|round-robin",
     .standard = "uniform",
     .help = "who takes part: all as likely; each by itself with probability participation; in "
             "proportion to samples; in turns"},
    {.key = "strategy.sum",
     .type = ECH_OPTION_CHOICE,
     .choices = "exact",
     .standard = "exact",
     .help = "updates are summed as integers: the same bits in any order"},
    {.key = "strategy.mu",
     .type = ECH_OPTION_REAL,
     .most = INFINITY,
     .only_if = "strategy.name=fedprox|fedasync",
     .help = "weight of mu/2 |w - global|^2 in local training; if not given 0.3 for fedprox, else "
             "0"},
    {.key = "strategy.server_lr",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedavgm|fedadagrad|fedadam|fedyogi|scaffold|fedbuff",
     .help = "the server's learning rate; if not given 1 for fedavgm, scaffold and fedbuff, else "
             "0.01"},
    {.key = "strategy.server_momentum",
     .type = ECH_OPTION_REAL,
     .below = true,
     .most = 1,
     .only_if = "strategy.name=fedavgm|fedadagrad|fedadam|fedyogi",
     .help = "beta of fedavgm, beta_1 of the others; if not given 0 for fedadagrad, else 0.9"},
    {.key = "strategy.beta2",
     .type = ECH_OPTION_REAL,
     .below = true,
     .most = 1,
     .only_if = "strategy.name=fedadam|fedyogi",
     .help = "decay of the second moment; 0.99 if not given"},
    {.key = "strategy.tau",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedadagrad|fedadam|fedyogi",
     .help = "degree of adaptivity, added to the root of the second moment; 0.001 if not given"},
    {.key = "strategy.alpha",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|feddyn",
     .help = "fedasync: share of a fresh update in the new model, up to 1; feddyn: weight of its "
             "regularizer; if not given 0.6 and 0.01"},
    {.key = "strategy.staleness",
     .type = ECH_OPTION_CHOICE,
     .choices = "constant|polynomial|hinge",
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "what an update counts t versions late: 1; (1 + t)^-a; 1 up to b, then 1 / (a (t - b) "
             "+ 1); if not given constant for fedasync, polynomial for fedbuff"},
    {.key = "strategy.staleness_a",
     .type = ECH_OPTION_REAL,
     .standard = "0.5",
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "a of strategy.staleness"},
    {.key = "strategy.staleness_b",
     .type = ECH_OPTION_REAL,
     .standard = "4",
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "b of strategy.staleness"},
    {.key = "strategy.buffer",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "strategy.name=fedbuff",
     .help = "updates that make a version"},
};

static const ech_option clock_options[] = {
    {.key = "clock",
     .type = ECH_OPTION_CHOICE,
     .choices = "real|virtual",
     .standard = "real",
     .help =
         "virtual: times computed from pace; with process: async the order of updates goes by it, "
         "the same bits on any ranks"},
    {.key = "pace.sample_seconds",
     .type = ECH_OPTION_REAL,
     .standard = "0.001",
     .most = 1e6,
     .only_if = "clock=virtual",
     .help = "seconds that a sample takes in an epoch, at speed 1"},
    {.key = "pace.jitter",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .below = true,
     .most = 1,
     .only_if = "clock=virtual",
     .help = "a training takes from 1 - jitter to 1 + jitter times as long"},
    {.key = "pace.speed_sigma",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = 20,
     .only_if = "clock=virtual",
     .help = "spread of the logarithms of the workers' speeds"},
    {.key = "pace.straggler_share",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = 1,
     .only_if = "clock=virtual",
     .help = "probability of a worker to be a straggler"},
    {.key = "pace.straggler_slowdown",
     .type = ECH_OPTION_REAL,
     .standard = "10",
     .least = 1,
     .most = 1e6,
     .only_if = "clock=virtual",
     .help = "times longer that a straggler takes"},
    {.key = "pace.bandwidth",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = INFINITY,
     .only_if = "clock=virtual",
     .help = "bytes a second of a worker's link, each way; 0: no time"},
    {.key = "pace.latency",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = 1e6,
     .only_if = "clock=virtual",
     .help = "seconds of a worker's link, each way"},
    {.key = "pace.trace",
     .type = ECH_OPTION_PATH,
     .only_if = "clock=virtual",
     .help = "when workers are on: lines of `worker from until`, in seconds"},
};

static const ech_option train_options[] = {
    {.key = "train.epochs",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 0,
     .most = UINT32_MAX,
     .help = "passes over a worker's samples in a round; 0: the model comes back as it came"},
    {.key = "train.batch",
     .type = ECH_OPTION_INTEGER,
     .standard = "32",
     .least = 1,
     .most = 65536,
     .help = "samples in an optimizer step"},
    {.key = "train.optimizer",
     .type = ECH_OPTION_CHOICE,
     .choices = "sgd|adam",
     .standard = "sgd",
     .help = "rule of a step, as PyTorch's; what it remembers begins at zero in each round"},
    {.key = "train.lr",
     .type = ECH_OPTION_REAL,
     .standard = "0.01",
     .above = true,
     .most = INFINITY,
     .help = "learning rate, before train.schedule"},
    {.key = "train.momentum",
     .type = ECH_OPTION_REAL,
     .standard = "0.0",
     .below = true,
     .most = 1,
     .only_if = "train.optimizer=sgd",
     .help = "momentum, from zero in each round"},
    {.key = "train.nesterov",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .only_if = "train.optimizer=sgd",
     .help = "Nesterov's momentum"},
    {.key = "train.beta1",
     .type = ECH_OPTION_REAL,
     .standard = "0.9",
     .below = true,
     .most = 1,
     .only_if = "train.optimizer=adam",
     .help = "decay of the gradient's mean, from zero in each round"},
    {.key = "train.beta2",
     .type = ECH_OPTION_REAL,
     .standard = "0.999",
     .below = true,
     .most = 1,
     .only_if = "train.optimizer=adam",
     .help = "decay of the squared gradient's mean, from zero in each round"},
    {.key = "train.epsilon",
     .type = ECH_OPTION_REAL,
     .standard = "1e-8",
     .above = true,
     .most = INFINITY,
     .only_if = "train.optimizer=adam",
     .help = "added to the root of the squared gradient's mean"},
    {.key = "train.weight_decay",
     .type = ECH_OPTION_REAL,
     .standard = "0.0",
     .most = INFINITY,
     .help = "this share of a weight is added to its gradient"},
    {.key = "train.clip_norm",
     .type = ECH_OPTION_REAL,
     .standard = "0.0",
     .most = INFINITY,
     .help = "a gradient with a larger l2 norm is scaled down to it; 0: never"},
    {.key = "train.schedule.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "constant|step|cosine",
     .standard = "constant",
     .help = "learning rate over the run, at the same position for every worker: rounds before "
             "this one, and the share of its local steps in this one"},
    {.key = "train.schedule.warm_up",
     .type = ECH_OPTION_REAL,
     .standard = "0.0",
     .most = INFINITY,
     .help =
         "rounds, or parts of one, in which the learning rate first grows linearly to train.lr"},
    {.key = "train.schedule.every",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .above = true,
     .most = INFINITY,
     .only_if = "train.schedule.kind=step",
     .help = "rounds, or parts of one, after which the learning rate is multiplied by "
             "train.schedule.factor"},
    {.key = "train.schedule.rounds",
     .type = ECH_OPTION_REAL,
     .required = true,
     .above = true,
     .most = INFINITY,
     .only_if = "train.schedule.kind=cosine",
     .help = "rounds over which the learning rate comes down, warm-up included"},
    {.key = "train.schedule.factor",
     .type = ECH_OPTION_REAL,
     .standard = "0.1",
     .most = 1,
     .only_if = "train.schedule.kind=step",
     .help = "what the learning rate is multiplied by"},
    {.key = "train.schedule.end",
     .type = ECH_OPTION_REAL,
     .standard = "0.0",
     .most = 1,
     .only_if = "train.schedule.kind=cosine",
     .help = "share of train.lr that the learning rate comes down to"},
};

static const ech_option machine_options[] = {
    {.key = "threads",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 1,
     .most = THREADS_MAX,
     .help = "threads of a rank"},
    {.key = "engine",
     .type = ECH_OPTION_CHOICE,
     .choices = "auto|lanes|blocked|blas|reference",
     .standard = "auto",
     .help = "kernels: auto takes the fastest for each layer, another is taken for all or refused"},
    {.key = "leader",
     .type = ECH_OPTION_CHOICE,
     .choices = "auto|trains|dedicated",
     .standard = "auto",
     .help = "does a host's leader rank train too? auto: where the host has few ranks"},
    {.key = "aggregators",
     .type = ECH_OPTION_CHOICE,
     .choices = "fused|materialised",
     .standard = "fused",
     .help = "one sum a rank, or one an aggregator with bytes over each edge"},
    {.key = "transfer",
     .type = ECH_OPTION_CHOICE,
     .choices = "shared",
     .standard = "shared",
     .help = "how a rank gets the global model: it reads its host's one copy in place"},
};

static const ech_option checkpoint_options[] = {
    {.key = "checkpoint.every",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 0,
     .most = UINT32_MAX,
     .help = "rounds between checkpoints; 0: at the end only"},
    {.key = "checkpoint.keep",
     .type = ECH_OPTION_INTEGER,
     .standard = "3",
     .least = 1,
     .most = 1000,
     .help = "checkpoints kept, the latest"},
};

#define SECTION(title, table)                                                                      \
    {                                                                                              \
        title, table, sizeof table / sizeof *table                                                 \
    }

const ech_option_section *ech_fit_sections(size_t *count)
{
    static const ech_option_section sections[] = {
        SECTION("Run", run_options),
        SECTION("Data", data_options),
        SECTION("Model", model_options),
        SECTION("Topology", topology_options),
        SECTION("Strategy", strategy_options),
        SECTION("Clock", clock_options),
        SECTION("Local training", train_options),
        SECTION("Machine", machine_options),
        SECTION("Checkpoints", checkpoint_options),
    };
    *count = sizeof sections / sizeof *sections;
    return sections;
}

static ech_status check_topology(const ech_config *config)
{
    const bool has_file = ech_config_has(config, "topology.file");
    const bool has_kind = ech_config_has(config, "topology.kind");
    if (has_file && has_kind) {
        return ech_config_fail(config, "topology.kind",
                               "expected either topology.file or topology.kind, got both");
    }
    if (!has_file && !has_kind) {
        return ech_config_fail(config, "topology.kind",
                               "missing: expected topology {kind: star, workers: N}, "
                               "{kind: balanced, workers: N, height: H} or {file: TREE.yaml}");
    }
    return ECH_OK;
}

/* Names that a key may have: the rules and models that are built in. */
typedef struct {
    const char *items[NAMES_MAX];
    size_t count;
} name_list;

static ech_status refuse_name(const ech_config *config, const char *key, const name_list *names)
{
    const char *name = ech_config_text(config, key);
    const char *nearest = ech_text_nearest(name, names->items, names->count);
    if (nearest != NULL) {
        return ech_config_fail(config, key, "unknown name '%s': did you mean '%s'?", name, nearest);
    }
    char known[LIST_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < names->count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 names->items[i]);
    }
    return ech_config_fail(config, key, "expected one of %s, got '%s'", known, name);
}

static ech_status check_model(const ech_config *config)
{
    const bool has_file = ech_config_has(config, "model.file");
    if (has_file == ech_config_has(config, "model.name")) {
        return ech_config_fail(config, "model.name",
                               "%s: expected model {name: smallconv} or {file: MODEL.yaml}",
                               has_file ? "given with model.file" : "missing");
    }
    if (has_file || ech_model_find(ech_config_text(config, "model.name")) != NULL) {
        return ECH_OK;
    }
    name_list names = {.count = 0};
    for (size_t i = 0; i < NAMES_MAX && ech_model_at(i) != NULL; i++) {
        names.items[names.count++] = ech_model_at(i)->name;
    }
    return refuse_name(config, "model.name", &names);
}

static ech_status check_selection(const ech_config *config)
{
    if (ech_config_has(config, "strategy.workers") &&
        ech_config_choice(config, "strategy.selection") == ECH_SELECT_BERNOULLI) {
        return ech_config_fail(config, "strategy.workers",
                               "expected strategy.participation, the probability of a worker, "
                               "where strategy.selection is 'bernoulli'");
    }
    return ECH_OK;
}

static ech_status check_strategy(const ech_config *config)
{
    const bool is_async = ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC;
    const ech_strategy_rule *rule =
        ech_strategy_rule_find(ech_config_text(config, "strategy.name"));
    if (rule != NULL && (rule->async != NULL) != is_async) {
        return ech_config_fail(config, "strategy.name",
                               "expected fedasync or fedbuff with process: async, another with "
                               "process: sync, got '%s'",
                               rule->name);
    }
    if (is_async && ech_config_has(config, "strategy.alpha") &&
        ech_config_real(config, "strategy.alpha") > 1.0) {
        return ech_config_fail(config, "strategy.alpha",
                               "expected above 0 and up to 1 with fedasync, got %g",
                               ech_config_real(config, "strategy.alpha"));
    }
    if (!is_async && ech_config_has(config, "pace.trace")) {
        return ech_config_fail(config, "pace.trace", "expected process: async with it");
    }
    if (rule != NULL && is_async &&
        (ech_config_real(config, "strategy.participation") < 1.0 ||
         ech_config_has(config, "strategy.workers"))) {
        return ech_config_fail(config, "strategy.participation",
                               "expected every worker to take part with process: async");
    }
    if (rule != NULL) {
        return ECH_OK;
    }
    name_list names = {.count = 0};
    for (uint32_t i = 0; i < NAMES_MAX && ech_strategy_rule_at(i) != NULL; i++) {
        names.items[names.count++] = ech_strategy_rule_at(i)->name;
    }
    return refuse_name(config, "strategy.name", &names);
}

static ech_status check_data(const ech_config *config)
{
    size_t means = 0;
    size_t deviations = 0;
    ech_config_reals(config, "data.normalize.mean", &means);
    ech_config_reals(config, "data.normalize.std", &deviations);
    if (means != deviations && means != 1 && deviations != 1) {
        return ech_config_fail(config, "data.normalize.std",
                               "expected %zu numbers, as in data.normalize.mean, got %zu", means,
                               deviations);
    }
    if (!ech_config_has(config, "data.file") && ech_config_integer(config, "train.epochs") > 0) {
        return ech_config_fail(config, "data.file",
                               "missing: expected a data set where train.epochs is above 0");
    }
    return ECH_OK;
}

static void read_real(const ech_config *config, const char *key, double *out)
{
    if (ech_config_has(config, key)) {
        *out = ech_config_real(config, key);
    }
}

static void read_number(const ech_config *config, const char *key, uint32_t *out)
{
    if (ech_config_has(config, key)) {
        *out = (uint32_t)ech_config_integer(config, key);
    }
}

static ech_schedule schedule_of(const ech_config *config)
{
    ech_schedule schedule = {
        .kind = (ech_schedule_kind)ech_config_choice(config, "train.schedule.kind"),
        .warm_up = ech_config_real(config, "train.schedule.warm_up"),
    };
    read_real(config, "train.schedule.every", &schedule.every);
    read_real(config, "train.schedule.rounds", &schedule.rounds);
    read_real(config, "train.schedule.factor", &schedule.factor);
    read_real(config, "train.schedule.end", &schedule.end);
    return schedule;
}

static ech_optimizer optimizer_of(const ech_config *config)
{
    ech_optimizer optimizer = {
        .kind = (ech_optimizer_kind)ech_config_choice(config, "train.optimizer"),
        .lr = ech_config_real(config, "train.lr"),
        .weight_decay = ech_config_real(config, "train.weight_decay"),
        .clip_norm = ech_config_real(config, "train.clip_norm"),
    };
    optimizer.nesterov =
        ech_config_has(config, "train.nesterov") && ech_config_bool(config, "train.nesterov");
    read_real(config, "train.momentum", &optimizer.momentum);
    read_real(config, "train.beta1", &optimizer.beta1);
    read_real(config, "train.beta2", &optimizer.beta2);
    read_real(config, "train.epsilon", &optimizer.epsilon);
    return optimizer;
}

static ech_training training_of(const ech_config *config)
{
    return (ech_training){
        .epochs = (uint32_t)ech_config_integer(config, "train.epochs"),
        .batch = (uint32_t)ech_config_integer(config, "train.batch"),
        .optimizer = optimizer_of(config),
        .schedule = schedule_of(config),
        .augmentation = {.crop_pad = (uint32_t)ech_config_integer(config, "data.augment.crop"),
                         .flip = ech_config_bool(config, "data.augment.flip")},
    };
}

static ech_status check_training(const ech_config *config)
{
    const ech_training training = training_of(config);
    if (training.optimizer.nesterov && training.optimizer.momentum == 0.0) {
        return ech_config_fail(config, "train.nesterov", "expected a train.momentum above 0");
    }
    const ech_schedule *schedule = &training.schedule;
    if (schedule->kind == ECH_SCHEDULE_COSINE && schedule->rounds <= schedule->warm_up) {
        return ech_config_fail(config, "train.schedule.rounds",
                               "expected more than the %g rounds of train.schedule.warm_up, got %g",
                               schedule->warm_up, schedule->rounds);
    }
    return ECH_OK;
}

ech_status ech_fit_config_load(const char *path, const char *const *sets, size_t set_count,
                               ech_config **out)
{
    size_t count = 0;
    const ech_option_section *sections = ech_fit_sections(&count);
    ech_status status = ech_config_load(path, sets, set_count, sections, count, out);
    if (status == ECH_OK) {
        status = check_model(*out);
    }
    if (status == ECH_OK) {
        status = check_topology(*out);
    }
    if (status == ECH_OK) {
        status = check_strategy(*out);
    }
    if (status == ECH_OK) {
        status = check_selection(*out);
    }
    if (status == ECH_OK) {
        status = check_data(*out);
    }
    if (status == ECH_OK) {
        status = check_training(*out);
    }
    if (status != ECH_OK) {
        ech_config_destroy(out);
    }
    return status;
}

static void read_split(const ech_config *config, ech_fit_options *out)
{
    const int kind = ech_config_choice(config, "data.split.kind");
    ech_split_rule *rule = &out->split.rule;
    if (kind >= ECH_SPLIT_KIND_COUNT) {
        out->split.source = (ech_fit_split_source)(kind - ECH_SPLIT_KIND_COUNT + ECH_FIT_SPLIT_IDS);
        out->split.file = ech_config_text(config, "data.split.file");
        out->split.dataset = ech_config_text(config, "data.split.dataset");
        return;
    }
    rule->kind = (ech_split_kind)kind;
    read_real(config, "data.split.samples_alpha", &rule->samples_alpha);
    read_real(config, "data.split.labels_alpha", &rule->labels_alpha);
    read_real(config, "data.split.sigma", &rule->sigma);
    read_number(config, "data.split.least", &rule->least);
    read_number(config, "data.split.classes", &rule->classes_each);
    read_number(config, "data.split.shards", &rule->shards_each);
}

static void read_strategy(const ech_config *config, ech_fit_options *out)
{
    out->strategy.name = ech_config_text(config, "strategy.name");
    out->strategy.options = ech_strategy_defaults(out->strategy.name);
    ech_select_rule *selection = &out->strategy.options.selection;
    selection->policy = (ech_select_policy)ech_config_choice(config, "strategy.selection");
    read_real(config, "strategy.participation", &selection->share);
    read_number(config, "strategy.workers", &selection->count);
    read_real(config, "strategy.mu", &out->strategy.options.proximal);
    read_real(config, "strategy.alpha", &out->strategy.options.dynamic);
    read_real(config, "strategy.server_lr", &out->strategy.options.server_lr);
    read_real(config, "strategy.server_momentum", &out->strategy.options.server_momentum);
    read_real(config, "strategy.beta2", &out->strategy.options.server_beta2);
    read_real(config, "strategy.tau", &out->strategy.options.server_tau);
    ech_async_options *async = &out->strategy.options.async;
    read_real(config, "strategy.alpha", &async->alpha);
    read_real(config, "strategy.staleness_a", &async->staleness_a);
    read_real(config, "strategy.staleness_b", &async->staleness_b);
    read_number(config, "strategy.buffer", &async->buffer);
    if (ech_config_has(config, "strategy.staleness")) {
        async->staleness = (ech_staleness_kind)ech_config_choice(config, "strategy.staleness");
    }
}

static void read_data(const ech_config *config, ech_fit_options *out)
{
    out->data.file = ech_config_text(config, "data.file");
    out->data.mean = ech_config_reals(config, "data.normalize.mean", &out->data.mean_count);
    out->data.std = ech_config_reals(config, "data.normalize.std", &out->data.std_count);
    read_split(config, out);
}

static void read_topology(const ech_config *config, ech_fit_options *out)
{
    out->topology.file = ech_config_text(config, "topology.file");
    if (out->topology.file != NULL) {
        return;
    }
    out->topology.kind = (ech_fit_topology_kind)ech_config_choice(config, "topology.kind");
    out->topology.workers = (uint32_t)ech_config_integer(config, "topology.workers");
    out->topology.height = 1;
    if (out->topology.kind == ECH_FIT_TOPOLOGY_BALANCED) {
        out->topology.height = (uint32_t)ech_config_integer(config, "topology.height");
    }
}

static void read_async(const ech_config *config, ech_fit_options *out)
{
    if (out->process == ECH_FIT_PROCESS_ASYNC) {
        out->async.tiers = (uint32_t)ech_config_integer(config, "async.tiers");
        out->async.replay = ech_config_text(config, "replay");
    }
    out->async.is_virtual = ech_config_choice(config, "clock") == 1;
    out->async.trace = ech_config_text(config, "pace.trace");
    ech_pace_options *pace = &out->async.pace;
    read_real(config, "pace.sample_seconds", &pace->sample_seconds);
    read_real(config, "pace.jitter", &pace->jitter);
    read_real(config, "pace.speed_sigma", &pace->speed_sigma);
    read_real(config, "pace.straggler_share", &pace->straggler_share);
    read_real(config, "pace.straggler_slowdown", &pace->straggler_slowdown);
    read_real(config, "pace.bandwidth", &pace->bandwidth);
    read_real(config, "pace.latency", &pace->latency);
}

static void read_machine(const ech_config *config, ech_fit_options *out)
{
    out->threads = (uint32_t)ech_config_integer(config, "threads");
    out->engine = (ech_engine_choice)ech_config_choice(config, "engine");
    out->leader = (ech_fit_leader)ech_config_choice(config, "leader");
    out->aggregators = (ech_fit_aggregators)ech_config_choice(config, "aggregators");
    out->transfer = (ech_fit_transfer)ech_config_choice(config, "transfer");
    out->checkpoint.every = (uint64_t)ech_config_integer(config, "checkpoint.every");
    out->checkpoint.keep = (uint32_t)ech_config_integer(config, "checkpoint.keep");
}

ech_fit_options ech_fit_options_of(const ech_config *config)
{
    ech_fit_options options = {
        .name = ech_config_text(config, "name"),
        .seed = (uint64_t)ech_config_integer(config, "seed"),
        .rounds = (uint64_t)ech_config_integer(config, "rounds"),
        .process = (ech_fit_process)ech_config_choice(config, "process"),
        .evaluate_every = (uint64_t)ech_config_integer(config, "evaluate.every"),
        .model = {.name = ech_config_text(config, "model.name"),
                  .file = ech_config_text(config, "model.file")},
        .train = training_of(config),
    };
    read_data(config, &options);
    read_topology(config, &options);
    read_strategy(config, &options);
    read_machine(config, &options);
    read_async(config, &options);
    return options;
}
