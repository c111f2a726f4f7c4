#define _POSIX_C_SOURCE 200809L
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/plan/calibrate.h"
#include "apps/plan/job_plan.h"
#include "runtime/base/memory.h"

enum { HOSTS_MAX = 1 << 20, RANKS_MAX = 1 << 20 };
enum { KEY_HOSTS = 256, KEY_RANKS, KEY_SCHEDULER, KEY_CALIBRATE, KEY_CALIBRATION };

typedef struct {
    const char *config;
    const char *sets[ECH_ARGUMENT_SETS_MAX];
    size_t set_count;
    uint32_t hosts, ranks_per_host;
    ech_scheduler scheduler;
    const char *folder;      /* NULL: nothing is written */
    const char *calibration; /* NULL: this machine's in the cache */
    bool calibrates, anew;
    bool json;
} command_line;

static void read_calibrate(struct argp_state *state, const char *text, command_line *line)
{
    line->calibrates = true;
    line->anew = text != NULL && strcmp(text, "anew") == 0;
    if (text != NULL && !line->anew) {
        argp_error(state, "--calibrate=%s: expected nothing, or anew", text);
    }
}

static void check(const command_line *line, struct argp_state *state)
{
    if (line->config == NULL) {
        argp_error(state, "expected a configuration, such as jobs/demo.yaml");
    }
    if (line->hosts == 0 || line->ranks_per_host == 0) {
        argp_error(state, "expected --hosts N and --ranks-per-host R");
    }
    if ((uint64_t)line->hosts * line->ranks_per_host > RANKS_MAX) {
        argp_error(state, "expected at most %d ranks", RANKS_MAX);
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    command_line *line = state->input;
    switch (key) {
    case 's':
        ech_argument_set(state, line->sets, &line->set_count, text);
        return 0;
    case KEY_HOSTS:
        line->hosts = (uint32_t)ech_argument_number(state, "hosts", text, 1, HOSTS_MAX);
        return 0;
    case KEY_RANKS:
        line->ranks_per_host =
            (uint32_t)ech_argument_number(state, "ranks-per-host", text, 1, RANKS_MAX);
        return 0;
    case KEY_SCHEDULER:
        line->scheduler = ech_argument_scheduler(state, text);
        return 0;
    case 'o':
        line->folder = text;
        return 0;
    case KEY_CALIBRATE:
        read_calibrate(state, text, line);
        return 0;
    case KEY_CALIBRATION:
        line->calibration = text;
        return 0;
    case 'j':
        line->json = true;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "configuration", &line->config, text);
        return 0;
    case ARGP_KEY_END:
        check(line, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"hosts", KEY_HOSTS, "N", 0, "hosts of the job", 0},
    {"ranks-per-host", KEY_RANKS, "R", 0, "MPI processes on each", 0},
    {"set", 's', "KEY=VALUE", 0, "set a key of the configuration", 0},
    {"scheduler", KEY_SCHEDULER, "NAME", 0,
     "local, slurm or pbs: whose job script is written (local)", 0},
    {"out", 'o', "DIR", 0, "write the plan, the job script and what it needs there", 0},
    {"calibrate", KEY_CALIBRATE, "anew", OPTION_ARG_OPTIONAL,
     "measure on this machine what the prediction needs and the calibration lacks, and what the "
     "memory moves now; anew: also what the calibration has",
     0},
    {"calibration", KEY_CALIBRATION, "FILE", 0,
     "the calibration, also one of another machine ($XDG_CACHE_HOME/echelon/machine-ID.json)", 0},
    {"json", 'j', NULL, 0, "one JSON object on standard output", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "CONFIG.yaml",
    .doc = "Say what a job will need before it runs: memory of a rank and of a host, bytes by "
           "tier, the time of a round and its parts, the placement, and the job script.\v"
           "Starts no MPI, but for --calibrate: short runs by mpiexec or srun, a minute or so for "
           "each number of ranks. They are kept, with what identifies the machine, and serve later "
           "plans.",
};

/* ---- the calibration ---- */

static ech_status open_calibration(const command_line *line, char path[PATH_MAX],
                                   ech_calibration *machine)
{
    ech_status status = ech_calibration_begin(machine);
    if (status != ECH_OK) {
        return status;
    }
    if (line->calibration != NULL) {
        snprintf(path, PATH_MAX, "%s", line->calibration);
    } else {
        status = ech_calibration_path(machine, path, PATH_MAX);
    }
    const bool is_new = line->calibrates || line->calibration == NULL;
    if (status != ECH_OK || (is_new && access(path, F_OK) != 0)) {
        return status;
    }
    return ech_calibration_load(path, machine);
}

static ech_status measure(const command_line *line, const ech_subject *subject, const char *path,
                          ech_forecast_needs *needs, ech_calibration *calibration)
{
    bool changed = false;
    const ech_status status = ech_calibrate(subject, needs, line->anew, calibration, &changed);
    return status == ECH_OK && changed ? ech_calibration_save(calibration, path) : status;
}

/* ---- the plan ---- */

/* The folder as an absolute path: made, where the plan is to be written. */
static ech_status find_folder(const char *name, bool is_made, char path[PATH_MAX])
{
    char here[PATH_MAX];
    if (is_made && mkdir(name, S_IRWXU) != 0 && errno != EEXIST) {
        return ech_fail(ECH_ERR_FILE, "--out %s: cannot be made: %s", name, strerror(errno));
    }
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return ECH_OK;
    }
    if (getcwd(here, sizeof here) == NULL ||
        snprintf(path, PATH_MAX, "%s/%s", here, name) >= PATH_MAX) {
        return ech_fail(ECH_ERR_FILE, "--out %s: the path is too long", name);
    }
    return ECH_OK;
}

static ech_status show(const command_line *line, ech_job_plan *plan)
{
    char folder[PATH_MAX];
    const bool is_kept = line->folder != NULL;
    ech_status status = find_folder(is_kept ? line->folder : "out", is_kept, folder);
    if (status == ECH_OK) {
        status = ech_job_plan_write_script(plan, line->scheduler, folder);
    }
    if (status == ECH_OK && is_kept) {
        status = ech_job_plan_save(plan, folder);
    }
    if (status == ECH_OK && line->json) {
        return ech_job_plan_write_json(plan, stdout);
    }
    if (status == ECH_OK) {
        ech_job_plan_print(plan);
    }
    return status;
}

static ech_status plan_job(const command_line *line, const ech_subject *subject,
                           ech_calibration *calibration)
{
    char path[PATH_MAX];
    ech_forecast_needs needs;
    ech_job_plan plan = {
        .subject = subject, .calibration = calibration, .calibration_path = path, .needs = &needs};
    ech_status status = open_calibration(line, path, calibration);
    if (status == ECH_OK) {
        ech_forecast_needs_of(subject, calibration, &needs);
    }
    if (status == ECH_OK && line->calibrates) {
        status = measure(line, subject, path, &needs, calibration);
    }
    if (status == ECH_OK) {
        status = ech_job_plan_make(&plan);
    }
    if (status == ECH_OK) {
        status = show(line, &plan);
    }
    ech_job_plan_clear(&plan);
    return status;
}

int ech_cmd_plan(int argc, char **argv)
{
    command_line line = {.scheduler = ECH_SCHEDULER_LOCAL};
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    ech_subject subject;
    ech_calibration *calibration = ech_calloc(1, sizeof *calibration);
    ech_status status = calibration != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_subject_load(line.config, line.sets, line.set_count, line.hosts,
                                  line.ranks_per_host, &subject);
        if (status == ECH_OK) {
            status = plan_job(&line, &subject, calibration);
        }
        const ech_failure failure = ech_failure_keep(status);
        ech_subject_clear(&subject);
        status = ech_failure_restore(&failure);
    }
    ech_free(calibration);
    return ech_command_exit_input(status);
}
