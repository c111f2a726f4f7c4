/**
 * @file loss.h
 * Softmax cross-entropy of one sample, in double. Private to kernels/.
 *
 * Exponential and logarithm are this file's own, of operations that IEEE 754 rounds correctly: a
 * sample's loss has the same bits on every machine, and wherever the sample sits in a batch.
 */
#ifndef ECH_KERNELS_LOSS_H
#define ECH_KERNELS_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/plan.h"

typedef struct {
    double loss;
    bool correct; /* the first of the largest logits is the label's */
} ech_sample_loss;

/**
 * @param logits    `classes` numbers of the given precision.
 * @param gradient  NULL, or where (softmax - one at the label) * scale goes, same precision.
 * @param scratch   `classes` doubles.
 */
ech_sample_loss ech_cross_entropy(ech_precision precision, const void *logits, uint32_t classes,
                                  uint64_t label, double scale, void *gradient, double *scratch);

#endif
