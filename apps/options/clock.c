#include "apps/options/section.h"

#include <math.h>

static const ech_option options[] = {
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

static void read_clock(const ech_config *config, ech_fit_options *out)
{
    out->async.is_virtual = ech_config_choice(config, "clock") == 1;
    out->async.trace = ech_config_text(config, "pace.trace");
    ech_pace_options *pace = &out->async.pace;
    ech_fit_read_real(config, "pace.sample_seconds", &pace->sample_seconds);
    ech_fit_read_real(config, "pace.jitter", &pace->jitter);
    ech_fit_read_real(config, "pace.speed_sigma", &pace->speed_sigma);
    ech_fit_read_real(config, "pace.straggler_share", &pace->straggler_share);
    ech_fit_read_real(config, "pace.straggler_slowdown", &pace->straggler_slowdown);
    ech_fit_read_real(config, "pace.bandwidth", &pace->bandwidth);
    ech_fit_read_real(config, "pace.latency", &pace->latency);
}

const ech_fit_section ech_fit_clock_section = {
    .options = {"Clock", options, sizeof options / sizeof *options},
    .read = read_clock,
};
