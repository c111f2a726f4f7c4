/**
 * @file attempt.h
 * One start of a job: its launcher runs, what the ranks say on standard error is passed on, and so
 * are the signals that ask for an early stop.
 */
#ifndef ECH_APPS_RUN_ATTEMPT_H
#define ECH_APPS_RUN_ATTEMPT_H

#include <signal.h>
#include <stdbool.h>

#include "runtime/base/status.h"

enum { ECH_ATTEMPT_WORDS_BYTES = 512 };

typedef struct {
    int exit_code; /* the launcher's; 128 and the signal's number if a signal ended it */
    bool stopping; /* a signal asked for an early stop */
    bool stopped;  /* the job said that it stopped early */
    /* Of the first rank that died: "rank 1 on host n0: killed by signal 9 (Killed), ...". "" if no
     * rank told. */
    char death[ECH_ATTEMPT_WORDS_BYTES];
} ech_attempt;

/** The signals that are passed on. Block them before the first attempt, or one comes between. */
sigset_t ech_attempt_signals(void);

/**
 * Run the launcher to its end, and wait until nothing that it started is left on this host.
 *
 * @param arguments  of the launcher, ended by NULL; the first is looked up in PATH.
 * @return ECH_OK, whatever the job's end was; ECH_ERR_SYSTEM if it could not be started.
 */
ech_status ech_attempt_run(const char *const *arguments, ech_attempt *attempt);

#endif
