#define _GNU_SOURCE
#include "io/checkpoint_folder_priv.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum { NAME_BYTES = 48, DECIMAL = 10 };

static void format_name(uint64_t round, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, ECH_CHECKPOINT_PREFIX "%06" PRIu64 ".h5", round);
}

char *ech_checkpoint_path(const char *folder, uint64_t round)
{
    char name[NAME_BYTES];
    format_name(round, name);
    const size_t bytes = strlen(folder) + 1 + sizeof name;
    char *path = ech_alloc(bytes);
    if (path != NULL) {
        snprintf(path, bytes, "%s/%s", folder, name);
    }
    return path;
}

/* Only names that this module would give: anything else in the folder is somebody's own. */
static bool parse_name(const char *name, uint64_t *round)
{
    if (strncmp(name, ECH_CHECKPOINT_PREFIX, sizeof ECH_CHECKPOINT_PREFIX - 1) != 0) {
        return false;
    }
    char again[NAME_BYTES];
    *round = strtoull(name + sizeof ECH_CHECKPOINT_PREFIX - 1, NULL, DECIMAL);
    format_name(*round, again);
    return strcmp(name, again) == 0;
}

static int newest_first(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a < b) - (a > b);
}

static ech_status append(uint64_t **rounds, size_t *count, size_t *capacity, uint64_t round)
{
    uint64_t *grown = ech_grow(*rounds, *count, capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    *rounds = grown;
    (*rounds)[(*count)++] = round;
    return ECH_OK;
}

ech_status ech_checkpoint_list(const char *folder, uint64_t **rounds, size_t *count)
{
    *rounds = NULL;
    *count = 0;
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot open the folder: %s", folder, strerror(errno));
    }
    size_t capacity = 0;
    ech_status status = ECH_OK;
    struct dirent *entry = readdir(directory);
    for (; entry != NULL && status == ECH_OK; entry = readdir(directory)) {
        uint64_t round = 0;
        if (parse_name(entry->d_name, &round)) {
            status = append(rounds, count, &capacity, round);
        }
    }
    closedir(directory);
    if (status != ECH_OK) {
        ech_free(*rounds);
        *rounds = NULL;
        *count = 0;
    } else if (*count > 0) {
        qsort(*rounds, *count, sizeof **rounds, newest_first);
    }
    return status;
}

static void remove_round(const char *folder, uint64_t round)
{
    char *path = ech_checkpoint_path(folder, round);
    if (path != NULL && unlink(path) != 0) {
        ech_log(ECH_LOG_WARNING, "%s: cannot remove: %s", path, strerror(errno));
    }
    ech_free(path);
}

void ech_checkpoint_rotate(const char *folder, uint64_t newest, uint32_t keep)
{
    uint64_t *rounds = NULL;
    size_t count = 0;
    if (ech_checkpoint_list(folder, &rounds, &count) != ECH_OK) {
        ech_log(ECH_LOG_WARNING, "old checkpoints stay: %s", ech_status_message());
        return;
    }
    uint32_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (rounds[i] > newest || kept == keep) {
            remove_round(folder, rounds[i]);
        } else {
            kept++;
        }
    }
    ech_free(rounds);
}
