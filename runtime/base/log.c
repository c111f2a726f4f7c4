#define _GNU_SOURCE
#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static atomic_int highest_level = ECH_LOG_INFO;
static atomic_int known_rank = -1;

void ech_log_set_level(ech_log_level level)
{
    atomic_store(&highest_level, (int)level);
}

void ech_log_set_rank(int rank)
{
    atomic_store(&known_rank, rank);
}

static int write_prefix(char *line, size_t bytes, ech_log_level level)
{
    static const char *const words[] = {"error: ", "warning: ", "", "debug: "};
    const int rank = atomic_load(&known_rank);
    if (rank >= 0) {
        return snprintf(line, bytes, "echelon[rank %d]: %s", rank, words[level]);
    }
    return snprintf(line, bytes, "echelon: %s", words[level]);
}

void ech_log(ech_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&highest_level)) {
        return;
    }
    char line[LINE_BYTES];
    const size_t prefix = (size_t)write_prefix(line, sizeof line, level);
    va_list arguments;
    va_start(arguments, format);
    const int written = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
    va_end(arguments);
    size_t length = prefix + (written > 0 ? (size_t)written : 0);
    if (length > sizeof line - 2) {
        length = sizeof line - 2;
    }
    line[length++] = '\n';
    /* A log line that cannot be written has nobody left to tell. */
    const ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}
