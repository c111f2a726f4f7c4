/**
 * @file tiny_data.h
 * A small data set for the suites of the command line, made by `echelon data import`.
 */
#ifndef ECH_TESTS_CLI_TINY_DATA_H
#define ECH_TESTS_CLI_TINY_DATA_H

#include "tests/support.h"

enum { TINY_TRAIN_SAMPLES = 240, TINY_TEST_SAMPLES = 60 };

/**
 * Write `directory/tiny.h5`: grey images of 28x28 pixels in ten classes, each a square in a place
 * of its own, and noise. Ends the test on failure.
 */
void tiny_data_make(const char *directory, char path[ECH_TEST_PATH_BYTES]);

#endif
