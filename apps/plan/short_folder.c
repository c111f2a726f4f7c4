#define _GNU_SOURCE
#include "apps/plan/short_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "echelon-plan-"
#define CONFIG "config.yaml"

static const char *parent_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] == '/' ? folder : "/tmp";
}

/* ---- removal ---- */

/* The folder itself: a link that somebody put there is none. -1: there is none of this user. */
static int open_own(int parent, const char *name)
{
    struct stat facts;
    const int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0 && (fstat(folder, &facts) != 0 || facts.st_uid != geteuid())) {
        close(folder);
        return -1;
    }
    return folder;
}

/* Takes the descriptor. */
static void empty_folder(int folder)
{
    DIR *directory = fdopendir(folder);
    const struct dirent *entry = NULL;
    if (directory == NULL) {
        close(folder);
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        (void)unlinkat(folder, entry->d_name, 0);
    }
    closedir(directory);
}

static void remove_folder(int parent, const char *name)
{
    const int folder = open_own(parent, name);
    if (folder >= 0) {
        empty_folder(folder);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
    }
}

static bool is_left_behind(int parent, const char *name)
{
    const int folder = open_own(parent, name);
    if (folder < 0) {
        return false;
    }
    const int config = openat(folder, CONFIG, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    const bool is_free = config >= 0 && flock(config, LOCK_EX | LOCK_NB) == 0;
    if (config >= 0) {
        close(config);
    }
    close(folder);
    return is_free;
}

static void remove_left_behind(void)
{
    DIR *directory = opendir(parent_folder());
    const struct dirent *entry = NULL;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            is_left_behind(dirfd(directory), entry->d_name)) {
            remove_folder(dirfd(directory), entry->d_name);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* ---- life ---- */

/* Each run sets its own keys: the file has none but a name, which it gets when it is locked. */
static ech_status write_config(ech_short_folder *folder)
{
    static const char text[] = "name: calibration\n";
    char part[sizeof folder->config];
    snprintf(part, sizeof part, "%s/part", folder->path);
    snprintf(folder->config, sizeof folder->config, "%s/" CONFIG, folder->path);
    folder->lock = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (folder->lock < 0 || flock(folder->lock, LOCK_EX) != 0 ||
        write(folder->lock, text, strlen(text)) != (ssize_t)strlen(text) ||
        rename(part, folder->config) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be written: %s", folder->config, strerror(errno));
    }
    return ECH_OK;
}

ech_status ech_short_folder_create(ech_short_folder *out)
{
    *out = (ech_short_folder){.lock = -1};
    remove_left_behind();
    snprintf(out->path, sizeof out->path, "%s/" PREFIX "XXXXXX", parent_folder());
    if (mkdtemp(out->path) == NULL) {
        const ech_status status =
            ech_fail(ECH_ERR_FILE, "%s: a folder cannot be made: %s", out->path, strerror(errno));
        out->path[0] = '\0';
        return status;
    }
    return write_config(out);
}

void ech_short_folder_clear(ech_short_folder *folder)
{
    if (folder->path[0] == '\0') {
        return;
    }
    remove_folder(AT_FDCWD, folder->path);
    if (folder->lock >= 0) {
        close(folder->lock);
    }
    *folder = (ech_short_folder){.lock = -1};
}
