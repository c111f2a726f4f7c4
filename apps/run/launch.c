#define _POSIX_C_SOURCE 200809L
#include "apps/run/launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ech_launcher ech_launcher_of_this_place(void)
{
    return getenv("SLURM_JOB_ID") != NULL ? ECH_LAUNCHER_SRUN : ECH_LAUNCHER_MPIEXEC;
}

static void add(ech_launch_command *command, const char *argument)
{
    command->arguments[command->count++] = argument;
    command->arguments[command->count] = NULL;
}

static void add_launcher(ech_launch_command *command, const ech_launch_plan *plan)
{
    if (plan->launcher == ECH_LAUNCHER_SRUN) {
        add(command, "srun");
        add(command, "--mpi=pmi2");
    } else {
        add(command, "mpiexec");
    }
    add(command, "-n");
    snprintf(command->ranks, sizeof command->ranks, "%u", plan->ranks);
    add(command, command->ranks);
    for (size_t i = 0; i < plan->option_count; i++) {
        add(command, plan->options[i]);
    }
}

static void add_fit(ech_launch_command *command, const ech_fit_arguments *fit, bool resume)
{
    add(command, command->program);
    add(command, "fit");
    for (size_t i = 0; i < fit->set_count; i++) {
        add(command, "--set");
        add(command, fit->sets[i]);
    }
    add(command, "--out");
    add(command, fit->folder);
    if (fit->until_s > 0) {
        snprintf(command->until, sizeof command->until, "%llu", (unsigned long long)fit->until_s);
        add(command, "--until");
        add(command, command->until);
    }
    if (fit->json) {
        add(command, "--json");
    }
    if (resume || fit->resume) {
        add(command, "--resume");
    } else if (fit->overwrite) {
        add(command, "--overwrite");
    }
    add(command, "--");
    add(command, fit->config_path);
}

static ech_status begin(const ech_launch_plan *plan, ech_launch_command *command)
{
    command->count = 0;
    const ssize_t length =
        readlink("/proc/self/exe", command->program, sizeof command->program - 1);
    if (length < 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot find the path of this program: %s",
                        strerror(errno));
    }
    command->program[length] = '\0';
    add_launcher(command, plan);
    return ECH_OK;
}

ech_status ech_launch_write_program(const ech_launch_plan *plan, const char *const *head,
                                    size_t head_count, const char *const *arguments,
                                    ech_launch_command *command)
{
    const ech_status status = begin(plan, command);
    for (size_t i = 0; status == ECH_OK && i < head_count; i++) {
        add(command, head[i]);
    }
    add(command, command->program);
    for (size_t i = 0; status == ECH_OK && arguments[i] != NULL; i++) {
        add(command, arguments[i]);
    }
    return status;
}

ech_status ech_launch_write(const ech_launch_plan *plan, bool resume, ech_launch_command *command)
{
    const ech_status status = begin(plan, command);
    if (status == ECH_OK) {
        add_fit(command, plan->fit, resume);
    }
    return status;
}
