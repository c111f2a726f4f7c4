#include "apps/options/section.h"

#include <math.h>

static const ech_option options[] = {
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

static void read_run(const ech_config *config, ech_fit_options *out)
{
    out->name = ech_config_text(config, "name");
    out->seed = (uint64_t)ech_config_integer(config, "seed");
    out->rounds = (uint64_t)ech_config_integer(config, "rounds");
    out->process = (ech_fit_process)ech_config_choice(config, "process");
    out->evaluate_every = (uint64_t)ech_config_integer(config, "evaluate.every");
    if (out->process == ECH_FIT_PROCESS_ASYNC) {
        out->async.tiers = (uint32_t)ech_config_integer(config, "async.tiers");
        out->async.replay = ech_config_text(config, "replay");
    }
}

const ech_fit_section ech_fit_run_section = {
    .options = {"Run", options, sizeof options / sizeof *options},
    .read = read_run,
};
