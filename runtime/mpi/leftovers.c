#define _GNU_SOURCE
#include "runtime/mpi/guard_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROC_PATH_BYTES = 64, LINE_BYTES = 4096 };

static bool is_pid(const char *name)
{
    return name[0] >= '1' && name[0] <= '9';
}

/* Parent of a process; 0 if it is gone. */
static int parent_of(int pid)
{
    char path[PROC_PATH_BYTES];
    char line[LINE_BYTES];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fgets(line, sizeof line, file) != NULL) {
        /* The name may hold anything, closing brackets included: read from the last one on. */
        const char *name_end = strrchr(line, ')');
        if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1) {
            parent = 0;
        }
    }
    fclose(file);
    return parent;
}

static bool maps_file(int pid, const char *target)
{
    char path[PROC_PATH_BYTES];
    char line[LINE_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, target);
        found = at != NULL && at[strlen(target)] == '\n';
    }
    fclose(file);
    return found;
}

static bool has_open(int pid, const char *target)
{
    char path[PROC_PATH_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *descriptors = opendir(path);
    if (descriptors == NULL) {
        return false;
    }
    const struct dirent *entry = NULL;
    while (!found && (entry = readdir(descriptors)) != NULL) {
        char link[PATH_MAX];
        const ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, link, sizeof link - 1);
        if (length > 0) {
            link[length] = '\0';
            found = strcmp(link, target) == 0;
        }
    }
    closedir(descriptors);
    return found;
}

static bool used_by_others(const char *target, int launcher)
{
    DIR *processes = opendir("/proc");
    if (processes == NULL) {
        return true;
    }
    bool used = false;
    const struct dirent *entry = NULL;
    while (!used && (entry = readdir(processes)) != NULL) {
        if (!is_pid(entry->d_name)) {
            continue;
        }
        const int pid = (int)strtol(entry->d_name, NULL, 10);
        if (maps_file(pid, target) || has_open(pid, target)) {
            used = parent_of(parent_of(pid)) != launcher;
        }
    }
    closedir(processes);
    return used;
}

static bool is_newer(const struct stat *file, struct timespec since)
{
    return file->st_mtim.tv_sec > since.tv_sec ||
           (file->st_mtim.tv_sec == since.tv_sec && file->st_mtim.tv_nsec >= since.tv_nsec);
}

int ech_leftovers_remove(const char *directory, const char *prefix, struct timespec since,
                         int launcher)
{
    int removed = 0;
    DIR *files = opendir(directory);
    if (files == NULL) {
        return 0;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(files)) != NULL) {
        char path[PATH_MAX];
        struct stat file;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
            fstatat(dirfd(files), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(file.st_mode) || file.st_uid != getuid() || !is_newer(&file, since)) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (!used_by_others(path, launcher) && unlink(path) == 0) {
            removed++;
        }
    }
    closedir(files);
    return removed;
}
