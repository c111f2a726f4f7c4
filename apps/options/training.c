#include "apps/options/section.h"

#include <math.h>

static const ech_option options[] = {
    {.key = "train.plugin",
     .type = ECH_OPTION_PATH,
     .help = "shared object of one's own (runtime/fed/plugin.h) that brings model and data and "
             "trains; it is told train.epochs, and nothing else of this section"},
    {.key = "train.plugin_options", .type = ECH_OPTION_TEXT, .help = "text for the plug-in"},
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

static ech_schedule schedule_of(const ech_config *config)
{
    ech_schedule schedule = {
        .kind = (ech_schedule_kind)ech_config_choice(config, "train.schedule.kind"),
        .warm_up = ech_config_real(config, "train.schedule.warm_up"),
    };
    ech_fit_read_real(config, "train.schedule.every", &schedule.every);
    ech_fit_read_real(config, "train.schedule.rounds", &schedule.rounds);
    ech_fit_read_real(config, "train.schedule.factor", &schedule.factor);
    ech_fit_read_real(config, "train.schedule.end", &schedule.end);
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
    ech_fit_read_real(config, "train.momentum", &optimizer.momentum);
    ech_fit_read_real(config, "train.beta1", &optimizer.beta1);
    ech_fit_read_real(config, "train.beta2", &optimizer.beta2);
    ech_fit_read_real(config, "train.epsilon", &optimizer.epsilon);
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
    const ech_status status = ech_fit_check_plugin(config, "train.plugin", "train.plugin_options");
    if (status != ECH_OK) {
        return status;
    }
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

static void read_training(const ech_config *config, ech_fit_options *out)
{
    out->train = training_of(config);
    out->training.plugin = ech_config_text(config, "train.plugin");
    out->training.plugin_options = ech_config_text(config, "train.plugin_options");
}

const ech_fit_section ech_fit_training_section = {
    .options = {"Local training", options, sizeof options / sizeof *options},
    .check = check_training,
    .read = read_training,
};
