#include "tests/processes.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { FILE_BYTES = 1 << 17, PATH_BYTES = 64, LINE_BYTES = 512 };

bool ech_test_process_holds(const char *pid, const char *file, const char *text)
{
    static char bytes[FILE_BYTES];
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%.16s/%.16s", pid, file);
    FILE *opened = fopen(path, "rbe");
    const size_t length = opened != NULL ? fread(bytes, 1, sizeof bytes - 1, opened) : 0;
    if (opened != NULL) {
        fclose(opened);
    }
    bytes[length] = '\0';
    for (size_t at = 0; at < length; at += strlen(bytes + at) + 1) {
        if (strcmp(bytes + at, text) == 0) {
            return true;
        }
    }
    return false;
}

pid_t ech_test_process_parent(const char *pid)
{
    char path[PATH_BYTES];
    char line[LINE_BYTES] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%.16s/stat", pid);
    FILE *file = fopen(path, "rbe");
    const char *after_name = NULL;
    if (file != NULL) {
        after_name = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
        fclose(file);
    }
    return after_name != NULL && sscanf(after_name, ") %*c %d", &parent) == 1 ? parent : 0;
}

bool ech_test_folder_holds(const char *folder, const char *prefix)
{
    bool found = false;
    DIR *directory = opendir(folder);
    const struct dirent *entry = NULL;
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        found = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return found;
}
