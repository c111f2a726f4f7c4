#include "apps/options/section.h"

static const ech_option options[] = {
    {.key = "checkpoint.every",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 0,
     .most = UINT32_MAX,
     .help = "rounds between checkpoints; 0: at the end only"},
    {.key = "checkpoint.seconds",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .least = 0,
     .most = 1e9,
     .help = "seconds that must have passed since the last checkpoint for another one; 0: none"},
    {.key = "checkpoint.on_error",
     .type = ECH_OPTION_CHOICE,
     .choices = "stop|continue",
     .standard = "stop",
     .help = "a checkpoint or the record cannot be written before the end: fail, or train on"},
    {.key = "checkpoint.keep",
     .type = ECH_OPTION_INTEGER,
     .standard = "3",
     .least = 1,
     .most = 1000,
     .help = "checkpoints kept, the latest"},
};

static void read_checkpoint(const ech_config *config, ech_fit_options *out)
{
    out->checkpoint.every = (uint64_t)ech_config_integer(config, "checkpoint.every");
    out->checkpoint.seconds = ech_config_real(config, "checkpoint.seconds");
    out->checkpoint.goes_on = ech_config_choice(config, "checkpoint.on_error") == 1;
    out->checkpoint.keep = (uint32_t)ech_config_integer(config, "checkpoint.keep");
}

const ech_fit_section ech_fit_checkpoint_section = {
    .options = {"Checkpoints", options, sizeof options / sizeof *options},
    .read = read_checkpoint,
};
