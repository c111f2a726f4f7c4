#define _POSIX_C_SOURCE 200809L
#include <argp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/fit/fit_line.h"
#include "apps/run/attempt.h"
#include "apps/run/launch.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/mpi/guard.h"

enum {
    KEY_RANKS = 'n',
    KEY_RELAUNCHES = 256,
    KEY_LAUNCHER,
    KEY_LAUNCHER_OPTION,
    RANKS_MAX = 1 << 20,
    RELAUNCHES = 5,
    RELAUNCHES_MAX = 1000000,
    PAUSE_MAX_S = 60,
    EXIT_BAD_USAGE = 2,
    EXIT_STOPPED_EARLY = 75,
};

/* A job that dies sooner than this after its start is not started again at once. */
static const double healthy_after_seconds = 30.0;

typedef struct {
    ech_fit_line fit;
    ech_launch_plan plan;
    unsigned relaunches;
} command_line;

static const struct argp_option options[] = {
    {.name = "ranks", .key = KEY_RANKS, .arg = "N", .doc = "MPI processes of the job"},
    {.name = "relaunches",
     .key = KEY_RELAUNCHES,
     .arg = "COUNT",
     .doc = "times that a job whose rank died is started again (5)"},
    {.name = "launcher",
     .key = KEY_LAUNCHER,
     .arg = "mpiexec|srun",
     .doc = "default: srun inside an allocation of Slurm, mpiexec elsewhere"},
    {.name = "launcher-option",
     .key = KEY_LAUNCHER_OPTION,
     .arg = "OPTION",
     .doc = "for the launcher, as it is; may be repeated"},
    {0},
};

static void read_launcher(struct argp_state *state, const char *text, ech_launch_plan *plan)
{
    if (strcmp(text, "mpiexec") == 0) {
        plan->launcher = ECH_LAUNCHER_MPIEXEC;
    } else if (strcmp(text, "srun") == 0) {
        plan->launcher = ECH_LAUNCHER_SRUN;
    } else {
        argp_error(state, "--launcher: expected mpiexec or srun, got '%s'", text);
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    command_line *line = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &line->fit;
        return 0;
    case KEY_RANKS:
        line->plan.ranks = (unsigned)ech_argument_number(state, "ranks", value, 1, RANKS_MAX);
        return 0;
    case KEY_RELAUNCHES:
        line->relaunches =
            (unsigned)ech_argument_number(state, "relaunches", value, 0, RELAUNCHES_MAX);
        return 0;
    case KEY_LAUNCHER:
        read_launcher(state, value, &line->plan);
        return 0;
    case KEY_LAUNCHER_OPTION:
        if (line->plan.option_count == ECH_LAUNCH_OPTIONS_MAX) {
            argp_error(state, "more than %d --launcher-option", ECH_LAUNCH_OPTIONS_MAX);
        }
        line->plan.options[line->plan.option_count++] = value;
        return 0;
    case ARGP_KEY_END:
        if (line->plan.ranks == 0) {
            argp_error(state, "expected -n N, the number of ranks");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse(int argc, char **argv, command_line *line)
{
    struct argp of_fit = *ech_fit_line_parser();
    of_fit.doc = NULL;
    of_fit.args_doc = NULL;
    const struct argp_child children[] = {{&of_fit, 0, "Options of `echelon fit`:", 1}, {0}};
    const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .children = children,
        .args_doc = "-n N CONFIG.yaml",
        .doc = "Run `echelon fit` on N ranks, and start it again from its newest intact checkpoint "
               "when a rank dies.\v"
               "SIGTERM, SIGUSR1 and SIGINT are passed on: the job stops early with a checkpoint. "
               "Exit codes are those of fit: 0 done, 1 failed, 2 bad usage or input, 75 stopped "
               "early with a checkpoint.",
    };
    argp_parse(&parser, argc, argv, 0, NULL, line);
}

/* MPICH's launcher may lose its ranks' exit codes, and end with 0, when it has passed a signal on:
 * then what the job said counts. */
static int exit_code_of(const ech_attempt *attempt)
{
    return attempt->exit_code == EXIT_SUCCESS && attempt->stopped ? EXIT_STOPPED_EARLY
                                                                  : attempt->exit_code;
}

/* A launcher joins its ranks' exit codes, and adds its own: these alone come from a whole job. */
static bool job_ended_by_itself(const ech_attempt *attempt)
{
    const int code = exit_code_of(attempt);
    return attempt->death[0] == '\0' && (code == EXIT_SUCCESS || code == EXIT_FAILURE ||
                                         code == EXIT_BAD_USAGE || code == EXIT_STOPPED_EARLY);
}

static ech_status describe_death(const ech_attempt *attempt)
{
    if (attempt->death[0] != '\0') {
        return ech_fail(ECH_ERR_MPI, "%s", attempt->death);
    }
    return ech_fail(ECH_ERR_MPI, "the job ended with exit code %d, and no rank said why",
                    attempt->exit_code);
}

/* Longer each time that the job dies young; cut short by a signal. @return may it go on? */
static bool pause_before(unsigned young_deaths)
{
    const long seconds = young_deaths < 6 ? (1L << young_deaths) - 1 : PAUSE_MAX_S;
    const struct timespec pause = {.tv_sec = seconds};
    sigset_t signals = ech_attempt_signals();
    int signal_number = 0;
    do {
        signal_number = sigtimedwait(&signals, NULL, &pause);
    } while (signal_number == SIGCHLD);
    return signal_number < 0;
}

static int give_up(const char *why, const command_line *line)
{
    ech_log(ECH_LOG_ERROR, "%s (%s); what is in %s stays: go on with --resume",
            ech_status_message(), why, line->fit.arguments.folder);
    return EXIT_FAILURE;
}

static int supervise(const command_line *line)
{
    unsigned young_deaths = 0;
    for (unsigned relaunch = 0;; relaunch++) {
        ech_launch_command command;
        ech_attempt attempt;
        const uint64_t start_ns = ech_clock_ns();
        ech_status status = ech_launch_write(&line->plan, relaunch > 0, &command);
        if (status == ECH_OK) {
            status = ech_attempt_run(command.arguments, &attempt);
        }
        if (status != ECH_OK) {
            return ech_command_exit(status);
        }
        if (job_ended_by_itself(&attempt)) {
            return exit_code_of(&attempt);
        }
        (void)describe_death(&attempt);
        if (attempt.stopping) {
            return give_up("while it was stopping early", line);
        }
        if (relaunch == line->relaunches) {
            return give_up("no relaunch is left", line);
        }
        ech_log(ECH_LOG_WARNING, "relaunch %u of %u from the newest intact checkpoint in %s: %s",
                relaunch + 1, line->relaunches, line->fit.arguments.folder, ech_status_message());
        young_deaths = ech_clock_seconds(ech_clock_ns() - start_ns) < healthy_after_seconds
                           ? young_deaths + 1
                           : 0;
        if (!pause_before(young_deaths > 0 ? young_deaths - 1 : 0)) {
            return give_up("stopped by a signal before the relaunch", line);
        }
    }
}

int ech_cmd_run(int argc, char **argv)
{
    command_line line = {.relaunches = RELAUNCHES,
                         .plan = {.launcher = ech_launcher_of_this_place()}};
    ech_fit_line_init(&line.fit);
    line.plan.fit = &line.fit.arguments;
    parse(argc, argv, &line);
    if (ech_guard_is_launched()) {
        return ech_command_exit(
            ech_fail(ECH_ERR_CONFIG, "echelon run starts the ranks itself: expected to be started "
                                     "by itself, not by mpiexec or srun"));
    }
    const sigset_t signals = ech_attempt_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return supervise(&line);
}
