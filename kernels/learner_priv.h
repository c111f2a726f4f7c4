/**
 * @file learner_priv.h
 * Inside a learner. Private to kernels/.
 */
#ifndef ECH_KERNELS_LEARNER_PRIV_H
#define ECH_KERNELS_LEARNER_PRIV_H

#include "kernels/batch.h"
#include "kernels/train.h"
#include "kernels/update.h"

struct ech_learner {
    ech_learner_options options;
    ech_plan *plan;       /* trains */
    ech_plan *evaluation; /* made when first needed */
    ech_batch_maker *maker;
    ech_updater *updater;
    uint32_t *order; /* of the samples, in this epoch */
    uint64_t order_capacity;
    double *scratch; /* classes */
};

/** Samples that evaluation takes at once. */
uint32_t ech_learner_evaluation_batch(const ech_learner_options *options);

#endif
