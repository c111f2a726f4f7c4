#define _GNU_SOURCE
#include "runtime/task/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"

extern char **environ; /* NOLINT(readability-redundant-declaration): POSIX wants it declared */

enum {
    ARGUMENTS_BYTES_MAX = 64 * 1024,
    PARTS = 4,
    GRACE_MS = 2000,
    POLL_MS = 2,
    SIGNAL_BASE = 128
};
static const uint64_t ns_per_ms = 1000000;

/* The arguments are four strings, one behind the other; an empty one means none. */
typedef struct {
    const char *command, *output, *error, *directory;
} shell_parts;

ech_status ech_submit_shell(ech_executor *executor, const ech_shell *shell,
                            const ech_task_options *options, ech_future **out)
{
    const char *parts[PARTS] = {shell->command, shell->output, shell->error, shell->directory};
    size_t bytes = 0;
    for (size_t i = 0; i < PARTS; i++) {
        bytes += (parts[i] == NULL ? 0 : strlen(parts[i])) + 1;
    }
    if (parts[0] == NULL || parts[0][0] == '\0') {
        return ech_fail(ECH_ERR_ARGUMENT, "a shell task needs a command");
    }
    char *packed = ech_calloc(bytes, 1);
    if (packed == NULL) {
        return ECH_ERR_MEMORY;
    }
    char *end = packed;
    for (size_t i = 0; i < PARTS; i++) {
        end = stpcpy(end, parts[i] == NULL ? "" : parts[i]) + 1;
    }
    ech_app_id app = 0;
    ech_status status = ech_app_find(executor->apps, ech_shell_app.name, &app);
    if (status == ECH_OK) {
        status = ech_submit(executor, app, packed, bytes, options, out);
    }
    ech_free(packed);
    return status;
}

static shell_parts unpack(const char *packed)
{
    shell_parts parts = {.command = packed};
    parts.output = parts.command + strlen(parts.command) + 1;
    parts.error = parts.output + strlen(parts.output) + 1;
    parts.directory = parts.error + strlen(parts.error) + 1;
    return parts;
}

static int redirect(posix_spawn_file_actions_t *actions, const shell_parts *parts)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    int failed = 0;
    if (parts->directory[0] != '\0') {
        failed = posix_spawn_file_actions_addchdir_np(actions, parts->directory);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    if (failed == 0) {
        const char *output = parts->output[0] != '\0' ? parts->output : "/dev/null";
        failed = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, output, flags, 0666);
    }
    if (failed == 0 && parts->error[0] != '\0') {
        failed =
            posix_spawn_file_actions_addopen(actions, STDERR_FILENO, parts->error, flags, 0666);
    } else if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    }
    return failed;
}

/* A process group of its own, so that what the command starts can be ended with it; and the
 * signals as a fresh program expects them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
}

static ech_status spawn(const shell_parts *parts, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    char *const arguments[] = {"sh", "-c", (char *)parts->command, NULL};
    int failed = redirect(&actions, parts);
    if (failed == 0) {
        failed = set_attributes(&attributes);
    }
    if (failed == 0) {
        failed = posix_spawn(child, "/bin/sh", &actions, &attributes, arguments, environ);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot start '%s' (output '%s', directory '%s'): %s",
                        parts->command, parts->output, parts->directory, strerror(failed));
    }
    return ECH_OK;
}

/* Wait for the child until a moment of ech_clock_ns (0: for ever), serving messages meanwhile. */
static bool wait_until(ech_task_context *context, pid_t child, uint64_t until_ns, int *status)
{
    const int handle = (int)syscall(SYS_pidfd_open, child, 0);
    bool ended = false;
    while (!ended && (until_ns == 0 || ech_clock_ns() < until_ns)) {
        if (handle >= 0) {
            poll(&(struct pollfd){.fd = handle, .events = POLLIN}, 1, POLL_MS);
        } else {
            ech_clock_sleep_ns(POLL_MS * ns_per_ms);
        }
        const pid_t reaped = waitpid(child, status, WNOHANG);
        ended = reaped == child || (reaped < 0 && errno != EINTR);
        ech_task_yield(context);
    }
    if (handle >= 0) {
        close(handle);
    }
    return ended;
}

static ech_status end_group(ech_task_context *context, pid_t child, const char *command)
{
    int status = 0;
    kill(-child, SIGTERM);
    if (!wait_until(context, child, ech_clock_ns() + GRACE_MS * ns_per_ms, &status)) {
        kill(-child, SIGKILL);
        wait_until(context, child, 0, &status);
    }
    kill(-child, SIGKILL); /* what the command has left behind */
    return ech_fail(ECH_ERR_TIMEOUT, "'%s' outlived its walltime of %.3f s", command,
                    ech_clock_seconds(context->call->walltime_ns));
}

static ech_status run_shell(ech_task_context *context, const void *arguments,
                            size_t arguments_bytes, void *result, size_t result_capacity,
                            size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const shell_parts parts = unpack(arguments);
    pid_t child = 0;
    const ech_status spawned = spawn(&parts, &child);
    if (spawned != ECH_OK) {
        return spawned;
    }
    const uint64_t walltime_ns = context->call->walltime_ns;
    int status = 0;
    if (!wait_until(context, child, walltime_ns == 0 ? 0 : ech_clock_ns() + walltime_ns, &status)) {
        return end_group(context, child, parts.command);
    }
    const ech_shell_result value = {
        .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_BASE + WTERMSIG(status)};
    memcpy(result, &value, sizeof value);
    *result_bytes = sizeof value;
    return value.exit_code == 0 ? ECH_OK
                                : ech_fail(ECH_ERR_TASK, "'%s' ended with exit code %d",
                                           parts.command, value.exit_code);
}

const ech_app ech_shell_app = {
    .name = "ech.shell",
    .run = run_shell,
    .arguments_bytes_max = ARGUMENTS_BYTES_MAX,
    .result_bytes_max = sizeof(ech_shell_result),
    .version = 1,
};
