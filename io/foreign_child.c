#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/foreign_priv.h"
#include "io/h5_priv.h"
#include "runtime/base/memory.h"

enum { ARGUMENT_COUNT = 4, DECIMAL = 10, EXIT_MISUSE = 2, STATM_BYTES = 128 };

static const uint64_t memory_bytes = (uint64_t)4 << 30;

/* What the process has mapped by now: sanitizers map terabytes, which no limit may cut. */
static rlim_t mapped_bytes(void)
{
    char text[STATM_BYTES] = "";
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL) {
        return 0;
    }
    const char *line = fgets(text, sizeof text, statm);
    fclose(statm);
    const unsigned long pages = line != NULL ? strtoul(line, NULL, DECIMAL) : 0;
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void limit_memory(const char *path)
{
    struct stat file;
    const rlim_t mapped = mapped_bytes();
    if (mapped > 0 && stat(path, &file) == 0) {
        const rlim_t bytes = mapped + memory_bytes + 4 * (rlim_t)file.st_size;
        setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
    }
}

/* The child may not outlive its parent, keep its descriptors (the process manager's socket is one:
 * it must close when the rank dies), take all memory, or leave a core file. */
static void limit_process(const char *path, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_MISUSE);
    }
    closefrom(ECH_FOREIGN_DESCRIPTOR + 1);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    limit_memory(path);
}

static bool receive_request(ech_foreign_request *request)
{
    const ssize_t got = recv(ECH_FOREIGN_DESCRIPTOR, request, sizeof *request, MSG_WAITALL);
    request->name[sizeof request->name - 1] = '\0';
    request->attribute[sizeof request->attribute - 1] = '\0';
    return got == (ssize_t)sizeof *request;
}

static bool send_all(const void *data, size_t bytes)
{
    const char *next = data;
    while (bytes > 0) {
        const ssize_t sent = send(ECH_FOREIGN_DESCRIPTOR, next, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        next += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

/* Rows into a new block; the caller frees it. */
static ech_status read_rows(ech_array_file *file, const ech_foreign_request *request,
                            uint64_t *bytes, void **rows)
{
    ech_array_info info;
    ech_status status = ech_array_file_describe(file, request->name, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (__builtin_mul_overflow(ech_array_row_bytes(&info), request->count, bytes)) {
        return ech_fail(ECH_ERR_FORMAT, "dataset %s: too many rows", request->name);
    }
    *rows = ech_alloc(*bytes);
    return *rows != NULL
               ? ech_array_file_read(file, request->name, request->first, request->count, *rows)
               : ECH_ERR_MEMORY;
}

static ech_status answer_kind(ech_array_file *file, const ech_foreign_request *request,
                              ech_foreign_answer *answer, void **rows)
{
    bool present = false;
    ech_status status = ECH_ERR_ARGUMENT;
    switch (request->kind) {
    case ECH_FOREIGN_DESCRIBE:
        return ech_array_file_describe(file, request->name, &answer->info);
    case ECH_FOREIGN_READ:
        return read_rows(file, request, &answer->bytes, rows);
    case ECH_FOREIGN_ATTRIBUTE:
        status = ech_array_file_attribute(file, request->name, request->attribute, &present,
                                          &answer->value);
        answer->present = present;
        return status;
    default:
        return ech_fail(ECH_ERR_ARGUMENT, "unknown request %u", request->kind);
    }
}

static bool answer_one(ech_array_file *file, ech_status opened, const ech_foreign_request *request)
{
    ech_foreign_answer answer = {0};
    void *rows = NULL;
    const ech_status status =
        opened == ECH_OK ? answer_kind(file, request, &answer, &rows) : opened;
    answer.status = status;
    if (status != ECH_OK) {
        answer.bytes = 0;
        snprintf(answer.message, sizeof answer.message, "%s", ech_status_message());
    }
    const bool sent = send_all(&answer, sizeof answer) && send_all(rows, answer.bytes);
    ech_free(rows);
    return sent;
}

int ech_foreign_main(int argc, char **argv)
{
    if (argc != ARGUMENT_COUNT || strcmp(argv[1], ECH_FOREIGN_COMMAND) != 0) {
        return EXIT_MISUSE;
    }
    const char *path = argv[2];
    limit_process(path, (pid_t)strtol(argv[3], NULL, DECIMAL));
    ech_array_file *file = NULL;
    hid_t id = 0;
    ech_status opened = ech_h5_start();
    if (opened == ECH_OK) {
        opened = ech_h5_open(path, path, &id);
    }
    if (opened == ECH_OK) {
        opened = ech_array_file_create(id, path, &file);
    }
    ech_foreign_request request;
    /* The first request meets the message of a file that could not be opened. */
    while (receive_request(&request) && answer_one(file, opened, &request) && opened == ECH_OK) {
    }
    _exit(EXIT_SUCCESS); /* HDF5 need not tidy up what a damaged file left in it */
}
