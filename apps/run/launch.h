/**
 * @file launch.h
 * The command that starts `echelon fit` on N ranks.
 */
#ifndef ECH_APPS_RUN_LAUNCH_H
#define ECH_APPS_RUN_LAUNCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "apps/fit/fit_job.h"
#include "apps/fit/fit_line.h"
#include "runtime/base/status.h"

enum {
    ECH_LAUNCH_OPTIONS_MAX = 64,
    ECH_LAUNCH_COUNT_BYTES = 16,
    ECH_LAUNCH_NUMBER_BYTES = 24,
    ECH_LAUNCH_ARGUMENTS_MAX = ECH_LAUNCH_OPTIONS_MAX + 2 * ECH_ARGUMENT_SETS_MAX + 16,
};

typedef enum { ECH_LAUNCHER_MPIEXEC, ECH_LAUNCHER_SRUN } ech_launcher;

typedef struct {
    ech_launcher launcher;
    unsigned ranks;
    const char *options[ECH_LAUNCH_OPTIONS_MAX]; /* of the launcher, as they are */
    size_t option_count;
    const ech_fit_arguments *fit; /* of ech_launch_write */
} ech_launch_plan;

/** The command: its texts are the plan's and its own. */
typedef struct {
    const char *arguments[ECH_LAUNCH_ARGUMENTS_MAX]; /* ended by NULL */
    size_t count;
    char ranks[ECH_LAUNCH_COUNT_BYTES];
    char until[ECH_LAUNCH_NUMBER_BYTES];
    char program[PATH_MAX];
} ech_launch_command;

/** srun inside an allocation of Slurm, mpiexec elsewhere. */
ech_launcher ech_launcher_of_this_place(void);

/**
 * Write the command of another program, and this one behind it.
 *
 * @param head       `head_count` words that the launcher starts, such as a shell's.
 * @param arguments  of this program, ended by NULL.
 * @return as below.
 */
ech_status ech_launch_write_program(const ech_launch_plan *plan, const char *const *head,
                                    size_t head_count, const char *const *arguments,
                                    ech_launch_command *command);

/**
 * Write the command.
 *
 * @param resume  go on from the newest checkpoint, whatever the plan says of the folder's content.
 * @return ECH_OK; ECH_ERR_SYSTEM if this program's own path cannot be found.
 */
ech_status ech_launch_write(const ech_launch_plan *plan, bool resume, ech_launch_command *command);

#endif
