#include "kernels/blocked/norm.h"

#include <math.h>
#include <string.h>

#include "kernels/format.h"

enum { TILE_POSITIONS = 256 /* gathered together where no convolution decides */ };

ech_norm ech_norm_describe(const ech_step *step, uint32_t layer_in_step, uint32_t weight,
                           size_t tile_rows)
{
    const ech_layer *layer = ech_step_layer(step, layer_in_step);
    ech_norm norm = {.layer = layer,
                     .weight = weight,
                     .bias = weight + 1,
                     .in_step = layer_in_step,
                     .block = ech_format_channel_block(layer->in.channels),
                     .tile_rows = tile_rows,
                     .max_batch = step->target->batch};
    if (tile_rows == 0) {
        norm.tile_rows = layer->in.width < TILE_POSITIONS ? TILE_POSITIONS / layer->in.width : 1;
    }
    norm.channels = (layer->in.channels + norm.block - 1) / norm.block * norm.block;
    norm.tiles = (layer->in.height + norm.tile_rows - 1) / norm.tile_rows;
    return norm;
}

size_t ech_norm_numbers_count(const ech_norm *norm)
{
    return 4 * norm->channels;
}

ech_norm_numbers ech_norm_numbers_at(const ech_norm *norm, float *memory)
{
    const size_t channels = norm->channels;
    return (ech_norm_numbers){memory, memory + channels, memory + 2 * channels,
                              memory + 3 * channels};
}

size_t ech_norm_moments_count(const ech_norm *norm)
{
    return 2 * norm->max_batch * norm->tiles * norm->channels;
}

/* Means of a tile; its sums of squares follow. */
static float *tile_moments(const ech_norm *norm, float *moments, size_t tile)
{
    return moments + 2 * tile * norm->channels;
}

void ech_norm_gather(const ech_norm *norm, float *moments, const float *values, size_t image,
                     size_t first_row, size_t row_count, size_t first_channel, size_t width)
{
    float *mean = tile_moments(norm, moments, image * norm->tiles + first_row / norm->tile_rows) +
                  first_channel;
    const ech_run run = {row_count * norm->layer->in.width, norm->block, width};
    ech_rows_moments(values, run, mean, mean + norm->channels);
}

static size_t rows_of_tile(const ech_norm *norm, size_t tile)
{
    const size_t left = norm->layer->in.height - tile * norm->tile_rows;
    return left < norm->tile_rows ? left : norm->tile_rows;
}

void ech_norm_gather_all(const ech_norm *norm, float *moments, const float *values, size_t batch,
                         size_t threads)
{
    const int parts = (int)threads;
    const size_t blocks = norm->channels / norm->block;
    const size_t row = norm->layer->in.width * norm->block;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < batch * blocks; i++) {
        for (size_t tile = 0; tile < norm->tiles; tile++) {
            const size_t first_row = tile * norm->tile_rows;
            ech_norm_gather(norm, moments, values + (i * norm->layer->in.height + first_row) * row,
                            i / blocks, first_row, rows_of_tile(norm, tile),
                            i % blocks * norm->block, norm->block);
        }
    }
}

/* Mean and sum of squared differences of one block over the whole batch. */
static void merge_moments(const ech_norm *norm, const float *moments, size_t batch, size_t block,
                          double *mean, double *squares)
{
    const size_t width = norm->block, columns = norm->layer->in.width;
    const double count = (double)(batch * norm->layer->in.height * columns);
    memset(mean, 0, width * sizeof *mean);
    memset(squares, 0, width * sizeof *squares);
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t tile = 0; tile < batch * norm->tiles; tile++) {
            const double part = (double)(rows_of_tile(norm, tile % norm->tiles) * columns);
            const float *from = moments + 2 * tile * norm->channels + block * width;
            for (size_t c = 0; c < width; c++) {
                if (pass == 0) {
                    mean[c] += part * (double)from[c] / count;
                } else {
                    const double away = (double)from[c] - mean[c];
                    squares[c] += (double)from[norm->channels + c] + part * away * away;
                }
            }
        }
    }
}

static void set_numbers(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                        ech_norm_numbers numbers, size_t c, double mean, double variance)
{
    const float *parameters = call->parameters;
    const double inverse = 1.0 / sqrt(variance + norm->layer->epsilon);
    const double weight = (double)parameters[step->tensors[norm->weight].offset + c];
    numbers.mean[c] = (float)mean;
    numbers.inverse[c] = (float)inverse;
    numbers.scale[c] = (float)(weight * inverse);
    numbers.shift[c] = parameters[step->tensors[norm->bias].offset + c];
}

static void clear_padding(const ech_norm *norm, ech_norm_numbers numbers)
{
    for (size_t c = norm->layer->in.channels; c < norm->channels; c++) {
        numbers.mean[c] = 0.0f;
        numbers.inverse[c] = 0.0f;
        numbers.scale[c] = 0.0f;
        numbers.shift[c] = 0.0f;
    }
}

static float *running_mean(const ech_norm *norm, const ech_step *step, const ech_step_call *call)
{
    return (float *)call->statistics + step->statistics_offset[norm->in_step];
}

static void learn_block(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                        const float *moments, ech_norm_numbers numbers, size_t block)
{
    double mean[ECH_ROWS_WIDTH_MAX], squares[ECH_ROWS_WIDTH_MAX];
    const ech_layer *layer = norm->layer;
    const double count = (double)call->batch * layer->in.height * layer->in.width;
    const double keep = 1.0 - layer->momentum;
    float *running = running_mean(norm, step, call);
    merge_moments(norm, moments, call->batch, block, mean, squares);
    for (size_t i = 0; i < norm->block && block * norm->block + i < layer->in.channels; i++) {
        const size_t c = block * norm->block + i;
        const double unbiased = squares[i] / (count > 1.0 ? count - 1.0 : 1.0);
        float *variance = running + layer->in.channels;
        running[c] = (float)(keep * (double)running[c] + layer->momentum * mean[i]);
        variance[c] = (float)(keep * (double)variance[c] + layer->momentum * unbiased);
        set_numbers(norm, step, call, numbers, c, mean[i], squares[i] / count);
    }
}

void ech_norm_learn(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                    const float *moments, ech_norm_numbers numbers)
{
    const int parts = (int)step->target->threads;
    clear_padding(norm, numbers);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t block = 0; block < norm->channels / norm->block; block++) {
        learn_block(norm, step, call, moments, numbers, block);
    }
    call->counters[step->network->layout->tensors[norm->layer->batches_tracked].offset]++;
}

void ech_norm_recall(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                     ech_norm_numbers numbers)
{
    const float *running = running_mean(norm, step, call);
    const size_t channels = norm->layer->in.channels;
    clear_padding(norm, numbers);
    for (size_t c = 0; c < channels; c++) {
        set_numbers(norm, step, call, numbers, c, (double)running[c],
                    (double)running[channels + c]);
    }
}

static ech_rows_norm block_norm(ech_norm_numbers numbers, size_t first_channel)
{
    return (ech_rows_norm){numbers.mean + first_channel, numbers.scale + first_channel,
                           numbers.shift + first_channel};
}

void ech_norm_apply(const ech_norm *norm, ech_norm_numbers numbers, const float *x,
                    const float *added, float *out, bool relu, size_t batch, size_t threads)
{
    const int parts = (int)threads;
    const size_t blocks = norm->channels / norm->block;
    const ech_run run = {(size_t)norm->layer->in.height * norm->layer->in.width, norm->block,
                         norm->block};
    const size_t plane = run.count * run.width;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < batch * blocks; i++) {
        const ech_rows_norm rows = block_norm(numbers, i % blocks * norm->block);
        ech_rows_normalise(x + i * plane, added == NULL ? NULL : added + i * plane, out + i * plane,
                           run, &rows, relu);
    }
}

/* Backward's scratch: sums of each image (in double), then slopes and offsets. */
typedef struct {
    double *sums; /* [batch][2][channels]: of g, and of g * (x - mean) */
    float *slope, *offset;
} backward_memory;

static backward_memory backward_memory_at(const ech_norm *norm, float *scratch)
{
    backward_memory memory = {.sums = (double *)(void *)scratch};
    memory.slope = (float *)(void *)(memory.sums + 2 * norm->max_batch * norm->channels);
    memory.offset = memory.slope + norm->channels;
    return memory;
}

size_t ech_norm_backward_count(const ech_norm *norm)
{
    return 4 * norm->max_batch * norm->channels + 2 * norm->channels;
}

/* Sums of one block of one image, in short runs. */
static void sum_plane(const ech_norm *norm, const ech_norm_backward_args *args, size_t plane,
                      const float *mean, double *sum, double *x_sum)
{
    const size_t positions = (size_t)norm->layer->in.height * norm->layer->in.width;
    memset(sum, 0, norm->block * sizeof *sum);
    memset(x_sum, 0, norm->block * sizeof *x_sum);
    for (size_t i = 0; i < positions; i += ECH_ROWS_SUM_COUNT) {
        float part[ECH_ROWS_WIDTH_MAX] = {0.0f}, x_part[ECH_ROWS_WIDTH_MAX] = {0.0f};
        const size_t left = positions - i;
        const ech_run run = {left < ECH_ROWS_SUM_COUNT ? left : ECH_ROWS_SUM_COUNT, norm->block,
                             norm->block};
        const size_t at = (plane * positions + i) * norm->block;
        ech_rows_norm_sums(args->x + at, mean, args->out == NULL ? NULL : args->out + at,
                           args->gradient + at, args->out == NULL ? NULL : args->passed + at, run,
                           part, x_part);
        for (size_t c = 0; c < norm->block; c++) {
            sum[c] += (double)part[c];
            x_sum[c] += (double)x_part[c];
        }
    }
}

static void finish_channel(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                           const ech_norm_backward_args *args, const backward_memory *memory,
                           size_t c)
{
    double sum = 0.0, x_sum = 0.0;
    for (size_t image = 0; image < call->batch; image++) {
        sum += memory->sums[2 * image * norm->channels + c];
        x_sum += memory->sums[(2 * image + 1) * norm->channels + c];
    }
    const double count = (double)call->batch * norm->layer->in.height * norm->layer->in.width;
    const double inverse = (double)args->numbers.inverse[c];
    const double scale = (double)args->numbers.scale[c];
    memory->slope[c] = (float)(scale * inverse * inverse * x_sum / count);
    memory->offset[c] = (float)(scale * sum / count);
    if (c < norm->layer->in.channels) {
        float *gradients = call->gradients;
        gradients[step->tensors[norm->weight].offset + c] = (float)(x_sum * inverse);
        gradients[step->tensors[norm->bias].offset + c] = (float)sum;
    }
}

/* The gradient of one block of one image. */
static void x_gradient_plane(const ech_norm *norm, const ech_norm_backward_args *args, size_t plane,
                             const ech_rows_norm_slope *slope)
{
    const size_t rows = norm->layer->in.height, columns = norm->layer->in.width;
    const size_t row = (columns + 2 * args->border_columns) * norm->block;
    const float *g = args->out == NULL ? args->gradient : args->passed;
    const size_t at = plane * rows * columns * norm->block;
    float *to = args->x_gradient + plane * (rows + 2 * args->border_rows) * row +
                args->border_rows * row + args->border_columns * norm->block;
    if (args->border_columns == 0) {
        const ech_run run = {rows * columns, norm->block, norm->block};
        ech_rows_norm_gradient(args->x + at, g + at, to, run, slope, args->accumulate);
        return;
    }
    const ech_run run = {columns, norm->block, norm->block};
    for (size_t y = 0; y < rows; y++) {
        const size_t from = at + y * columns * norm->block;
        ech_rows_norm_gradient(args->x + from, g + from, to + y * row, run, slope,
                               args->accumulate);
    }
}

void ech_norm_backward(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                       const ech_norm_backward_args *args)
{
    const int parts = (int)step->target->threads;
    const size_t blocks = norm->channels / norm->block;
    const backward_memory memory = backward_memory_at(norm, args->scratch);
    const size_t planes = call->batch * blocks;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < planes; i++) {
        const size_t channel = i % blocks * norm->block;
        double *sum = memory.sums + 2 * (i / blocks) * norm->channels + channel;
        sum_plane(norm, args, i, args->numbers.mean + channel, sum, sum + norm->channels);
    }
    for (size_t c = 0; c < norm->channels; c++) {
        finish_channel(norm, step, call, args, &memory, c);
    }
    if (args->x_gradient == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < planes; i++) {
        const size_t channel = i % blocks * norm->block;
        const ech_rows_norm_slope slope = {args->numbers.mean + channel,
                                           args->numbers.scale + channel, memory.slope + channel,
                                           memory.offset + channel};
        x_gradient_plane(norm, args, i, &slope);
    }
}
