#define _GNU_SOURCE
#include "tests/support.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/child.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "tests/limits.h"

/* Criterion hangs on a message that is very long. */
enum { OPEN_DIRECTORIES = 16, SCRIPT_BYTES = 4096, OUTPUT_BYTES = 1 << 20, SHOWN_BYTES = 16000 };
enum { PORT_FIRST = 10240, PORT_END = 32768 };
enum { SCRIPT_SECONDS = 120 };

void ech_test_expect_no_leak(void)
{
    cr_expect_eq(ech_memory_live_count(), 0, "%zu blocks of %zu bytes were not freed",
                 ech_memory_live_count(), ech_memory_held_bytes());
}

void ech_test_make_directory(char path[ECH_TEST_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, ECH_TEST_PATH_BYTES, "%s/echelon-test-XXXXXX", parent != NULL ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(path), "cannot make %s: %s", path, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *position)
{
    (void)status;
    (void)kind;
    (void)position;
    return remove(path);
}

void ech_test_remove_directory(const char *path)
{
    cr_assert_eq(nftw(path, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS), 0,
                 "cannot remove %s: %s", path, strerror(errno));
}

void ech_test_write_bytes(const char *directory, const char *name, const void *bytes, size_t count,
                          char path[ECH_TEST_PATH_BYTES])
{
    snprintf(path, ECH_TEST_PATH_BYTES, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "cannot write %s: %s", path, strerror(errno));
    const size_t written = fwrite(bytes, 1, count, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(written, count);
}

void ech_test_write_text(const char *directory, const char *name, const char *text,
                         char path[ECH_TEST_PATH_BYTES])
{
    ech_test_write_bytes(directory, name, text, strlen(text), path);
}

void ech_test_shell(const char *directory, const char *format, ...)
{
    char script[SCRIPT_BYTES];
    const size_t used = (size_t)snprintf(script, sizeof script, "set -e; cd '%s'; ", directory);
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(script + used, sizeof script - used, format, arguments);
    va_end(arguments);
    cr_assert_lt(used + (size_t)length, sizeof script, "a script of over %d bytes", SCRIPT_BYTES);
    ech_child_result result;
    const char *const all[] = {"sh", "-c", script, NULL};
    const ech_child_options options = {.arguments = all,
                                       .timeout_ns = ech_test_limit_ns(SCRIPT_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(result.exit_code, 0, "%s\n%.*s%.*s", script, SHOWN_BYTES, result.output,
                 SHOWN_BYTES, result.errors);
    ech_child_result_free(&result);
}

size_t ech_test_count_entries(const char *directory)
{
    DIR *entries = opendir(directory);
    cr_assert_not_null(entries, "cannot read %s: %s", directory, strerror(errno));
    size_t count = 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(entries);
    return count;
}

static bool is_free(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int probe = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_geq(probe, 0);
    const bool free = bind(probe, (const struct sockaddr *)&address, sizeof address) == 0;
    close(probe);
    return free;
}

/* None of those that the system gives to connections (from 32768 on): who dials one of those before
 * anybody listens there may be given it for his own end. */
int ech_test_free_port(void)
{
    ech_random stream = ech_random_stream(ech_clock_ns(), ECH_RANDOM_TEST, 0, 0, 0);
    int port = 0;
    do {
        port = PORT_FIRST + (int)ech_random_below(&stream, PORT_END - PORT_FIRST);
    } while (!is_free(port));
    return port;
}
