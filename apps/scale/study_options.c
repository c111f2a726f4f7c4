
#include "apps/scale/study.h"

enum { RANKS_MOST = 1 << 20, REPEATS_MOST = 1000, THREADS_MOST = 1024 };

static const ech_option study_options[] = {
    {.key = "name", .type = ECH_OPTION_TEXT, .standard = "study", .help = "name of the study"},
    {.key = "kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "weak|strong",
     .standard = "weak",
     .help = "more work on more ranks, or the same work on more ranks"},
    {.key = "config",
     .type = ECH_OPTION_PATH,
     .required = true,
     .help = "configuration of `echelon fit` that all runs share"},
    {.key = "set",
     .type = ECH_OPTION_ANY,
     .help = "list of \"KEY=VALUE\" that change it, as `fit --set` does"},
    {.key = "repeats",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 1,
     .most = REPEATS_MOST,
     .help = "times that each run is made"},
    {.key = "keep_checkpoints",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .help = "keep the checkpoints of runs that are done; their figures are kept in any case"},
    {.key = "calibrate",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .help = "measure the machine before the first run of each number of ranks, where that was not "
             "done yet: what `echelon plan` predicts then stands beside what was measured"},
};

static const ech_option size_options[] = {
    {.key = "variants",
     .type = ECH_OPTION_ANY,
     .standard = "[pooled]",
     .help = "list of processes (a rank a worker) and pooled (many workers a rank)"},
    {.key = "models", .type = ECH_OPTION_ANY, .help = "list of models; none: the configuration's"},
    {.key = "transfers",
     .type = ECH_OPTION_ANY,
     .help = "list of transfers; none: the configuration's"},
    {.key = "workers",
     .type = ECH_OPTION_REALS,
     .least = 1,
     .most = UINT32_MAX,
     .help = "list of numbers of workers"},
    {.key = "workers_per_rank",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = UINT32_MAX,
     .help = "in place of workers: as many for each rank"},
    {.key = "ranks",
     .type = ECH_OPTION_REALS,
     .least = 1,
     .most = RANKS_MOST,
     .help = "list of numbers of ranks, of the pooled variant"},
    {.key = "hosts",
     .type = ECH_OPTION_REALS,
     .least = 1,
     .most = RANKS_MOST,
     .help = "in place of ranks: list of numbers of hosts, all of their ranks"},
    {.key = "ranks_per_host",
     .type = ECH_OPTION_INTEGER,
     .standard = "128",
     .least = 1,
     .most = RANKS_MOST,
     .help = "ranks of a host that is full"},
    {.key = "threads",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 1,
     .most = THREADS_MOST,
     .help = "threads of a rank"},
    {.key = "ranks_most",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = RANKS_MOST,
     .help = "runs on more ranks are left out"},
    {.key = "workers_most",
     .type = ECH_OPTION_ANY,
     .help = "by model, runs of more workers are left out: {resnet152: 128}"},
};

static const ech_option job_options[] = {
    {.key = "job.walltime",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = UINT32_MAX,
     .help = "seconds that a job may take before it must send itself again; 0: no limit"},
    {.key = "job.margin",
     .type = ECH_OPTION_INTEGER,
     .standard = "60",
     .least = 0,
     .most = UINT32_MAX,
     .help = "seconds of the walltime that are kept for the last checkpoint"},
    {.key = "job.partition",
     .type = ECH_OPTION_TEXT,
     .help = "Slurm's partition or PBS' queue; none: the site's standard"},
    {.key = "job.account", .type = ECH_OPTION_TEXT, .help = "who pays"},
    {.key = "job.modules",
     .type = ECH_OPTION_TEXT,
     .help = "environment modules that a job loads, separated by blanks"},
};

#define SECTION(title, options)                                                                    \
    {                                                                                              \
        title, options, sizeof(options) / sizeof(options)[0]                                       \
    }

const ech_option_section *ech_study_sections(size_t *count)
{
    static const ech_option_section sections[] = {
        SECTION("Study", study_options),
        SECTION("Sizes", size_options),
        SECTION("Jobs", job_options),
    };
    *count = sizeof sections / sizeof *sections;
    return sections;
}
