/**
 * @file check.h
 * One engine, step by step, against the double reference: each step gets the reference's inputs,
 * choices (ReLU's through the outputs, max pooling's) and upstream gradient, so that a rounding
 * error in one step cannot flip a choice in another.
 *
 * Not collective.
 */
#ifndef ECH_KERNELS_CHECK_H
#define ECH_KERNELS_CHECK_H

#include "kernels/trial.h"

/** Largest error over a whole tensor, divided by the root mean square of the reference's. */
typedef struct {
    ech_step_info info;
    double forward;         /* of the output */
    double input_gradient;  /* the worst of the inputs, written and added; 0 if none is wanted */
    double weight_gradient; /* the worst of the tensors; 0 without any */
} ech_step_errors;

/**
 * Compare every step of `trial` with `oracle`, both begun with the same seed and batch.
 *
 * @param oracle   a double trial with keep_values; its gradients are used up.
 * @param trial    a float trial with keep_values.
 * @param report   called for each step, conversions left out.
 * @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_check_steps(ech_trial *oracle, ech_trial *trial,
                           void (*report)(const ech_step_errors *errors, void *user), void *user);

/** Largest |a[i] - b[i]| divided by the root mean square of b; 0 if both are all zero. */
double ech_largest_error(const double *a, const double *b, uint64_t count);

#endif
