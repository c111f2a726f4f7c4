/**
 * @file trial.h
 * A plan run on weights, inputs and labels made by formula (formula.h): what verification and
 * benchmarks of single steps compare. Plain SGD, in the plan's precision.
 *
 * Not collective. One thread uses a trial at a time.
 */
#ifndef ECH_KERNELS_TRIAL_H
#define ECH_KERNELS_TRIAL_H

#include "kernels/plan.h"

typedef struct ech_trial ech_trial;

/** @return ECH_OK, or what ech_plan_create returns. `options->training` must be set. */
ech_status ech_trial_create(const ech_network *network, const ech_plan_options *options,
                            ech_trial **out);
void ech_trial_destroy(ech_trial **trial);

/** Borrowed. */
ech_plan *ech_trial_plan(ech_trial *trial);

/** Begin anew: the state, and a batch of `batch` samples, of this seed. */
void ech_trial_begin(ech_trial *trial, uint64_t seed, uint32_t batch);

/** Forward in training mode without dropout, mean cross-entropy (returned), backward. */
double ech_trial_gradient(ech_trial *trial);

/** One step of SGD on the last gradient: buf = momentum * buf + g, w = w - lr * buf. */
void ech_trial_update(ech_trial *trial, double lr, double momentum);

/** Forward in evaluation mode; the logits are then `ech_plan_logits`. */
void ech_trial_evaluate(ech_trial *trial);

#endif
