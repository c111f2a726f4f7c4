#define _GNU_SOURCE
/*
 * Kills a rank of a running `echelon fit` by SIGKILL, in a phase of its work.
 *
 *     kill_rank MARK FOLDER PHASE RANK DELAY_US
 *
 * MARK     a text "NAME=VALUE" in the job's environment, its own.
 * FOLDER   of the job's results.
 * PHASE    start, train, aggregate, evaluate, checkpoint, or any.
 * RANK     the one to kill if PHASE is any; the first to be looked at otherwise.
 * DELAY_US microseconds from the job's first sign of life until the killer begins to look.
 *
 * A rank is stopped first, and looked at again: what it does when it dies is what was asked for.
 * Prints "rank R in PHASE (details)". Exit code 0: killed; 3: the job ended first; 1: failed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/guard.h"
#include "tests/processes.h"

enum {
    RANKS_MAX = 64,
    PATH_BYTES = 512,
    LINK_BYTES = 128,
    EXIT_ENDED = 3,
    LOOKS_MIN = 50,
    LOOKS_MAX = 4000,
    DECIMAL = 10,
};

static const uint64_t look_for_ns = UINT64_C(60000000000);
static const uint64_t look_every_ns = 50000;
static const uint64_t stops_within_ns = UINT64_C(1000000000);

typedef struct {
    pid_t pid;
    const ech_black_box *box;
} victim;

typedef struct {
    const char *mark;
    const char *folder;
    const char *phase;
    int first_rank;
    victim ranks[RANKS_MAX]; /* by rank; pid 0: not seen */
} killer;

/* ---- finding ---- */

static bool has_mark(const char *pid, const char *mark)
{
    return ech_test_process_holds(pid, "environ", mark);
}

static const ech_black_box *map_box(const char *path)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return NULL;
    }
    void *box = mmap(NULL, sizeof(ech_black_box), PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    return box != MAP_FAILED ? box : NULL;
}

static const ech_black_box *find_box(const char *pid)
{
    char path[PATH_BYTES];
    const ech_black_box *box = NULL;
    snprintf(path, sizeof path, "/proc/%.16s/fd", pid);
    DIR *descriptors = opendir(path);
    const struct dirent *entry = NULL;
    while (descriptors != NULL && box == NULL && (entry = readdir(descriptors)) != NULL) {
        char link[LINK_BYTES] = "";
        snprintf(path, sizeof path, "/proc/%.16s/fd/%.16s", pid, entry->d_name);
        if (readlink(path, link, sizeof link - 1) > 0 && strstr(link, ECH_BLACK_BOX_FILE) != NULL) {
            box = map_box(path);
        }
    }
    if (descriptors != NULL) {
        closedir(descriptors);
    }
    return box;
}

/* A rank and its guard have the box; the rank is the one whose parent has it too. */
static void take(killer *k, const char *pid)
{
    char parent[PATH_BYTES];
    snprintf(parent, sizeof parent, "%d", (int)ech_test_process_parent(pid));
    if (!has_mark(pid, k->mark) || !has_mark(parent, k->mark)) {
        return;
    }
    const ech_black_box *box = find_box(pid);
    const ech_black_box *of_parent = box != NULL ? find_box(parent) : NULL;
    if (of_parent != NULL) {
        munmap((void *)of_parent, sizeof *of_parent);
    }
    const int rank = box != NULL && of_parent != NULL ? box->rank : -1;
    if (rank >= 0 && rank < RANKS_MAX && k->ranks[rank].pid == 0) {
        k->ranks[rank] = (victim){(pid_t)strtol(pid, NULL, DECIMAL), box};
    } else if (box != NULL) {
        munmap((void *)box, sizeof *box);
    }
}

static int find_ranks(killer *k)
{
    int found = 0;
    DIR *processes = opendir("/proc");
    const struct dirent *entry = NULL;
    while (processes != NULL && (entry = readdir(processes)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            take(k, entry->d_name);
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
    for (int rank = 0; rank < RANKS_MAX; rank++) {
        found += k->ranks[rank].pid > 0;
    }
    return found;
}

static bool any_lives(const killer *k)
{
    for (int rank = 0; rank < RANKS_MAX; rank++) {
        if (k->ranks[rank].pid > 0 && kill(k->ranks[rank].pid, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- aiming ---- */

static const char *phase_of(const killer *k, const ech_black_box *box)
{
    static const char *const apps[][2] = {
        {"fed.train", "train"},       {"fed.merge", "aggregate"},  {"fed.send", "aggregate"},
        {"fed.receive", "aggregate"}, {"fed.finish", "aggregate"}, {"fed.mean", "aggregate"},
        {"fed.evaluate", "evaluate"},
    };
    if (strcmp(k->phase, "checkpoint") == 0 || strcmp(k->phase, "any") == 0) {
        /* One that is being written has a temporary name. */
        if (box->rank == 0 && ech_test_folder_holds(k->folder, ".checkpoint-")) {
            return "checkpoint";
        }
    }
    if (box->task_id == ECH_BLACK_BOX_NO_TASK) {
        return strcmp(box->phase, "start") == 0 ? "start" : "between";
    }
    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++) {
        if (strcmp(box->app, apps[i][0]) == 0) {
            return apps[i][1];
        }
    }
    return "between";
}

static bool is_stopped(pid_t pid)
{
    char path[PATH_BYTES];
    char line[PATH_BYTES] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return false;
    }
    const bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *after_name = read ? strrchr(line, ')') : NULL;
    return after_name != NULL && strncmp(after_name, ") T", 3) == 0;
}

static bool stop(pid_t pid)
{
    const uint64_t until_ns = ech_clock_ns() + stops_within_ns;
    if (kill(pid, SIGSTOP) != 0) {
        return false;
    }
    while (!is_stopped(pid) && ech_clock_ns() < until_ns) {
        ech_clock_sleep_ns(look_every_ns);
    }
    return is_stopped(pid);
}

static bool try_kill(const killer *k, int rank)
{
    const victim *v = &k->ranks[rank];
    const bool any = strcmp(k->phase, "any") == 0;
    if (v->pid == 0 || (!any && strcmp(phase_of(k, v->box), k->phase) != 0)) {
        return false;
    }
    const bool stopped = stop(v->pid);
    const char *phase = stopped ? phase_of(k, v->box) : "";
    if (stopped && (any || strcmp(phase, k->phase) == 0) && kill(v->pid, SIGKILL) == 0) {
        printf("rank %d in %s (%s %s)\n", rank, phase, v->box->phase,
               v->box->task_id != ECH_BLACK_BOX_NO_TASK ? v->box->app : "no task");
        return true;
    }
    kill(v->pid, SIGCONT);
    return false;
}

/* Exit code. */
static int hunt(killer *k, uint64_t delay_ns)
{
    const uint64_t until_ns = ech_clock_ns() + look_for_ns;
    const bool any = strcmp(k->phase, "any") == 0;
    while (find_ranks(k) == 0 && ech_clock_ns() < until_ns) {
        ech_clock_sleep_ns(look_every_ns);
    }
    ech_clock_sleep_ns(delay_ns);
    while (find_ranks(k) > 0 && any_lives(k) && ech_clock_ns() < until_ns) {
        /* Looking for processes takes as long as a checkpoint does: seldom, once there are all. */
        const bool all_there = k->ranks[0].pid > 0 && strcmp(k->ranks[0].box->phase, "start") != 0;
        for (int looks = 0; looks < (all_there ? LOOKS_MAX : LOOKS_MIN); looks++) {
            for (int i = 0; i < (any ? 1 : RANKS_MAX); i++) {
                if (try_kill(k, (k->first_rank + i) % RANKS_MAX)) {
                    return EXIT_SUCCESS;
                }
            }
            ech_clock_sleep_ns(look_every_ns);
        }
    }
    return any_lives(k) ? EXIT_FAILURE : EXIT_ENDED;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: kill_rank MARK FOLDER PHASE RANK DELAY_US\n");
        return EXIT_FAILURE;
    }
    static killer k;
    k.mark = argv[1];
    k.folder = argv[2];
    k.phase = argv[3];
    k.first_rank = (int)strtol(argv[4], NULL, DECIMAL);
    return hunt(&k, strtoull(argv[5], NULL, DECIMAL) * 1000);
}
