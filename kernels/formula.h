/**
 * @file formula.h
 * Weights, inputs and labels made by formula, so that two programs can be compared without
 * exchanging them: SplitMix64 (Steele et al. 2014) on an FNV-1a hash of a name.
 *
 * With h(name, i) the hash, u = (h >> 40) / 2^24 and s = 2u - 1: weights of two or more dimensions
 * are s * sqrt(6 / fan in); batch norm weights 0.5 + u, times 0.125 where the norm closes a
 * residual branch; biases 0.1 s; running means 0, variances 1; inputs s; labels h mod classes.
 *
 * Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_FORMULA_H
#define ECH_KERNELS_FORMULA_H

#include <stdint.h>

#include "kernels/network.h"

/** Every parameter, statistic and counter of the network. */
void ech_formula_state(const ech_network *network, uint64_t seed, ech_state state);

/** One batch of inputs, plain [batch, C, H, W]. */
void ech_formula_input(const ech_network *network, uint64_t seed, uint32_t batch, float *input);

void ech_formula_labels(const ech_network *network, uint64_t seed, uint32_t batch,
                        uint64_t *labels);

/** `count` numbers in [-1, 1) under a name of one's own. */
void ech_formula_fill(const char *name, uint64_t seed, uint64_t count, float *values);

#endif
