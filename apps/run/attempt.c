#define _GNU_SOURCE
#include "apps/run/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/fed/round.h"

enum {
    PIECE_BYTES = 4096,
    LINE_BYTES = 2048,
    FIRST_SIGNAL_CODE = 128,
    CANNOT_START = 127,
    DEATHS_MAX = 500
};

static const uint64_t leave_within_ns = UINT64_C(10000000000);
static const uint64_t look_every_ns = UINT64_C(10000000);

typedef struct {
    ech_attempt *attempt;
    pid_t launcher; /* 0 once it has ended */
    int signals;
    int errors; /* of the job, through the launcher; -1 once all writers are gone */
    char line[LINE_BYTES];
    size_t line_length;
} watcher;

sigset_t ech_attempt_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    return set;
}

/* ---- what the ranks say ---- */

/* The line of a rank's guard (runtime/mpi/guard.h): the first one names the cause of the others. */
static void read_death(watcher *watch)
{
    static const char start[] = "echelon: error: rank ";
    char *death = watch->attempt->death;
    const char *found = strstr(watch->line, start);
    if (found != NULL && death[0] == '\0' && strstr(found, " on host ") != NULL) {
        snprintf(death, ECH_ATTEMPT_WORDS_BYTES, "%.*s", ECH_ATTEMPT_WORDS_BYTES - 1,
                 found + strlen("echelon: error: "));
    }
}

static void read_line(watcher *watch)
{
    watch->line[watch->line_length] = '\0';
    watch->line_length = 0;
    read_death(watch);
    watch->attempt->stopped =
        watch->attempt->stopped || strstr(watch->line, "warning: " ECH_RUN_STOPPED) != NULL;
}

static void listen_to(watcher *watch, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            read_line(watch);
        } else if (watch->line_length < LINE_BYTES - 1) {
            watch->line[watch->line_length++] = text[i];
        }
    }
}

/* Pass on what is there. */
static void relay(watcher *watch)
{
    char piece[PIECE_BYTES];
    ssize_t got = 0;
    while (watch->errors >= 0 && (got = read(watch->errors, piece, sizeof piece)) != -1) {
        if (got == 0) {
            close(watch->errors);
            watch->errors = -1;
            return;
        }
        listen_to(watch, piece, (size_t)got);
        /* Nobody is left to tell where standard error itself is gone. */
        const ssize_t ignored = write(STDERR_FILENO, piece, (size_t)got);
        (void)ignored;
    }
}

/* ---- its life ---- */

static void become_launcher(const char *const *arguments, int errors, int refused, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A group of its own: a terminal's Ctrl-C comes once, through the supervisor. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() == parent && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(errors, STDERR_FILENO) >= 0) {
        execvp(arguments[0], (char *const *)arguments);
    }
    const int error = errno;
    const ssize_t ignored = write(refused, &error, sizeof error);
    (void)ignored;
    _exit(CANNOT_START);
}

/* Blocks until the launcher runs or could not be started: `refused` closes with the exec. */
static ech_status await_start(watcher *watch, const char *program, int refused)
{
    int error = 0;
    ssize_t got = 0;
    do {
        got = read(refused, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    close(refused);
    if (got <= 0) {
        return ECH_OK;
    }
    waitpid(watch->launcher, NULL, 0);
    watch->launcher = 0;
    return ech_fail(ECH_ERR_SYSTEM, "cannot start %s: %s", program, strerror(error));
}

static ech_status start(watcher *watch, const char *const *arguments)
{
    int errors[2] = {-1, -1};
    int refused[2] = {-1, -1};
    const pid_t parent = getpid();
    if (pipe2(errors, O_CLOEXEC) != 0 || pipe2(refused, O_CLOEXEC) != 0) {
        close(errors[0]);
        close(errors[1]);
        return ech_fail(ECH_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    }
    watch->errors = errors[0];
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    watch->launcher = fork();
    const int error = errno;
    if (watch->launcher == 0) {
        become_launcher(arguments, errors[1], refused[1], parent);
    }
    close(errors[1]);
    close(refused[1]);
    if (watch->launcher < 0) {
        watch->launcher = 0;
        close(refused[0]);
        return ech_fail(ECH_ERR_SYSTEM, "cannot fork: %s", strerror(error));
    }
    return await_start(watch, arguments[0], refused[0]);
}

static void note_end(watcher *watch, int state)
{
    watch->launcher = 0;
    watch->attempt->exit_code =
        WIFEXITED(state) ? WEXITSTATUS(state) : FIRST_SIGNAL_CODE + WTERMSIG(state);
}

/* The dead among the children: the launcher, and what it left behind. @return is any alive? */
static bool reap(watcher *watch)
{
    int state = 0;
    pid_t dead = 0;
    while ((dead = waitpid(-1, &state, WNOHANG)) > 0) {
        if (dead == watch->launcher) {
            note_end(watch, state);
        }
    }
    return dead == 0;
}

static void take_signals(watcher *watch)
{
    struct signalfd_siginfo signal;
    while (read(watch->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGCHLD) {
            reap(watch);
        } else {
            watch->attempt->stopping = true;
            if (watch->launcher > 0) {
                kill(watch->launcher, (int)signal.ssi_signo);
            }
        }
    }
}

/* Children of this process, which adopts what the launcher leaves behind. */
static void kill_children(void)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        ech_log(ECH_LOG_WARNING, "process %d outlived its job: killed", pid);
        kill(pid, SIGKILL);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* The next attempt must not meet a rank of this one, which still holds files of the run. */
static void clear_up(watcher *watch)
{
    const uint64_t until_ns = ech_clock_ns() + leave_within_ns;
    while (reap(watch) && ech_clock_ns() < until_ns) {
        relay(watch);
        ech_clock_sleep_ns(look_every_ns);
    }
    /* Each death hands down the children of the dead. */
    for (int deaths = 0; reap(watch) && deaths < DEATHS_MAX; deaths++) {
        kill_children();
        ech_clock_sleep_ns(look_every_ns);
    }
    relay(watch);
    if (watch->line_length > 0) {
        read_line(watch);
    }
}

static void follow(watcher *watch)
{
    while (watch->launcher > 0) {
        struct pollfd waits[] = {{.fd = watch->signals, .events = POLLIN},
                                 {.fd = watch->errors, .events = POLLIN}};
        if (poll(waits, sizeof waits / sizeof waits[0], -1) > 0) {
            take_signals(watch);
            relay(watch);
        }
    }
    clear_up(watch);
}

ech_status ech_attempt_run(const char *const *arguments, ech_attempt *attempt)
{
    *attempt = (ech_attempt){0};
    watcher watch = {.attempt = attempt, .errors = -1};
    const sigset_t signals = ech_attempt_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    watch.signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (watch.signals < 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot wait for signals: %s", strerror(errno));
    }
    const ech_status status = start(&watch, arguments);
    if (status == ECH_OK) {
        follow(&watch);
    }
    if (watch.errors >= 0) {
        close(watch.errors);
    }
    close(watch.signals);
    return status;
}
