/* A pipeline of shell commands: each file is made, then sorted by a command that depends on it;
 * one more merges them all. A command that fails takes those behind it along, and they tell why.
 *
 *     shell_pipeline DIRECTORY [serial|threads|mpi]      mpiexec -n 4 shell_pipeline /tmp/x mpi
 */
#include <stdio.h>

#include "runtime/task/task.h"

enum { FILES = 8, TEXT_BYTES = 256 };

static ech_status submit(ech_executor *executor, const char *directory, const char *command,
                         const char *output, ech_future *const *inputs, uint32_t input_count,
                         ech_future **out)
{
    const ech_shell shell = {.command = command, .output = output, .directory = directory};
    const ech_task_options options = {
        .inputs = inputs, .input_count = input_count, .walltime_ns = UINT64_C(60000000000)};
    return ech_submit_shell(executor, &shell, &options, out);
}

/* The numbers i, i + FILES, i + 2 FILES, ... downwards, then sorted. */
static ech_status make_file(ech_executor *executor, const char *directory, int i, ech_future **out)
{
    char command[TEXT_BYTES];
    char output[TEXT_BYTES];
    ech_future *made = NULL;
    snprintf(command, sizeof command, "seq %d %d 1000 | tac", i, FILES);
    snprintf(output, sizeof output, "made-%d.txt", i);
    ech_status status = submit(executor, directory, command, output, NULL, 0, &made);
    if (status == ECH_OK) {
        snprintf(command, sizeof command, "sort -n made-%d.txt", i);
        snprintf(output, sizeof output, "sorted-%d.txt", i);
        status = submit(executor, directory, command, output, &made, 1, out);
    }
    ech_future_release(&made);
    return status;
}

static ech_status pipeline(ech_executor *executor, void *user)
{
    const char *directory = user;
    ech_future *sorted[FILES] = {NULL};
    ech_future *merged = NULL;
    ech_status status = ECH_OK;
    for (int i = 0; i < FILES && status == ECH_OK; i++) {
        status = make_file(executor, directory, i + 1, &sorted[i]);
    }
    if (status == ECH_OK) {
        status = submit(executor, directory, "sort -n -m sorted-*.txt", "all.txt", sorted, FILES,
                        &merged);
    }
    status = status == ECH_OK ? ech_future_wait(merged) : status;
    if (status == ECH_OK) {
        printf("%s/all.txt holds the numbers from 1 to 1000\n", directory);
    }
    ech_future_release(&merged);
    for (int i = 0; i < FILES; i++) {
        ech_future_release(&sorted[i]);
    }
    return status;
}

int main(int argc, char **argv)
{
    ech_app_registry *apps = NULL;
    ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    if (argc < 2 || (argc > 2 && ech_executor_kind_parse(argv[2], &options.kind) != ECH_OK) ||
        ech_app_registry_create(&apps) != ECH_OK) {
        fprintf(stderr, "shell_pipeline DIRECTORY [EXECUTOR]: %s\n", ech_status_message());
        return 2;
    }
    const int code = ech_executor_main(apps, &options, pipeline, argv[1]);
    ech_app_registry_destroy(&apps);
    return code;
}
