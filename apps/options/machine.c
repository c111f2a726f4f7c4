#include "apps/options/section.h"

enum { THREADS_MAX = 1024 };

static const ech_option options[] = {
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
    {.key = "workers_on",
     .type = ECH_OPTION_CHOICE,
     .choices = "any|host|rank",
     .standard = "any",
     .help = "where a worker trains: any rank, by need; one of its own host; one rank that is its"},
};

static void read_machine(const ech_config *config, ech_fit_options *out)
{
    out->threads = (uint32_t)ech_config_integer(config, "threads");
    out->engine = (ech_engine_choice)ech_config_choice(config, "engine");
    out->leader = (ech_fit_leader)ech_config_choice(config, "leader");
    out->aggregators = (ech_fit_aggregators)ech_config_choice(config, "aggregators");
    out->workers_on = (ech_homes)ech_config_choice(config, "workers_on");
}

const ech_fit_section ech_fit_machine_section = {
    .options = {"Machine", options, sizeof options / sizeof *options},
    .read = read_machine,
};
