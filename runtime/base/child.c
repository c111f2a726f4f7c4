#define _GNU_SOURCE
#include "runtime/base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum { STREAMS = 2, TICK_MS = 10, DRAIN_BYTES = 4096 };

static const uint64_t grace_ns = UINT64_C(2000000000);

/* One output of the child: the pipe and what came through it. */
typedef struct {
    int read_end; /* -1: closed */
    int write_end;
    char *text;
    size_t used;
} stream;

static void close_end(int *end)
{
    if (*end >= 0) {
        close(*end);
        *end = -1;
    }
}

static ech_status open_stream(stream *out, size_t bytes_max)
{
    int ends[2];
    out->text = ech_calloc(1, bytes_max + 1);
    if (out->text == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    }
    out->read_end = ends[0];
    out->write_end = ends[1];
    fcntl(out->read_end, F_SETFL, O_NONBLOCK);
    return ECH_OK;
}

/* Take what is there; what does not fit is dropped. Closes the pipe at its end. */
static void drain(stream *in, size_t bytes_max)
{
    while (in->read_end >= 0) {
        char buffer[DRAIN_BYTES];
        const ssize_t got = read(in->read_end, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            close_end(&in->read_end);
            return;
        }
        const size_t room = bytes_max - in->used;
        const size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(in->text + in->used, buffer, kept);
        in->used += kept;
    }
}

static size_t count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL) {
        count++;
    }
    return count;
}

static bool is_replaced(const char *variable, const char *const *additions, size_t count)
{
    const size_t name = strcspn(variable, "=");
    for (size_t i = 0; i < count; i++) {
        if (strncmp(additions[i], variable, name) == 0 && additions[i][name] == '=') {
            return true;
        }
    }
    return false;
}

/* This process' environment, with the additions instead of variables of the same names. */
static const char **join_environment(const char *const *additions)
{
    const char *const *own = (const char *const *)environ;
    const size_t added = count_texts(additions);
    const char **joined = ech_calloc(count_texts(own) + added + 1, sizeof *joined);
    if (joined == NULL) {
        return NULL;
    }
    size_t count = 0;
    for (size_t i = 0; i < added; i++) {
        joined[count++] = additions[i];
    }
    for (size_t i = 0; own[i] != NULL; i++) {
        if (!is_replaced(own[i], additions, added)) {
            joined[count++] = own[i];
        }
    }
    return joined;
}

static int describe_child(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes,
                          const stream streams[STREAMS])
{
    sigset_t signals;
    sigemptyset(&signals);
    int error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; error == 0 && i < STREAMS; i++) {
        error = posix_spawn_file_actions_adddup2(files, streams[i].write_end, STDOUT_FILENO + i);
    }
    if (error == 0) {
        error = posix_spawnattr_setsigmask(attributes, &signals);
    }
    sigaddset(&signals, SIGPIPE);
    if (error == 0) {
        error = posix_spawnattr_setsigdefault(attributes, &signals);
    }
    if (error == 0) {
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return error;
}

static ech_status spawn(const ech_child_options *options, const stream streams[STREAMS], pid_t *pid)
{
    const char **environment = join_environment(options->environment);
    if (environment == NULL) {
        return ECH_ERR_MEMORY;
    }
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int error = describe_child(&files, &attributes, streams);
    if (error == 0) {
        error = posix_spawnp(pid, options->arguments[0], &files, &attributes,
                             (char *const *)options->arguments, (char *const *)environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    ech_free(environment);
    return error == 0 ? ECH_OK
                      : ech_fail(ECH_ERR_SYSTEM, "cannot start %s: %s", options->arguments[0],
                                 strerror(error));
}

static void wait_for_output(const stream streams[STREAMS])
{
    struct pollfd polled[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        polled[i] = (struct pollfd){.fd = streams[i].read_end, .events = POLLIN};
    }
    /* Failing by a signal is as good as a tick. */
    (void)poll(polled, STREAMS, TICK_MS);
}

/* Ask the group to end at the limit, or when told so, and force it after the grace.
 * @param[in,out] asked_ns  when it was asked; 0: not yet. */
static void end_early(pid_t pid, const ech_child_options *options, uint64_t start_ns,
                      uint64_t *asked_ns, ech_child_result *result)
{
    const uint64_t now_ns = ech_clock_ns();
    if (*asked_ns != 0) {
        if (now_ns - *asked_ns > grace_ns) {
            kill(-pid, SIGKILL);
        }
        return;
    }
    result->timed_out = now_ns - start_ns >= options->timeout_ns;
    result->stopped = options->should_stop != NULL && options->should_stop();
    if (result->timed_out || result->stopped) {
        *asked_ns = now_ns;
        kill(-pid, SIGTERM);
    }
}

static int wait_for_end(pid_t pid, const ech_child_options *options, stream streams[STREAMS],
                        ech_child_result *result)
{
    const uint64_t start_ns = ech_clock_ns();
    uint64_t asked_ns = 0;
    for (;;) {
        int ended = 0;
        const pid_t reaped = waitpid(pid, &ended, WNOHANG);
        for (int i = 0; i < STREAMS; i++) {
            drain(&streams[i], options->output_bytes_max);
        }
        if (reaped == pid) {
            return ended;
        }
        end_early(pid, options, start_ns, &asked_ns, result);
        wait_for_output(streams);
    }
}

ech_status ech_child_run(const ech_child_options *options, ech_child_result *result)
{
    assert(options->timeout_ns > 0 && options->arguments[0] != NULL);
    *result = (ech_child_result){.exit_code = -1};
    stream streams[STREAMS] = {{-1, -1, NULL, 0}, {-1, -1, NULL, 0}};
    pid_t pid = -1;
    const uint64_t start_ns = ech_clock_ns();
    ech_status status = open_stream(&streams[0], options->output_bytes_max);
    if (status == ECH_OK) {
        status = open_stream(&streams[1], options->output_bytes_max);
    }
    if (status == ECH_OK) {
        status = spawn(options, streams, &pid);
    }
    close_end(&streams[0].write_end);
    close_end(&streams[1].write_end);
    if (status == ECH_OK) {
        const int ended = wait_for_end(pid, options, streams, result);
        result->exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
        result->signal = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
    }
    close_end(&streams[0].read_end);
    close_end(&streams[1].read_end);
    result->output = streams[0].text;
    result->errors = streams[1].text;
    result->seconds = ech_clock_seconds(ech_clock_ns() - start_ns);
    return status;
}

void ech_child_result_free(ech_child_result *result)
{
    ech_free(result->output);
    ech_free(result->errors);
    *result = (ech_child_result){.exit_code = -1};
}
