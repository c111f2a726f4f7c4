/**
 * @file command.h
 * The commands of `echelon`: one file a command, `cmd_<name>.c`, and one table of them.
 *
 * A command parses its options with glibc's argp and returns the process' exit code (0 done,
 * 1 failed, 2 bad usage or input, 75 stopped early). Its `argv[0]` is its whole name, such as
 * "echelon data import", for argp to print. A command that has commands of its own hands its
 * arguments to `ech_command_dispatch` with their table. Only commands that need MPI initialise it.
 */
#ifndef ECH_APPS_COMMAND_H
#define ECH_APPS_COMMAND_H

#include "runtime/base/status.h"

typedef struct {
    const char *name;
    const char *summary; /* one line of help: a verb, no full stop */
    int (*run)(int argc, char **argv);
} ech_command;

/** The commands of `echelon` itself, ended by an entry without a name. Static. */
const ech_command *ech_commands(void);

/**
 * Run the command of `table` that `argv[1]` names, or print the list for `--help`.
 *
 * @param table  ended by an entry without a name.
 * @param argv   argv[0] is the name so far: "echelon" or "echelon data".
 * @return the command's exit code; 0 after help; 2 if the command is missing or unknown, with one
 *         line that names the nearest.
 */
int ech_command_dispatch(const ech_command *table, int argc, char **argv);

/** Log the thread's status message as an error, unless `status` is ECH_OK. @return exit code. */
int ech_command_exit(ech_status status);

/**
 * The same for the reading of what the user named: a file that cannot be opened or written is bad
 * input here (exit code 2), not a failure of the run.
 */
int ech_command_exit_input(ech_status status);

/**
 * The same for a job whose ranks all come here with the same status: rank 0 tells it, and MPI ends.
 * An early stop is a warning.
 */
int ech_command_end_job(ech_status status);

/* The commands, each in its file cmd_<name>.c. */
int ech_cmd_data(int argc, char **argv);
int ech_cmd_inspect(int argc, char **argv);
int ech_cmd_report(int argc, char **argv);
int ech_cmd_scale(int argc, char **argv);
int ech_cmd_fit(int argc, char **argv);
int ech_cmd_run(int argc, char **argv);
int ech_cmd_site(int argc, char **argv);
int ech_cmd_site_keygen(int argc, char **argv);
int ech_cmd_topo(int argc, char **argv);
int ech_cmd_bench(int argc, char **argv);
int ech_cmd_bench_kernels(int argc, char **argv);
int ech_cmd_bench_pool(int argc, char **argv);
int ech_cmd_bench_round(int argc, char **argv);
int ech_cmd_plan(int argc, char **argv);
int ech_cmd_verify(int argc, char **argv);

#endif
