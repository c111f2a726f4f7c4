/**
 * @file blocked.h
 * The *blocked* engine's kernels: one for each kind of first layer of a step. Private to
 * kernels/blocked.
 */
#ifndef ECH_KERNELS_BLOCKED_BLOCKED_H
#define ECH_KERNELS_BLOCKED_BLOCKED_H

#include "kernels/engine.h"

/** As ech_engine's; NULL where there is nothing to do. */
typedef struct {
    uint32_t (*match)(const ech_network *network, uint32_t layer); /* NULL: one layer */
    ech_status (*prepare)(ech_step *step);
    void (*destroy)(ech_step *step);
    void (*forward)(const ech_step *step, const ech_step_call *call);
    void (*backward)(const ech_step *step, const ech_step_call *call);
    void (*pack)(const ech_step *step, uint32_t which, const void *plain, void *stored);
    void (*unpack)(const ech_step *step, uint32_t which, const void *stored, void *plain);
    void (*load_choices)(const ech_step *step, const ech_step_call *call, const uint8_t *choices);
} ech_blocked_kernel;

extern const ech_blocked_kernel ech_blocked_conv;
extern const ech_blocked_kernel ech_blocked_linear;
extern const ech_blocked_kernel ech_blocked_norm;
extern const ech_blocked_kernel ech_blocked_relu;
extern const ech_blocked_kernel ech_blocked_max_pool;
extern const ech_blocked_kernel ech_blocked_avg_pool;
extern const ech_blocked_kernel ech_blocked_dropout;
extern const ech_blocked_kernel ech_blocked_add;
extern const ech_blocked_kernel ech_blocked_concat;

/** A blocked value without a border. */
typedef struct {
    size_t channels; /* padded to whole blocks */
    size_t block;    /* channels of a block */
    size_t rows, columns;
    size_t plane; /* floats of one block of one image */
    size_t image; /* floats of one image */
} ech_blocked_layout;

ech_blocked_layout ech_blocked_layout_of(ech_shape shape);

/** Whether `layer` + 1 exists, has this kind, and is the only reader of `layer`'s output. */
bool ech_blocked_next_is(const ech_network *network, uint32_t layer, ech_layer_kind kind);

/** Take `count` floats from the space measured by `*next`, aligned; returns where they begin. */
size_t ech_blocked_take(size_t *next, size_t count);

/**
 * A bias's gradient: the sum of a value's gradient over images and positions.
 *
 * @param out      NULL, or the ReLU's output: where it is not positive the gradient is zero.
 * @param passed   with `out`: the gradient that passes, with a border that is not touched; may be
 *                 `gradient` if there is no border.
 * @param bias_gradient  NULL: not wanted; else of all channels, padding included.
 * @param scratch  ech_blocked_bias_scratch floats.
 */
typedef struct {
    ech_blocked_layout layout;
    size_t batch, threads;
    const float *out;
    const float *gradient;
    float *passed;
    size_t border_rows, border_columns;
    float *bias_gradient;
    float *scratch;
} ech_blocked_bias_args;
size_t ech_blocked_bias_scratch(const ech_blocked_layout *layout, size_t batch);
void ech_blocked_bias_backward(const ech_blocked_bias_args *args);

/** Copy a vector of parameters to the arena, where it may have padding, and back. */
void ech_blocked_pack_vector(const ech_step *step, uint32_t which, const float *plain,
                             float *stored);
void ech_blocked_unpack_vector(const ech_step *step, uint32_t which, const float *stored,
                               float *plain);

#endif
