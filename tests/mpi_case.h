/**
 * @file mpi_case.h
 * Test cases that run as MPI jobs.
 *
 * One program holds the cases of all layers; it is started as `mpiexec -n N mpi_case NAME` by a
 * Criterion suite a layer (mpi_suite.c), which reads the list of cases from `mpi_case --list
 * LAYER`. A layer keeps its cases in files of its own (tests/<layer>/cases_*.c), each ending with a
 * table:
 *
 *     static const mpi_case table[] = {
 *         {"comm_agrees", .ranks = 3, .seconds = 20, .run = agrees_on_the_lowest_failure},
 *     };
 *     MPI_CASES(mpi, table)
 *
 * and names the files in its CMakeLists.txt: `ech_mpi_cases(mpi SOURCES cases_comm.c LINK
 * ech_mpi)`.
 */
#ifndef ECH_TESTS_MPI_CASE_H
#define ECH_TESTS_MPI_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"

typedef struct {
    const char *name; /* unique in its layer */
    int ranks;
    int cliques; /* fake hosts (MPIR_CVAR_NUM_CLIQUES); 0 or 1: one host */
    int seconds; /* time limit of the whole job, start-up included */
    /* Runs on every rank, MPI started, under a guard. */
    void (*run)(void);
    /* A job that has to fail, printing this text; NULL: it has to succeed. */
    const char *fails_with;
    const char *environment;  /* "NAME=value" for the job; NULL: none */
    void (*before_mpi)(void); /* called under the guard, before MPI starts; NULL: nothing */
} mpi_case;

/** Note a failure of this rank (file, line and text are printed) unless `holds`; returns `holds`. A
 * case goes on or returns as it sees fit, but leaves no other rank waiting; what ranks noted is put
 * together after the case. */
#define mpi_expect(holds, ...) mpi_expect_at((holds), __FILE__, __LINE__, __VA_ARGS__)
bool mpi_expect_at(bool holds, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The same for a status that has to be ECH_OK; prints its message. */
#define mpi_expect_ok(status) mpi_expect_ok_at((status), __FILE__, __LINE__, #status)
bool mpi_expect_ok_at(ech_status status, const char *file, int line, const char *call);

/** Has this rank noted a failure? */
bool mpi_case_failed(void);

/** Called before main by MPI_CASES. */
void mpi_cases_add(const char *layer, const mpi_case *cases, size_t count);

#define MPI_CASES(layer, table)                                                                    \
    __attribute__((constructor)) static void add_##table(void)                                     \
    {                                                                                              \
        mpi_cases_add(#layer, table, sizeof(table) / sizeof((table)[0]));                          \
    }

#endif
