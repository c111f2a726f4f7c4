#include <string.h>

#include "kernels/blocked/convolution_priv.h"
#include "kernels/blocked/direct_priv.h"
#include "kernels/blocked/reorder.h"

/* Where weight (filter of its group, channel of its group, tap 0) is stored; taps follow each other
 * at tap_step. */
static size_t stored_index(const ech_convolution *convolution, size_t group, size_t filter,
                           size_t channel)
{
    const size_t panel = group * convolution->out_panels + filter / convolution->out_width;
    const size_t term = panel * convolution->in_panels + channel / convolution->in_width;
    return (term * kernel_taps(convolution) * convolution->in_width +
            channel % convolution->in_width) *
               convolution->out_width +
           filter % convolution->out_width;
}

typedef struct {
    size_t group, filter, channel;
} weight_place;

/* The place of kernel number `i` in PyTorch's order. */
static weight_place place_of_kernel(const ech_convolution *convolution, size_t i)
{
    const size_t channels = convolution->spec.in.channels / convolution->spec.groups;
    const size_t filters = convolution->spec.out.channels / convolution->spec.groups;
    return (weight_place){i / channels / filters, i / channels % filters, i % channels};
}

void ech_convolution_pack(const ech_convolution *convolution, const float *plain, float *stored)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const size_t taps = kernel_taps(convolution);
    const size_t tap_step = convolution->in_width * convolution->out_width;
    const size_t kernels = (size_t)spec->out.channels * (spec->in.channels / spec->groups);
    memset(stored, 0, ech_convolution_weights_count(convolution) * sizeof *stored);
    for (size_t i = 0; i < kernels; i++) {
        const weight_place at = place_of_kernel(convolution, i);
        float *target = stored + stored_index(convolution, at.group, at.filter, at.channel);
        for (size_t tap = 0; tap < taps; tap++) {
            target[tap * tap_step] = plain[i * taps + tap];
        }
    }
}

void ech_convolution_unpack(const ech_convolution *convolution, const float *stored, float *plain)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const size_t taps = kernel_taps(convolution);
    const size_t tap_step = convolution->in_width * convolution->out_width;
    const size_t kernels = (size_t)spec->out.channels * (spec->in.channels / spec->groups);
    for (size_t i = 0; i < kernels; i++) {
        const weight_place at = place_of_kernel(convolution, i);
        const float *source = stored + stored_index(convolution, at.group, at.filter, at.channel);
        for (size_t tap = 0; tap < taps; tap++) {
            plain[i * taps + tap] = source[tap * tap_step];
        }
    }
}

/* One (input panel, output panel, tap) of backward: [output channel][input channel]. */
static void transpose_term(const ech_convolution *convolution, const float *weights, size_t group,
                           size_t back_panel, size_t deep_panel, size_t tap, float *to)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const size_t filters = spec->out.channels / spec->groups;
    const size_t channels = spec->in.channels / spec->groups;
    const size_t filter_step = smaller(convolution->out_width, convolution->deep_width);
    const size_t channel_step = smaller(convolution->in_width, convolution->back_width);
    const size_t tap_begin = tap * convolution->in_width * convolution->out_width;
    memset(to, 0, convolution->back_width * convolution->deep_width * sizeof *to);
    for (size_t k = 0; k < convolution->deep_width; k += filter_step) {
        const size_t filter = deep_panel * convolution->deep_width + k;
        for (size_t c = 0; c < convolution->back_width; c += channel_step) {
            const size_t channel = back_panel * convolution->back_width + c;
            if (filter >= filters || channel >= channels) {
                continue;
            }
            const float *from =
                weights + stored_index(convolution, group, filter, channel) + tap_begin;
            ech_reorder_transpose(from, convolution->out_width,
                                  to + k * convolution->back_width + c, convolution->back_width,
                                  channel_step, filter_step);
        }
    }
}

static void transpose_panel(const ech_convolution *convolution, const input_class *class,
                            const float *weights, size_t panel, float *to)
{
    const ech_sliding_window *window = &convolution->spec.window;
    const size_t taps = class_taps(class);
    const size_t term = convolution->back_width * convolution->deep_width;
    for (size_t i = 0; i < convolution->deep_panels * taps; i++) {
        const size_t row =
            class->rows.first_tap + i % taps / class->columns.taps * window->stride_height;
        const size_t column =
            class->columns.first_tap + i % taps % class->columns.taps * window->stride_width;
        transpose_term(convolution, weights, panel / convolution->back_panels,
                       panel % convolution->back_panels, i / taps,
                       row * window->kernel_width + column, to + i * term);
    }
}

void ech_convolution_transpose(const ech_convolution *convolution, const float *weights,
                               float *transposed, size_t threads)
{
    const int parts = (int)threads;
    const size_t panels = convolution->spec.groups * convolution->back_panels;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t panel = 0; panel < panels; panel++) {
        for (size_t i = 0; i < class_count(convolution); i++) {
            const input_class *class = &convolution->classes[i];
            const size_t panel_floats = convolution->deep_panels * class_taps(class) *
                                        convolution->back_width * convolution->deep_width;
            transpose_panel(convolution, class, weights, panel,
                            transposed + class->weights_begin + panel * panel_floats);
        }
    }
}
