/**
 * @file split_support.h
 * Data and checks for the suites of splits.
 */
#ifndef ECH_TESTS_FED_SPLIT_SUPPORT_H
#define ECH_TESTS_FED_SPLIT_SUPPORT_H

#include "runtime/base/hash.h"
#include "runtime/fed/split.h"

enum { SAMPLES = 6000, CLASSES = 10 };

/** Random labels; made by ech_test_make_labels. */
extern uint8_t split_labels[SAMPLES];
extern const ech_split_data split_data;

/** For `.init` of a TestSuite. */
void ech_test_make_labels(void);

/** Offsets ascend, samples ascend within a worker, and no sample is dealt twice. */
void ech_test_expect_split_sound(const ech_split *split);

/** XXH128 of offsets and indices. */
ech_hash128 ech_test_split_hash(const ech_split *split);

/** Samples of each class that a worker has. */
void ech_test_split_count(const ech_split *split, uint32_t worker, uint32_t counts[CLASSES]);

#endif
