/**
 * @file limits.h
 * How long a test waits for what should have happened long ago. Limits are written for a release on
 * two slow cores; what makes a program slower makes them longer, all by one factor.
 */
#ifndef ECH_TESTS_LIMITS_H
#define ECH_TESTS_LIMITS_H

#include <stdint.h>

/** How many times as long as a release this may take: a factor of the build (sanitizers, no
 *  optimisation: tests/CMakeLists.txt) times one of the environment (ECH_TEST_SLOWNESS: valgrind,
 *  set by tests/suites.sh). Criterion's own limits are multiplied by it before a suite starts. */
unsigned ech_test_slowness(void);

/** The limit of what may take a release so many seconds. */
uint64_t ech_test_limit_ns(unsigned seconds);

#endif
