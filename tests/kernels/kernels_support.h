/**
 * @file kernels_support.h
 * What the suites of the kernels share. Failures end the calling test.
 */
#ifndef ECH_TESTS_KERNELS_SUPPORT_H
#define ECH_TESTS_KERNELS_SUPPORT_H

#include "kernels/train.h"
#include "runtime/base/hash.h"

/** A model by name, its own input and classes. */
ech_network *ech_test_model(const char *name);

/** A zeroed state of a network, and its end. */
ech_state ech_test_state_of(const ech_network *network);
void ech_test_free_state(ech_state *state);
ech_state_view ech_test_view_of(ech_state state);

/** Random images and labels. */
typedef struct {
    ech_samples samples;
    uint8_t *images, *labels;
    uint32_t *indices; /* 0, 1, ... */
} ech_test_data;
ech_test_data ech_test_make_data(const ech_network *network, uint64_t count);
void ech_test_free_data(ech_test_data *data);

/** A learner that scales pixels to [-1, 1]. */
ech_learner *ech_test_learner(const ech_network *network, uint32_t batch, uint32_t threads,
                              ech_engine_choice engine);

/** Train worker 3 in round 2 on all of the data from the initial state of seed 1. */
ech_status ech_test_train(ech_learner *learner, const ech_network *network,
                          const ech_test_data *data, const ech_training *training, ech_state update,
                          ech_training_result *result);

/** The fingerprint of that. */
ech_hash128 ech_test_trained_hash(const ech_network *network, const ech_test_data *data,
                                  const ech_training *training, uint32_t threads,
                                  ech_engine_choice engine);

#endif
