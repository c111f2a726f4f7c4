/**
 * @file fit_folder.h
 * A folder with a tiny data set and a configuration, and runs of the real `echelon fit` in it.
 *
 * One a test process. Whatever goes wrong in here ends the test.
 */
#ifndef ECH_TESTS_CLI_FIT_FOLDER_H
#define ECH_TESTS_CLI_FIT_FOLDER_H

#include <stdbool.h>

#include "runtime/base/child.h"
#include "tests/support.h"

enum { FIT_PATH_BYTES = ECH_TEST_PATH_BYTES + 64, FIT_HASH_BYTES = 33, FIT_SETS_MAX = 10 };

/** One job. */
typedef struct {
    unsigned ranks;                 /* 0: two */
    const char *environment;        /* "NAME=value"; NULL: none */
    const char *out;                /* folder for its files, by name; NULL: "out" */
    bool resume;                    /* else what the folder holds is overwritten */
    const char *sets[FIT_SETS_MAX]; /* ended by NULL where fewer */
} fit_run;

/** A suite's .init and .fini: make the folder with `tiny.h5` (tiny_data.h) and `fit.yaml`. */
void fit_folder_start(const char *config_text);
void fit_folder_stop(void);

/** Where it is, and its configuration. */
const char *fit_folder(void);
const char *fit_folder_config(void);

/** Run, whatever the exit code; the caller frees the result. */
ech_child_result fit_folder_run(const fit_run *run);

/** The 32 digits behind "model xxh128 " of a run that ended well. */
void fit_read_hash(const ech_child_result *result, char hash[FIT_HASH_BYTES]);

/** Both in one. */
void fit_folder_hash(const fit_run *run, char hash[FIT_HASH_BYTES]);

/** All of these must end with the model of the first, which `first` gets. */
void fit_folder_expect_one_model(const fit_run *runs, size_t count, char first[FIT_HASH_BYTES]);

/** It must end as bad input, with this in its errors. */
void fit_folder_expect_refused(const fit_run *run, const char *expected);

#endif
