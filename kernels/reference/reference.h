/**
 * @file reference.h
 * The reference engine: one plain loop nest a layer kind, values in the plain format. Private to
 * kernels/reference.
 *
 * Its files are compiled twice, with ECH_REAL defined as float and as double. Sums over a batch or
 * a plane run in double in both, so that the float version is a good oracle too.
 */
#ifndef ECH_KERNELS_REFERENCE_H
#define ECH_KERNELS_REFERENCE_H

#include "kernels/engine.h"

typedef ECH_REAL real;

#define ECH_JOIN_EXPANDED(name, type) name##_##type
#define ECH_JOIN(name, type) ECH_JOIN_EXPANDED(name, type)
/** The name of a symbol that both compilations export. */
#define ECH_REAL_NAME(name) ECH_JOIN(name, ECH_REAL)

typedef struct {
    void (*forward)(const ech_step *step, const ech_step_call *call);
    void (*backward)(const ech_step *step, const ech_step_call *call);
    bool reads_input, reads_output; /* in backward */
    /* Bytes that forward leaves for backward; NULL: none. */
    size_t (*saved_bytes)(const ech_step *step);
} ech_reference_kernel;

extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_conv);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_linear);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_norm);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_relu);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_max_pool);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_avg_pool);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_adaptive_pool);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_dropout);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_add);
extern const ech_reference_kernel ECH_REAL_NAME(ech_reference_concat);

/** Overwrite with zero unless the call adds to what is there. */
static inline void ech_reference_begin(real *gradient, uint64_t count, bool accumulate)
{
    for (uint64_t i = 0; !accumulate && i < count; i++) {
        gradient[i] = 0;
    }
}

#endif
