/**
 * @file dropout.h
 * Which elements a dropout layer keeps. Private to kernels/.
 */
#ifndef ECH_KERNELS_DROPOUT_H
#define ECH_KERNELS_DROPOUT_H

#include <stdint.h>

#include "kernels/plan.h"

/**
 * Decide for the first `count` elements of a batch in plain order [N,C,H,W]: 1 kept, 0 dropped. A
 * function of the key, the layer's number and the element's number alone.
 */
void ech_dropout_mask(const ech_batch_key *key, uint32_t layer, double probability, uint64_t count,
                      uint8_t *kept);

#endif
