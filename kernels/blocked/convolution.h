/**
 * @file convolution.h
 * One convolution on blocked values: any kernel, stride, padding and groups. Private to kernels/.
 *
 * Values lie as format.h says. Three copies have layouts of their own, whose sizes the functions
 * below give: the *view* of the input (padded; or with each window's columns side by side where
 * there are few channels), the output's gradient with a zero border, and the weights transposed
 * for the input's gradient. Each is the caller's memory.
 *
 * Stored weights: [output panel][input panel][row][column][input channel][output channel], panels
 * as in direct.h. Not collective. Immutable once made.
 */
#ifndef ECH_KERNELS_BLOCKED_CONVOLUTION_H
#define ECH_KERNELS_BLOCKED_CONVOLUTION_H

#include "kernels/blocked/direct.h"
#include "kernels/network.h"

typedef struct {
    ech_shape in, out;
    ech_sliding_window window;
    size_t groups;
    size_t max_batch;
    bool training;       /* will need the gradient by the weights */
    bool input_gradient; /* and by the input */
} ech_convolution_spec;

typedef struct ech_convolution ech_convolution;

/** @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_UNSUPPORTED. */
ech_status ech_convolution_create(const ech_convolution_spec *spec, ech_convolution **out);
void ech_convolution_destroy(ech_convolution **convolution);

/* Sizes in floats, for max_batch. */
size_t ech_convolution_weights_count(const ech_convolution *convolution);
/** 0: the input itself is the view. */
size_t ech_convolution_view_count(const ech_convolution *convolution);
size_t ech_convolution_gradient_count(const ech_convolution *convolution);
size_t ech_convolution_transposed_count(const ech_convolution *convolution);

/** Zero rows and columns around the output's gradient. */
size_t ech_convolution_border_rows(const ech_convolution *convolution);
size_t ech_convolution_border_columns(const ech_convolution *convolution);

/** Output channels of a panel, and rows of a tile: what `done` of forward is called with. */
size_t ech_convolution_panel_width(const ech_convolution *convolution);
size_t ech_convolution_tile_rows(const ech_convolution *convolution);

/** From and to PyTorch's [filters, channels / groups, rows, columns]. */
void ech_convolution_pack(const ech_convolution *convolution, const float *plain, float *stored);
void ech_convolution_unpack(const ech_convolution *convolution, const float *stored, float *plain);

void ech_convolution_make_view(const ech_convolution *convolution, const float *input, float *view,
                               size_t batch, size_t threads);

/** `run.in` is the view, `run.out` the output. */
void ech_convolution_forward(const ech_convolution *convolution, const ech_direct_run_args *run);

/** The weights' gradient, stored as the weights are. `run.in` is the view, `run.out_gradient` has
 *  the border. */
void ech_convolution_update(const ech_convolution *convolution, const ech_direct_update_args *run);

void ech_convolution_transpose(const ech_convolution *convolution, const float *weights,
                               float *transposed, size_t threads);

/** `run.in` is the bordered gradient of the output, `run.weights` the transposed weights, `run.out`
 *  the gradient of the input. */
void ech_convolution_backward(const ech_convolution *convolution, const ech_direct_run_args *run);

#endif
