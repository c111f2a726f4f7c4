#define _GNU_SOURCE
#include "tests/mpi_case.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"

enum { TABLES_MAX = 128, MESSAGE_BYTES = 512 };

typedef struct {
    const char *layer;
    const mpi_case *cases;
    size_t count;
} case_table;

static case_table tables[TABLES_MAX];
static size_t table_count;
static unsigned failure_count;

void mpi_cases_add(const char *layer, const mpi_case *cases, size_t count)
{
    if (table_count == TABLES_MAX) {
        fprintf(stderr, "mpi_case: more than %d tables\n", TABLES_MAX);
        abort();
    }
    tables[table_count++] = (case_table){layer, cases, count};
}

bool mpi_expect_at(bool holds, const char *file, int line, const char *format, ...)
{
    if (holds) {
        return true;
    }
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fprintf(stderr, "rank %d: %s:%d: %s\n", ech_mpi_rank(), file, line, message);
    failure_count++;
    return false;
}

bool mpi_expect_ok_at(ech_status status, const char *file, int line, const char *call)
{
    return mpi_expect_at(status == ECH_OK, file, line, "%s: %s: %s", call,
                         ech_status_string(status), ech_status_message());
}

bool mpi_case_failed(void)
{
    return failure_count > 0;
}

static int list_cases(const char *layer)
{
    for (size_t i = 0; i < table_count; i++) {
        if (strcmp(tables[i].layer, layer) != 0) {
            continue;
        }
        for (size_t j = 0; j < tables[i].count; j++) {
            const mpi_case *one = &tables[i].cases[j];
            printf("%s\t%d\t%d\t%d\t%s\t%s\n", one->name, one->ranks,
                   one->cliques > 1 ? one->cliques : 1, one->seconds,
                   one->environment != NULL ? one->environment : "-",
                   one->fails_with != NULL ? one->fails_with : "-");
        }
    }
    return EXIT_SUCCESS;
}

static const mpi_case *find_case(const char *layer, const char *name)
{
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; strcmp(tables[i].layer, layer) == 0 && j < tables[i].count; j++) {
            if (strcmp(tables[i].cases[j].name, name) == 0) {
                return &tables[i].cases[j];
            }
        }
    }
    return NULL;
}

/* Every rank leaves with the same code: success only if no rank noted a failure. */
static int settle(void)
{
    mpi_expect(ech_memory_live_count() == 0, "%zu blocks of memory still live",
               ech_memory_live_count());
    ech_comm *world = NULL;
    uint64_t failures = failure_count;
    ech_status status = ech_comm_create(MPI_COMM_WORLD, ECH_COMM_TIMEOUT_NS, &world);
    if (status == ECH_OK) {
        status = ech_comm_sum_u64(world, &failures, 1);
    }
    ech_comm_destroy(&world);
    if (status == ECH_OK) {
        status = ech_mpi_finish();
    }
    if (status != ECH_OK) {
        ech_abort(status);
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A rank that dies while another is still in MPI_Init ends that one with a message of MPI's own. */
static ech_status begin_together(void)
{
    ech_comm *world = NULL;
    ech_status status = ech_comm_create(MPI_COMM_WORLD, ECH_COMM_TIMEOUT_NS, &world);
    if (status == ECH_OK) {
        status = ech_comm_barrier(world);
    }
    ech_comm_destroy(&world);
    return status;
}

static int run_case(const mpi_case *one)
{
    ech_status status = ech_guard_start();
    if (status == ECH_OK && one->before_mpi != NULL) {
        one->before_mpi();
    }
    if (status == ECH_OK) {
        status = ech_mpi_start();
    }
    if (status == ECH_OK) {
        status = begin_together();
    }
    if (status != ECH_OK) {
        ech_abort(status);
    }
    ech_guard_phase("%s", one->name);
    one->run();
    return settle();
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--list") == 0) {
        return list_cases(argv[2]);
    }
    const mpi_case *one = argc == 3 ? find_case(argv[1], argv[2]) : NULL;
    if (one == NULL) {
        fprintf(stderr, "usage: mpi_case LAYER CASE, or mpi_case --list LAYER\n");
        return EXIT_FAILURE;
    }
    return run_case(one);
}
