/**
 * @file transfer_matrix.h
 * What every transfer has to do: end with the model of `shared`, or say what failed.
 *
 * In a folder of fit_folder.h, started with transfer_config.
 */
#ifndef ECH_TESTS_CLI_TRANSFER_MATRIX_H
#define ECH_TESTS_CLI_TRANSFER_MATRIX_H

#include "tests/cli/fit_folder.h"

extern const char transfer_config[];

/** Rules that send states, differences, and vectors beside them; fused and along the tree; one host
 *  and two: with `sets`, which NULL ends, the model is that of transfer shared. */
void transfer_expect_same_model(const char *const *sets);

/** The run ends with exit code `code` and says all of `what`, which NULL ends. */
void transfer_expect_failure(const fit_run *run, int code, const char *const *what);

/** Of a Redis that is killed once it is used: it is tried again, and the run ends. */
void transfer_expect_death(const fit_run *run, const char *address);

#endif
