/**
 * @file site_jobs.h
 * A leader and its remote sites as real processes on loopback, in the folder of fit_folder.h: two
 * sites of two workers each and a worker of the leader's own.
 *
 * One set a test process. Whatever goes wrong in here ends the test; what still runs at its end is
 * killed.
 */
#ifndef ECH_TESTS_CLI_SITE_JOBS_H
#define ECH_TESTS_CLI_SITE_JOBS_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/cli/fit_folder.h"

enum { SITE_COUNT = 2, SITE_SETS_MAX = 12 };

/** A job that runs, its words in a file. */
typedef struct {
    pid_t pid; /* of its process group too */
    char log[FIT_PATH_BYTES];
} site_process;

/** Ranks of a job on so many fake hosts (MPIR_CVAR_NUM_CLIQUES). */
typedef struct {
    unsigned ranks; /* 0: one, without mpiexec */
    unsigned hosts; /* 0: one */
} site_ranks;

/** A suite's .init and .fini: keys, trees and a configuration with the port `site_port`. */
void site_jobs_start(void);
void site_jobs_stop(void);

int site_port(void);

/** Names of the sites: "boulder", "austin". */
const char *site_name(int site);

/** Start `echelon fit` of the leader, with further options ended by NULL. */
void leader_start(site_process *leader, const char *const *options);
/** Start `echelon site`, its log as "NAME.log". */
void site_start(site_process *process, const char *name, const char *const *options);

/** The same by mpiexec. */
void leader_start_on(site_process *leader, site_ranks on, const char *const *options);
void site_start_on(site_process *process, const char *name, site_ranks on,
                   const char *const *options);

/** Wait until a job's log holds a text; at most a minute. */
void site_await_text(const site_process *process, const char *text);
/** Does it? */
bool site_has_text(const site_process *process, const char *text);

/** Wait for the end, at most a minute. @return exit code; 128 and the signal. */
int site_wait(site_process *process);
/** Wait for the end; any but exit code 0 fails the test, and shows what each job said. */
void site_end_well(site_process *process);
/** SIGKILL for all of it, and wait. */
void site_kill(site_process *process);

/** The model's hash at the end of a leader's log. */
void leader_hash(const site_process *leader, char hash[FIT_HASH_BYTES]);

/** The hash of the same federation as one job. */
void one_job_hash(const char *const *options, char hash[FIT_HASH_BYTES]);

#endif
