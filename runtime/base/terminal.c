#define _GNU_SOURCE
#include "runtime/base/terminal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ANCESTORS_MAX = 8, PATH_BYTES = 64, NAME_BYTES = 64, USUAL_COLUMNS = 80 };

static unsigned columns_of(int descriptor)
{
    struct winsize size;
    if (!isatty(descriptor)) {
        return 0;
    }
    const bool is_known = ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size.ws_col : USUAL_COLUMNS;
}

/* Name and parent of a process; false if it cannot be known. */
static bool read_process(long pid, char name[NAME_BYTES], long *parent)
{
    char path[PATH_BYTES];
    char line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const bool was_read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    /* "PID (NAME) STATE PARENT ...", where NAME may contain anything. */
    const char *open = was_read ? strchr(line, '(') : NULL;
    const char *close = was_read ? strrchr(line, ')') : NULL;
    if (open == NULL || close == NULL || close - open > NAME_BYTES) {
        return false;
    }
    snprintf(name, NAME_BYTES, "%.*s", (int)(close - open - 1), open + 1);
    *parent = strtol(close + strlen(") S "), NULL, 10);
    return true;
}

static bool is_starter(const char *name)
{
    return strncmp(name, "mpiexec", 7) == 0 || strncmp(name, "mpirun", 6) == 0 ||
           strcmp(name, "srun") == 0;
}

static unsigned columns_of_process(long pid)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%ld/fd/2", pid);
    char target[PATH_BYTES];
    const ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0) {
        return 0;
    }
    target[length] = '\0';
    if (strncmp(target, "/dev/", 5) != 0) {
        return 0;
    }
    const int descriptor = open(target, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return 0;
    }
    const unsigned columns = columns_of(descriptor);
    close(descriptor);
    return columns;
}

unsigned ech_terminal_columns(void)
{
    unsigned columns = columns_of(STDERR_FILENO);
    long pid = (long)getppid();
    for (int i = 0; columns == 0 && i < ANCESTORS_MAX && pid > 1; i++) {
        char name[NAME_BYTES];
        long parent = 0;
        if (!read_process(pid, name, &parent)) {
            return 0;
        }
        if (is_starter(name)) {
            return columns_of_process(pid);
        }
        pid = parent;
    }
    return columns;
}
