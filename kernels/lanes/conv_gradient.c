#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

/*
 * For a few filters and a piece of one kernel row (up to five elements), the products of all places
 * are summed in registers, a strip of rows at a time; sums rest in memory between strips and
 * blocks, so that what a strip reads stays in the first-level cache for all kernel rows.
 */
enum {
    PIECE_MAX = 5,
    STRIP_BYTES = 16384,
};

typedef struct {
    const ech_lanes_conv *conv;
    uint32_t channel, first, count; /* filters [first, first + count) */
    uint32_t lane;
    float *sums; /* [tap][filter of the call][16] */
} gradient_call;

/* Rows [begin, end) of one block's output. */
typedef struct {
    const ech_lanes_planes *input, *gradient;
    uint32_t begin, end;
} strip;

ECH_INLINE void sum_piece(const gradient_call *call, const strip *rows, uint32_t ky, uint32_t kx,
                          const uint32_t piece, const uint32_t filters)
{
    const ech_lanes_conv *conv = call->conv;
    const ech_lanes_planes *in = rows->input, *grad = rows->gradient;
    float *rest =
        call->sums + ((size_t)ky * conv->kernel_width + kx) * call->count * ECH_LANES + call->lane;
    vector sums[PIECE_MAX][ECH_LANES_FILTER_TILE_MAX];
    for (uint32_t p = 0; p < piece; p++) {
        for (uint32_t f = 0; f < filters; f++) {
            sums[p][f] = vector_load(rest + ((size_t)p * call->count + f) * ECH_LANES);
        }
    }
    for (uint32_t y = rows->begin; y < rows->end; y++) {
        const float *x_row = in->data + call->channel * in->channel_stride + call->lane +
                             ((ptrdiff_t)y + ky - conv->pad_height) * (ptrdiff_t)in->row_stride +
                             ((ptrdiff_t)kx - conv->pad_width) * ECH_LANES;
        const float *g_row =
            grad->data + call->first * grad->channel_stride + call->lane + y * grad->row_stride;
        for (uint32_t x = 0; x < conv->out_width; x++) {
            vector g[ECH_LANES_FILTER_TILE_MAX];
            for (uint32_t f = 0; f < filters; f++) {
                g[f] = vector_load(g_row + f * grad->channel_stride + (size_t)x * ECH_LANES);
            }
            for (uint32_t p = 0; p < piece; p++) {
                const vector v = vector_load(x_row + (size_t)(x + p) * ECH_LANES);
                for (uint32_t f = 0; f < filters; f++) {
                    sums[p][f] = vector_fma(v, g[f], sums[p][f]);
                }
            }
        }
    }
    for (uint32_t p = 0; p < piece; p++) {
        for (uint32_t f = 0; f < filters; f++) {
            vector_store(rest + ((size_t)p * call->count + f) * ECH_LANES, sums[p][f]);
        }
    }
}

ECH_INLINE void sum_kernel(const gradient_call *call, const strip *rows, const uint32_t filters)
{
    const uint32_t width = call->conv->kernel_width;
    for (uint32_t ky = 0; ky < call->conv->kernel_height; ky++) {
        uint32_t kx = 0;
        for (; kx + 5 <= width; kx += 5) {
            sum_piece(call, rows, ky, kx, 5, filters);
        }
        for (; kx + 3 <= width; kx += 3) {
            sum_piece(call, rows, ky, kx, 3, filters);
        }
        for (; kx < width; kx++) {
            sum_piece(call, rows, ky, kx, 1, filters);
        }
    }
}

static void sum_strip(const gradient_call *call, const strip *rows)
{
    switch (call->count) {
#if defined(__AVX512F__)
    case 8:
        sum_kernel(call, rows, 8);
        break;
    case 4:
        sum_kernel(call, rows, 4);
        break;
#endif
    case 3:
        sum_kernel(call, rows, 3);
        break;
    case 2:
        sum_kernel(call, rows, 2);
        break;
    default:
        sum_kernel(call, rows, 1);
        break;
    }
}

/* As many as the registers hold beside a piece of the row, without a poor remainder. */
uint32_t ECH_LANES_NAME(ech_lanes_gradient_filters)(uint32_t kernel_width, uint32_t left)
{
    const bool is_wide = kernel_width >= PIECE_MAX;
    if (VECTOR_REGISTERS < 32) {
        const uint32_t most = is_wide || left == 4 ? 2 : 3;
        return left < most ? left : most;
    }
    if (!is_wide && left >= 8) {
        return 8;
    }
    if (left == 6 || left == 5 || left == 3) {
        return 3;
    }
    return left >= 4 ? 4 : left;
}

void ECH_LANES_NAME(ech_lanes_conv_gradient)(const ech_lanes_conv *conv,
                                             const ech_lanes_planes *inputs,
                                             const ech_lanes_planes *gradients, uint32_t blocks,
                                             uint32_t channel, uint32_t first, uint32_t count,
                                             float *out)
{
    float sums[ECH_LANES_TAPS_MAX * ECH_LANES_FILTER_TILE_MAX * ECH_LANES];
    const uint32_t taps = conv->kernel_height * conv->kernel_width;
    const size_t row_bytes = (size_t)conv->out_width * ECH_LANES * sizeof(float) * count;
    const uint32_t strip_rows = row_bytes >= STRIP_BYTES ? 1 : (uint32_t)(STRIP_BYTES / row_bytes);
    memset(sums, 0, (size_t)taps * count * ECH_LANES * sizeof *sums);
    for (uint32_t b = 0; b < blocks; b++) {
        for (uint32_t y = 0; y < conv->out_height; y += strip_rows) {
            const uint32_t end = y + strip_rows;
            const strip rows = {&inputs[b], &gradients[b], y,
                                end < conv->out_height ? end : conv->out_height};
            for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
                const gradient_call call = {conv, channel, first, count, part * VECTOR_LANES, sums};
                sum_strip(&call, &rows);
            }
        }
    }
    for (uint32_t t = 0; t < taps; t++) {
        for (uint32_t f = 0; f < count; f++) {
            out[((size_t)channel * taps + t) * conv->filters + first + f] =
                vector_sum_block(sums + ((size_t)t * count + f) * ECH_LANES);
        }
    }
}

float ECH_LANES_NAME(ech_lanes_sum)(const float *lanes)
{
    return vector_sum_block(lanes);
}

/* The gradient at one place of the step's output, to where it came from. */
ECH_INLINE void expand_place(const float *output, const float *upstream, const uint8_t *choice,
                             bool relu, float *target, size_t row_stride, vector *sum)
{
    vector g = vector_load(upstream);
    if (relu) {
        g = vector_select(vector_load(output) > 0.0F, g, (vector){0});
    }
    *sum += g;
    if (choice == NULL) {
        vector_store(target, g);
        return;
    }
    vector_bytes bytes;
    memcpy(&bytes, choice, sizeof bytes);
    const vector_mask chosen = vector_widen(bytes);
    for (int32_t k = 0; k < 4; k++) {
        const vector_mask here = chosen == k;
        vector_store(target + (size_t)(k / 2) * row_stride + (size_t)(k % 2) * ECH_LANES,
                     vector_select(here, g, (vector){0}));
    }
}

void ECH_LANES_NAME(ech_lanes_expand)(const ech_lanes_conv *conv, bool relu, const float *outputs,
                                      const float *upstream, const uint8_t *choices,
                                      ech_lanes_planes target, float *bias)
{
    const uint32_t step = choices != NULL ? 2 : 1;
    const uint32_t height = conv->out_height / step, width = conv->out_width / step;
    for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
        const uint32_t lane = part * VECTOR_LANES;
        vector sum = {0};
        for (uint32_t y = 0; y < height; y++) {
            for (uint32_t x = 0; x < width; x++) {
                const size_t place = ((size_t)y * width + x) * ECH_LANES + lane;
                expand_place(outputs + place, upstream + place,
                             choices != NULL ? choices + place : NULL, relu,
                             target.data + (size_t)(step * y) * target.row_stride +
                                 (size_t)(step * x) * ECH_LANES + lane,
                             target.row_stride, &sum);
            }
        }
        vector_store(bias + lane, sum);
    }
}
