/**
 * @file convolution_priv.h
 * What a convolution is made of.
 */
#ifndef ECH_KERNELS_BLOCKED_CONVOLUTION_PRIV_H
#define ECH_KERNELS_BLOCKED_CONVOLUTION_PRIV_H

#include "kernels/blocked/convolution.h"
#include "kernels/blocked/spanning.h"

/* Taps of one direction whose position, for inputs of one residue, is an output's. */
typedef struct {
    size_t positions; /* inputs of this residue */
    size_t taps;
    size_t first_tap;      /* the taps are first_tap, first_tap + stride, ... */
    ptrdiff_t last_offset; /* output position of the last tap minus that of the input; the taps
                              before it are one further on each */
} residue;

/* The input's gradient at the positions of one pair of residues. */
typedef struct {
    residue rows, columns;
    size_t row_residue, column_residue;
    ech_spanning direct;  /* not made where no tap meets these inputs */
    size_t weights_begin; /* in the transposed weights */
} input_class;

struct ech_convolution {
    ech_convolution_spec spec;
    size_t in_block, out_block;     /* channels */
    size_t in_width, out_width;     /* channels of a forward panel */
    size_t in_panels, out_panels;   /* of one group */
    size_t back_width, back_panels; /* of the input, as the output of backward */
    size_t deep_width, deep_panels; /* of the output, as the input of backward */
    bool expanded;                  /* windows side by side */
    size_t border_rows, border_columns;
    ech_spanning forward;
    ech_direct_update *update;
    input_class *classes; /* [stride_height * stride_width] */
};

static inline size_t class_taps(const input_class *class)
{
    return class->rows.taps * class->columns.taps;
}

static inline size_t class_count(const ech_convolution *convolution)
{
    return (size_t)convolution->spec.window.stride_height * convolution->spec.window.stride_width;
}

static inline size_t kernel_taps(const ech_convolution *convolution)
{
    return (size_t)convolution->spec.window.kernel_height * convolution->spec.window.kernel_width;
}

#endif
