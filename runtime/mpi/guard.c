#define _GNU_SOURCE
#include "runtime/mpi/guard.h"

#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/guard_priv.h"

enum {
    CAUSE_BYTES = 160,
    EXIT_FAILED = 1,
    /* How often the guard looks for an overrun bound; idle otherwise. */
    LOOK_EVERY_S = 1
};

static const uint64_t abort_bound_ns = 4000000000;
static const uint64_t launcher_reads_ns = 1000000000;
static const uint64_t launcher_looks_ns = 2000000;
static const uint64_t launcher_passes_on_ns = 300000000;

static ech_black_box private_box = {.rank = -1};
static ech_black_box *box = &private_box;
static pid_t guard_pid;

ech_black_box *ech_guard_box(void)
{
    return box;
}

/* A launcher that sees the job end drops what is still in its pipes and sockets: wait until it has
 * taken the line, and give it a moment to pass it on. */
static void let_launcher_read(void)
{
    const uint64_t until_ns = ech_clock_ns() + launcher_reads_ns;
    int unread = 0;
    while (ioctl(STDERR_FILENO, FIONREAD, &unread) == 0 && unread > 0 &&
           ech_clock_ns() < until_ns) {
        ech_clock_sleep_ns(launcher_looks_ns);
    }
    ech_clock_sleep_ns(launcher_passes_on_ns);
}

/* Standard error may be full or gone; then there is nobody left to tell. */
static void print_once(const char *cause)
{
    char line[ECH_GUARD_LINE_BYTES];
    if (atomic_exchange(&box->reported, 1) != 0) {
        return;
    }
    const size_t length = ech_guard_line(box, cause, line);
    if (write(STDERR_FILENO, line, length) > 0) {
        let_launcher_read();
    }
}

/* In the rank: its guard is gone (the kernel sends the signal then), or somebody sent SIGUSR2. */
static void end_at_once(int signal_number)
{
    (void)signal_number;
    print_once(getppid() == guard_pid ? "killed by SIGUSR2" : "its parent process was killed");
    _exit(EXIT_FAILED);
}

/* An end that the other ranks cannot know of must not look like success, or they wait for ever. */
static noreturn void follow_exit(int code)
{
    char cause[CAUSE_BYTES];
    if (atomic_load(&box->in_job) == 0) {
        _exit(code);
    }
    snprintf(cause, sizeof cause, "exited with code %d before the end of the job", code);
    print_once(cause);
    _exit(code != 0 ? code : EXIT_FAILED);
}

/* What MPICH and UCX make while they start, and remove before they have started. */
static void remove_leftovers(struct timespec begin)
{
    static const char *const prefixes[] = {"mpich_shar_", "ucx_shm_posix_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        (void)ech_leftovers_remove("/dev/shm", prefixes[i], begin, getppid());
    }
}

static noreturn void follow_death(int signal_number, struct timespec begin)
{
    char cause[CAUSE_BYTES];
    const char *name = sigdescr_np(signal_number);
    snprintf(cause, sizeof cause, "killed by signal %d (%s)", signal_number,
             name != NULL ? name : "unknown");
    print_once(cause);
    remove_leftovers(begin);
    kill(getpid(), SIGKILL);
    _exit(EXIT_FAILED);
}

static void kill_if_overdue(pid_t child)
{
    char cause[CAUSE_BYTES];
    const uint64_t bound_ns = atomic_load(&box->bound_ns);
    if (bound_ns == 0 || ech_clock_ns() < bound_ns) {
        return;
    }
    snprintf(cause, sizeof cause, "no return from %s within its time limit", box->bound_call);
    print_once(cause);
    kill(child, SIGKILL);
}

static void pass_on(pid_t child, int signal_number)
{
    static bool interrupted;
    if (signal_number == SIGUSR2) {
        print_once("killed by SIGUSR2");
        kill(child, SIGKILL);
    } else if (signal_number == SIGINT && interrupted) {
        print_once("killed by a second SIGINT");
        kill(child, SIGKILL);
    } else {
        interrupted = interrupted || signal_number == SIGINT;
        kill(child, signal_number);
    }
}

static sigset_t watched_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGINT);
    return set;
}

static noreturn void watch(pid_t child, const sigset_t *watched, struct timespec begin)
{
    const struct timespec look_every = {.tv_sec = LOOK_EVERY_S};
    for (;;) {
        int state = 0;
        const int signal_number = sigtimedwait(watched, NULL, &look_every);
        if (waitpid(child, &state, WNOHANG) == child) {
            if (WIFEXITED(state)) {
                follow_exit(WEXITSTATUS(state));
            }
            follow_death(WTERMSIG(state), begin);
        }
        if (signal_number > 0 && signal_number != SIGCHLD) {
            pass_on(child, signal_number);
        }
        kill_if_overdue(child);
    }
}

static ech_status become_rank(const sigset_t *before)
{
    struct sigaction action = {.sa_handler = end_at_once};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR2, &action, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGUSR2) != 0 ||
        sigprocmask(SIG_SETMASK, before, NULL) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot prepare for the guard: %s", strerror(errno));
    }
    if (getppid() != guard_pid) {
        end_at_once(SIGUSR2); /* it died before the kernel knew whom to tell */
    }
    return ECH_OK;
}

static void copy_name(char *to, const char *from)
{
    const size_t length = strnlen(from, ECH_BLACK_BOX_NAME_BYTES - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* As a launcher tells its processes; -1 if there is none. Not SLURM_PROCID: a batch script has it
 * too, which starts the ranks itself. */
static int32_t launched_rank(void)
{
    static const char *const names[] = {"PMI_RANK", "PMIX_RANK", "PALS_RANKID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = getenv(names[i]);
        if (text != NULL && text[0] >= '0' && text[0] <= '9') {
            return (int32_t)strtol(text, NULL, 10);
        }
    }
    return -1;
}

bool ech_guard_is_launched(void)
{
    return launched_rank() >= 0;
}

/* What is known before MPI is: a rank may die in MPI_Init. */
static void fill_box(ech_black_box *fresh)
{
    fresh->rank = launched_rank();
    (void)gethostname(fresh->host, sizeof fresh->host - 1);
    copy_name(fresh->phase, "start");
}

/* The descriptor stays open: /proc/PID/fd shows the box to whoever may look into the process. */
static void *map_box(void)
{
    const int descriptor = memfd_create(ECH_BLACK_BOX_FILE, MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, sizeof *box) != 0) {
        return MAP_FAILED;
    }
    return mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
}

ech_status ech_guard_start(void)
{
    struct timespec begin = {0};
    sigset_t before;
    const sigset_t watched = watched_signals();
    clock_gettime(CLOCK_REALTIME_COARSE, &begin); /* the clock of file times */
    void *shared = map_box();
    if (shared == MAP_FAILED) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot map the guard's memory: %s", strerror(errno));
    }
    fill_box(shared);
    sigprocmask(SIG_BLOCK, &watched, &before);
    guard_pid = getpid();
    const pid_t child = fork();
    if (child < 0) {
        const int error = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        munmap(shared, sizeof *box);
        return ech_fail(ECH_ERR_SYSTEM, "cannot fork a guard: %s", strerror(error));
    }
    box = shared;
    if (child > 0) {
        watch(child, &watched, begin);
    }
    return become_rank(&before);
}

static void format_into(char *text, const char *format, va_list arguments)
{
    vsnprintf(text, ECH_BLACK_BOX_NAME_BYTES, format, arguments);
}

void ech_guard_phase(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_into(box->phase, format, arguments);
    va_end(arguments);
}

void ech_guard_enter_task(uint64_t task_id, const char *app)
{
    copy_name(box->app, app);
    box->detail[0] = '\0';
    box->task_id = task_id;
}

void ech_guard_leave_task(void)
{
    box->task_id = ECH_BLACK_BOX_NO_TASK;
}

ech_guard_task ech_guard_save_task(void)
{
    ech_guard_task task = {.task_id = box->task_id};
    memcpy(task.app, box->app, sizeof task.app);
    memcpy(task.detail, box->detail, sizeof task.detail);
    return task;
}

void ech_guard_restore_task(const ech_guard_task *task)
{
    memcpy(box->app, task->app, sizeof task->app);
    memcpy(box->detail, task->detail, sizeof task->detail);
    box->task_id = task->task_id;
}

void ech_guard_detail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_into(box->detail, format, arguments);
    va_end(arguments);
}

void ech_guard_bound(const char *call, uint64_t timeout_ns)
{
    copy_name(box->bound_call, call);
    atomic_store(&box->bound_ns, ech_clock_ns() + timeout_ns);
}

void ech_guard_unbound(void)
{
    atomic_store(&box->bound_ns, 0);
}

noreturn void ech_abort(ech_status status)
{
    int started = 0;
    int finished = 0;
    const char *message = ech_status_message();
    print_once(message[0] != '\0' ? message : ech_status_string(status));
    MPI_Initialized(&started);
    MPI_Finalized(&finished);
    const int code = status == ECH_OK ? EXIT_FAILED : ech_status_exit_code(status);
    if (started && !finished) {
        ech_guard_bound("MPI_Abort", abort_bound_ns);
        MPI_Abort(MPI_COMM_WORLD, code);
    }
    _exit(code);
}
