#include <string.h>

#include "kernels/blocked/blocked.h"
#include "kernels/blocked/rows.h"
#include "kernels/format.h"

enum { ALIGNED_FLOATS = 16 };

ech_blocked_layout ech_blocked_layout_of(ech_shape shape)
{
    ech_blocked_layout layout = {.block = ech_format_channel_block(shape.channels),
                                 .rows = shape.height,
                                 .columns = shape.width};
    layout.channels = (shape.channels + layout.block - 1) / layout.block * layout.block;
    layout.plane = layout.rows * layout.columns * layout.block;
    layout.image = layout.plane * (layout.channels / layout.block);
    return layout;
}

bool ech_blocked_next_is(const ech_network *network, uint32_t layer, ech_layer_kind kind)
{
    return layer + 1 < network->layer_count && network->layers[layer + 1].kind == kind &&
           ech_network_only_consumer(network, layer);
}

size_t ech_blocked_take(size_t *next, size_t count)
{
    const size_t begin = *next;
    *next += (count + ALIGNED_FLOATS - 1) / ALIGNED_FLOATS * ALIGNED_FLOATS;
    return begin;
}

void ech_blocked_pack_vector(const ech_step *step, uint32_t which, const float *plain,
                             float *stored)
{
    const ech_step_tensor *tensor = &step->tensors[which];
    const uint64_t count = step->network->layout->tensors[tensor->tensor].count;
    memset(stored, 0, tensor->stored_count * sizeof *stored);
    memcpy(stored, plain, count * sizeof *stored);
}

void ech_blocked_unpack_vector(const ech_step *step, uint32_t which, const float *stored,
                               float *plain)
{
    const uint64_t count = step->network->layout->tensors[step->tensors[which].tensor].count;
    memcpy(plain, stored, count * sizeof *plain);
}

size_t ech_blocked_bias_scratch(const ech_blocked_layout *layout, size_t batch)
{
    return 2 * batch * layout->channels;
}

/* One run of positions; `passed` lies apart where it has a border. */
static void bias_run(const ech_blocked_bias_args *args, size_t at, float *passed, size_t count,
                     double *sum)
{
    float part[ECH_ROWS_WIDTH_MAX] = {0.0f};
    const ech_run run = {count, args->layout.block, args->layout.block};
    if (args->out != NULL) {
        ech_rows_mask(args->out + at, args->gradient + at, passed, run, part);
    } else {
        ech_rows_sum(args->gradient + at, run, part);
        if (passed != NULL) {
            memcpy(passed, args->gradient + at, count * run.column * sizeof *passed);
        }
    }
    for (size_t c = 0; c < run.width; c++) {
        sum[c] += (double)part[c];
    }
}

/* One block of one image, in runs of a row, or of some hundred positions if there is no border. */
static void bias_plane(const ech_blocked_bias_args *args, size_t plane, double *sum)
{
    const ech_blocked_layout *layout = &args->layout;
    const size_t positions = layout->rows * layout->columns;
    const size_t row = (layout->columns + 2 * args->border_columns) * layout->block;
    const bool bordered = args->border_rows + args->border_columns > 0;
    const size_t step = bordered ? layout->columns : ECH_ROWS_SUM_COUNT;
    float *passed = args->passed;
    if (passed != NULL) {
        passed += plane * (layout->rows + 2 * args->border_rows) * row + args->border_rows * row +
                  args->border_columns * layout->block;
    }
    memset(sum, 0, layout->block * sizeof *sum);
    for (size_t i = 0; i < positions; i += step) {
        const size_t count = positions - i < step ? positions - i : step;
        const size_t to = bordered ? i / layout->columns * row : i * layout->block;
        bias_run(args, plane * layout->plane + i * layout->block,
                 passed == NULL ? NULL : passed + to, count, sum);
    }
}

void ech_blocked_bias_backward(const ech_blocked_bias_args *args)
{
    const int parts = (int)args->threads;
    const size_t channels = args->layout.channels, block = args->layout.block;
    const size_t blocks = channels / block;
    double *sums = (double *)(void *)args->scratch;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < args->batch * blocks; i++) {
        bias_plane(args, i, sums + i * block);
    }
    for (size_t c = 0; args->bias_gradient != NULL && c < channels; c++) {
        double sum = 0.0;
        for (size_t image = 0; image < args->batch; image++) {
            sum += sums[image * channels + c];
        }
        args->bias_gradient[c] = (float)sum;
    }
}
