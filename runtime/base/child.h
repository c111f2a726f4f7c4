/**
 * @file child.h
 * Run another program, with a time limit and its output captured.
 *
 * Not collective; thread-safe. Not for ranks that already talk through MPI's network: some
 * transports do not survive a fork.
 */
#ifndef ECH_BASE_CHILD_H
#define ECH_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct {
    const char *const *arguments;   /* argv, ended by NULL; arguments[0] is looked up in PATH */
    const char *const *environment; /* "NAME=value" added to this process' own; NULL: none */
    uint64_t timeout_ns;            /* at least 1 */
    size_t output_bytes_max;        /* of each stream; what goes beyond is dropped */
    bool (*should_stop)(void);      /* asked now and then: true ends it early; NULL: nobody does */
} ech_child_options;

typedef struct {
    bool timed_out;
    bool stopped;   /* early, since should_stop said so */
    int exit_code;  /* of a program that exited; -1 otherwise */
    int signal;     /* that ended it; 0 otherwise */
    char *output;   /* standard output, ended by a NUL */
    char *errors;   /* standard error */
    double seconds; /* wall time */
} ech_child_result;

/**
 * Run a program to its end, standard input empty. One that is still running at the limit, or is to
 * stop, gets SIGTERM, with its process group, and SIGKILL two seconds later.
 *
 * @param[out] result  free it with ech_child_result_free, also after a failure.
 * @return ECH_OK if the program ran, whatever its exit; ECH_ERR_SYSTEM if it could not be started;
 *         ECH_ERR_MEMORY.
 */
ech_status ech_child_run(const ech_child_options *options, ech_child_result *result);

void ech_child_result_free(ech_child_result *result);

#endif
