#include <string.h>

#include "kernels/blocked/blocked.h"
#include "kernels/blocked/rows.h"

/* One input of a concatenation: its channels from `first` on in the whole. */
typedef struct {
    ech_blocked_layout part, whole;
    size_t channels; /* without padding */
    size_t first;
} concat_slice;

typedef void slice_copy(float *part, float *whole, size_t count, bool accumulate);

static void to_whole(float *part, float *whole, size_t count, bool accumulate)
{
    ech_rows_give(part, whole, count, accumulate);
}

static void to_part(float *part, float *whole, size_t count, bool accumulate)
{
    ech_rows_give(whole, part, count, accumulate);
}

/* A run of channels that lies in one block on both sides; whole planes where both blocks agree. */
static void copy_run(const concat_slice *slice, size_t channel, size_t count, float *part,
                     float *whole, slice_copy *copy, bool accumulate)
{
    const ech_blocked_layout *in = &slice->part, *out = &slice->whole;
    const size_t target = slice->first + channel;
    part += channel / in->block * in->plane + channel % in->block;
    whole += target / out->block * out->plane + target % out->block;
    if (count == in->block && count == out->block) {
        copy(part, whole, in->plane, accumulate);
        return;
    }
    for (size_t position = 0; position < in->rows * in->columns; position++) {
        copy(part + position * in->block, whole + position * out->block, count, accumulate);
    }
}

static void copy_image(const concat_slice *slice, float *part, float *whole, slice_copy *copy,
                       bool accumulate)
{
    for (size_t channel = 0, count = 0; channel < slice->channels; channel += count) {
        const size_t in_left = slice->part.block - channel % slice->part.block;
        const size_t out_left = slice->whole.block - (slice->first + channel) % slice->whole.block;
        count = slice->channels - channel;
        count = count < in_left ? count : in_left;
        count = count < out_left ? count : out_left;
        copy_run(slice, channel, count, part, whole, copy, accumulate);
    }
}

static void copy_slice(const concat_slice *slice, const ech_step *step, const ech_step_call *call,
                       float *part, float *whole, slice_copy *copy, bool accumulate)
{
    const uint32_t threads = step->target->threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t image = 0; image < call->batch; image++) {
        copy_image(slice, part + image * slice->part.image, whole + image * slice->whole.image,
                   copy, accumulate);
    }
}

static concat_slice slice_of(const ech_step *step, uint32_t which)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    concat_slice result = {.whole = ech_blocked_layout_of(layer->out)};
    for (uint32_t k = 0; k <= which; k++) {
        const ech_shape shape = ech_network_shape(step->network, layer->inputs[k]);
        result.first += result.channels;
        result.channels = shape.channels;
        result.part = ech_blocked_layout_of(shape);
    }
    return result;
}

static ech_status concat_prepare(ech_step *step)
{
    (void)step;
    return ECH_OK;
}

static void concat_forward(const ech_step *step, const ech_step_call *call)
{
    const ech_blocked_layout whole = ech_blocked_layout_of(ech_step_layer(step, 0)->out);
    if (whole.channels != ech_step_layer(step, 0)->out.channels) {
        memset(call->output, 0, call->batch * whole.image * sizeof(float));
    }
    for (uint32_t k = 0; k < step->input_count; k++) {
        const concat_slice slice = slice_of(step, k);
        copy_slice(&slice, step, call, (float *)call->inputs[k], call->output, to_whole, false);
    }
}

static void concat_backward(const ech_step *step, const ech_step_call *call)
{
    for (uint32_t k = 0; k < step->input_count; k++) {
        const concat_slice slice = slice_of(step, k);
        if (call->input_gradients[k] == NULL) {
            continue;
        }
        if (!call->accumulate[k] && slice.part.channels != slice.channels) {
            memset(call->input_gradients[k], 0, call->batch * slice.part.image * sizeof(float));
        }
        copy_slice(&slice, step, call, call->input_gradients[k], call->output_gradient, to_part,
                   call->accumulate[k]);
    }
}

const ech_blocked_kernel ech_blocked_concat = {
    .prepare = concat_prepare,
    .forward = concat_forward,
    .backward = concat_backward,
};
