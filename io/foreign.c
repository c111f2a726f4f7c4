#define _GNU_SOURCE
#include "io/foreign_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/service_priv.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum { PID_TEXT_BYTES = 16, EXIT_NOT_STARTED = 127 };

struct ech_foreign {
    const char *path;
    const char *program; /* the service's */
    uint64_t timeout_ns;
    pid_t child; /* 0: none */
    int socket;
};

/* The service's thread blocks all signals; the child must not inherit that. */
static int plain_signals(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/* Nothing but the socket, and no terminal to print a dying library's last words to. */
static int only_descriptor(posix_spawn_file_actions_t *actions, int child_socket)
{
    int error = posix_spawn_file_actions_adddup2(actions, child_socket, ECH_FOREIGN_DESCRIPTOR);
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO && error == 0; standard++) {
        error = posix_spawn_file_actions_addopen(actions, standard, "/dev/null", O_RDWR, 0);
    }
    return error;
}

static int spawn_program(char *const *arguments, int child_socket, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = only_descriptor(&actions, child_socket);
        error = error == 0 ? plain_signals(&attributes) : error;
        error = error == 0
                    ? posix_spawn(child, arguments[0], &actions, &attributes, arguments, environ)
                    : error;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static ech_status fail_to_start(const ech_foreign *foreign, const char *why)
{
    return ech_fail(ECH_ERR_SYSTEM, "%s: cannot start its reader %s: %s", foreign->path,
                    foreign->program, why);
}

static ech_status spawn(ech_foreign *foreign, int child_socket)
{
    char parent[PID_TEXT_BYTES];
    char command[] = ECH_FOREIGN_COMMAND;
    char *path = ech_strdup(foreign->path);
    char *name = ech_strdup(foreign->program);
    int error = ENOMEM;
    if (path != NULL && name != NULL) {
        snprintf(parent, sizeof parent, "%ld", (long)getpid());
        char *arguments[] = {name, command, path, parent, NULL};
        error = spawn_program(arguments, child_socket, &foreign->child);
    }
    ech_free(name);
    ech_free(path);
    if (error != 0) {
        foreign->child = 0;
        return fail_to_start(foreign, strerror(error));
    }
    return ECH_OK;
}

ech_status ech_foreign_open(const ech_io *io, const char *path, ech_foreign **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->path = path;
    (*out)->program = ech_io_reader_program(io);
    (*out)->timeout_ns = ech_io_reader_timeout_ns(io);
    int ends[2] = {-1, -1};
    ech_status status = ECH_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        status = ech_fail(ECH_ERR_SYSTEM, "%s: cannot make a socket to its reader: %s", path,
                          strerror(errno));
    }
    (*out)->socket = ends[0];
    if (status == ECH_OK) {
        status = spawn(*out, ends[1]);
        close(ends[1]);
    }
    if (status != ECH_OK) {
        ech_foreign_close(out);
    }
    return status;
}

/* @return the wait status of the child, which is gone afterwards; 0 if it cannot be known. */
static int end_child(ech_foreign *foreign)
{
    int how = 0;
    if (foreign->child > 0) {
        kill(foreign->child, SIGKILL);
        while (waitpid(foreign->child, &how, 0) < 0 && errno == EINTR) {
        }
        foreign->child = 0;
    }
    return how;
}

void ech_foreign_close(ech_foreign **foreign)
{
    if (foreign == NULL || *foreign == NULL) {
        return;
    }
    end_child(*foreign);
    if ((*foreign)->socket >= 0) {
        close((*foreign)->socket);
    }
    ech_free(*foreign);
    *foreign = NULL;
}

/* The socket is closed from the other side: by what death? */
static ech_status child_died(ech_foreign *foreign)
{
    siginfo_t info = {0};
    /* Without WNOWAIT's look first, the kill in end_child would be the death that is reported. */
    waitid(P_PID, (id_t)foreign->child, &info, WEXITED | WNOWAIT);
    end_child(foreign);
    if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
        return ech_fail(ECH_ERR_FORMAT, "%s: damaged: HDF5 crashed on it (signal %d, %s)",
                        foreign->path, info.si_status, strsignal(info.si_status));
    }
    /* posix_spawn may tell so of what it could not start; a loader does, without a library. */
    if (info.si_status == EXIT_NOT_STARTED) {
        const bool is_there = access(foreign->program, X_OK) == 0;
        return fail_to_start(foreign, is_there ? "exit code 127" : strerror(errno));
    }
    return ech_fail(ECH_ERR_FORMAT, "%s: its reader ended with code %d without an answer",
                    foreign->path, info.si_status);
}

static ech_status wait_for_answer(ech_foreign *foreign)
{
    const uint64_t deadline = ech_clock_ns() + foreign->timeout_ns;
    for (;;) {
        const uint64_t now = ech_clock_ns();
        const uint64_t left_ms = deadline > now ? (deadline - now) / 1000000U + 1 : 0;
        struct pollfd end = {.fd = foreign->socket, .events = POLLIN};
        const int ready = poll(&end, 1, (int)left_ms);
        if (ready > 0) {
            return ECH_OK;
        }
        if (ready == 0 && left_ms == 0) {
            end_child(foreign);
            return ech_fail(ECH_ERR_FORMAT, "%s: damaged: HDF5 gave no answer in %.1f s",
                            foreign->path, ech_clock_seconds(foreign->timeout_ns));
        }
        if (ready < 0 && errno != EINTR) {
            return ech_fail(ECH_ERR_SYSTEM, "%s: cannot wait for its reader: %s", foreign->path,
                            strerror(errno));
        }
    }
}

static ech_status receive(ech_foreign *foreign, void *data, size_t bytes)
{
    char *next = data;
    while (bytes > 0) {
        const ech_status status = wait_for_answer(foreign);
        if (status != ECH_OK) {
            return status;
        }
        const ssize_t got = recv(foreign->socket, next, bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return child_died(foreign);
        }
        next += got;
        bytes -= (size_t)got;
    }
    return ECH_OK;
}

/* A child that failed once is gone; later requests say so instead of hanging. */
static ech_status ask(ech_foreign *foreign, const ech_foreign_request *request,
                      ech_foreign_answer *answer)
{
    if (foreign->child == 0) {
        return ech_fail(ECH_ERR_FORMAT, "%s: its reader has ended", foreign->path);
    }
    const ssize_t sent = send(foreign->socket, request, sizeof *request, MSG_NOSIGNAL);
    if (sent != (ssize_t)sizeof *request) {
        return child_died(foreign);
    }
    const ech_status status = receive(foreign, answer, sizeof *answer);
    if (status != ECH_OK) {
        return status;
    }
    answer->message[sizeof answer->message - 1] = '\0';
    if (answer->status != ECH_OK) {
        return ech_fail((ech_status)answer->status, "%s", answer->message);
    }
    return ECH_OK;
}

static ech_status make_request(const ech_foreign *foreign, ech_foreign_kind kind, const char *name,
                               const char *attribute, ech_foreign_request *request)
{
    memset(request, 0, sizeof *request);
    request->kind = kind;
    if (strlen(name) >= sizeof request->name || strlen(attribute) >= sizeof request->attribute) {
        return ech_fail(ECH_ERR_FORMAT, "%s: dataset %.64s...: names have at most %d bytes",
                        foreign->path, name, ECH_FOREIGN_NAME_BYTES - 1);
    }
    memcpy(request->name, name, strlen(name));
    memcpy(request->attribute, attribute, strlen(attribute));
    return ECH_OK;
}

ech_status ech_foreign_describe(ech_foreign *foreign, const char *name, ech_array_info *info)
{
    ech_foreign_request request;
    ech_foreign_answer answer;
    ech_status status = make_request(foreign, ECH_FOREIGN_DESCRIBE, name, "", &request);
    if (status == ECH_OK) {
        status = ask(foreign, &request, &answer);
    }
    if (status == ECH_OK) {
        *info = answer.info;
    }
    return status;
}

ech_status ech_foreign_attribute(ech_foreign *foreign, const char *object, const char *name,
                                 bool *present, uint64_t *value)
{
    ech_foreign_request request;
    ech_foreign_answer answer;
    *present = false;
    ech_status status = make_request(foreign, ECH_FOREIGN_ATTRIBUTE, object, name, &request);
    if (status == ECH_OK) {
        status = ask(foreign, &request, &answer);
    }
    if (status == ECH_OK) {
        *present = answer.present != 0;
        *value = answer.value;
    }
    return status;
}

ech_status ech_foreign_read(ech_foreign *foreign, const char *name, const ech_array_info *info,
                            uint64_t first, uint64_t count, void *rows)
{
    ech_foreign_request request;
    ech_status status = make_request(foreign, ECH_FOREIGN_READ, name, "", &request);
    const uint64_t row_bytes = ech_array_row_bytes(info);
    const uint64_t fitting = row_bytes > 0 ? ECH_FOREIGN_PIECE_BYTES / row_bytes : count;
    const uint64_t piece = fitting > 0 ? fitting : 1;
    char *next = rows;
    while (count > 0 && status == ECH_OK) {
        ech_foreign_answer answer;
        request.first = first;
        request.count = count < piece ? count : piece;
        const uint64_t bytes = request.count * row_bytes;
        status = ask(foreign, &request, &answer);
        if (status == ECH_OK && answer.bytes != bytes) {
            end_child(foreign);
            status = ech_fail(ECH_ERR_FORMAT, "%s: dataset %s changes while it is read",
                              foreign->path, name);
        }
        if (status == ECH_OK) {
            status = receive(foreign, next, bytes);
        }
        next += bytes;
        first += request.count;
        count -= request.count;
    }
    return status;
}
