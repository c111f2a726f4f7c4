/**
 * @file blas.h
 * The *blas* engine's kernels: convolution and linear layers on OpenBLAS, one thread a product; the
 * other layers are the reference's. Private to kernels/blas.
 */
#ifndef ECH_KERNELS_BLAS_BLAS_H
#define ECH_KERNELS_BLAS_BLAS_H

#include "kernels/engine.h"

typedef struct {
    void (*prepare)(ech_step *step);
    void (*forward)(const ech_step *step, const ech_step_call *call);
    void (*backward)(const ech_step *step, const ech_step_call *call);
} ech_blas_kernel;

extern const ech_blas_kernel ech_blas_conv;
extern const ech_blas_kernel ech_blas_linear;

/** A tensor of the step's in the arenas, or NULL if the step has none of this number. */
static inline const float *ech_blas_parameter(const ech_step *step, const ech_step_call *call,
                                              uint32_t which)
{
    return which < step->tensor_count
               ? (const float *)call->parameters + step->tensors[which].offset
               : NULL;
}

static inline float *ech_blas_gradient(const ech_step *step, const ech_step_call *call,
                                       uint32_t which)
{
    return which < step->tensor_count ? (float *)call->gradients + step->tensors[which].offset
                                      : NULL;
}

#endif
