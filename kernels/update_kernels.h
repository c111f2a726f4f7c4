/**
 * @file update_kernels.h
 * The loops of optimizers, compiled once for each instruction set. Private to kernels/.
 */
#ifndef ECH_KERNELS_UPDATE_KERNELS_H
#define ECH_KERNELS_UPDATE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"

/** All arrays have `count` elements, a multiple of 16, and do not overlap. */
typedef struct {
    float *parameters;
    const float *gradients;
    size_t count;
    float rate, weight_decay;
    float scale; /* of the gradient, before weight decay */
} ech_update_arrays;

typedef struct {
    void (*sgd)(const ech_update_arrays *a);
    void (*momentum)(const ech_update_arrays *a, float *buffer, float momentum);
    void (*nesterov)(const ech_update_arrays *a, float *buffer, float momentum);
    /** `step_size` is rate / (1 - beta1^t), `root` sqrt(1 - beta2^t). */
    void (*adam)(const ech_update_arrays *a, float *first, float *second, float beta1, float beta2,
                 float epsilon, float step_size, float root);
    /** y += factor * (x - z); z may be NULL. */
    void (*add_scaled)(float *y, const float *x, const float *z, float factor, size_t count);
    /** Sum of squares, in double, in a fixed order. */
    double (*square_sum)(const float *x, size_t count);
} ech_update_kernels;

/** The loops for an instruction set that this CPU has. */
const ech_update_kernels *ech_update_kernels_for(ech_isa isa);

#endif
