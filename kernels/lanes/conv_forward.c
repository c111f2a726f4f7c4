#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

/*
 * A tile of up to 2 x 2 places and a few filters is summed in registers: per kernel element one
 * vector a place and one weight a filter are loaded for places x filters multiply-adds. Two rows
 * and columns are what the pool needs; an odd last row or column is a tile of one.
 */
enum {
    TILE_FILTERS = VECTOR_REGISTERS == 32 ? 6 : 2,
    DEEP_FLOATS_MAX = 1 << 15, /* an input that the second-level cache holds with ease */
};

typedef struct {
    const ech_lanes_conv *conv;
    ech_lanes_planes input;
    const float *weights;
    const ech_lanes_epilogue *epilogue;
    float *output;
    uint32_t lane;   /* first lane of the vector in the block */
    uint32_t filter; /* first of the tile */
} tile_call;

/* Kernel rows or columns [begin, end) for which some output of [first, first + count) reads a place
 * inside the input; others would add zeros only. */
typedef struct {
    uint32_t begin, end;
} range;

ECH_INLINE range useful_range(uint32_t first, uint32_t count, uint32_t size, uint32_t kernel,
                              uint32_t pad)
{
    const uint32_t last = first + count - 1;
    range r = {pad > last ? pad - last : 0, size + pad > first ? size + pad - first : 0};
    r.end = r.end < kernel ? r.end : kernel;
    r.begin = r.begin < r.end ? r.begin : r.end;
    return r;
}

/* One of the three loops over what a tile sums: channels, kernel rows, kernel columns. */
typedef struct {
    uint32_t count;
    size_t input_stride, weight_stride;
} loop;

/* Sum products over the loops, the last innermost. */
ECH_INLINE void sum_loops(const loop loops[3], const float *input, size_t row_stride,
                          const float *weights, const uint32_t rows, const uint32_t columns,
                          const uint32_t filters, vector sums[2][2][TILE_FILTERS])
{
    for (uint32_t i = 0; i < loops[0].count; i++) {
        for (uint32_t j = 0; j < loops[1].count; j++) {
            const float *in = input + i * loops[0].input_stride + j * loops[1].input_stride;
            const float *weight = weights + i * loops[0].weight_stride + j * loops[1].weight_stride;
            for (uint32_t k = 0; k < loops[2].count; k++) {
                for (uint32_t f = 0; f < filters; f++) {
                    const vector w = vector_of(weight[f]);
                    for (uint32_t r = 0; r < rows; r++) {
                        for (uint32_t s = 0; s < columns; s++) {
                            sums[r][s][f] = vector_fma(
                                vector_load(in + r * row_stride + s * ECH_LANES), w, sums[r][s][f]);
                        }
                    }
                }
                in += loops[2].input_stride;
                weight += loops[2].weight_stride;
            }
        }
    }
}

/* The innermost loop should be a long one: kernel columns, or channels where there are many and
 * jumps between them stay near. */
ECH_INLINE void sum_tile(const tile_call *call, uint32_t y, uint32_t x, const uint32_t rows,
                         const uint32_t columns, const uint32_t filters,
                         vector sums[2][2][TILE_FILTERS])
{
    const ech_lanes_conv *conv = call->conv;
    const range ky = useful_range(y, rows, conv->height, conv->kernel_height, conv->pad_height);
    const range kx = useful_range(x, columns, conv->width, conv->kernel_width, conv->pad_width);
    const size_t row_stride = call->input.row_stride;
    const size_t filter_row = (size_t)conv->kernel_width * conv->filters;
    const float *input =
        call->input.data + call->lane +
        ((ptrdiff_t)y + ky.begin - (ptrdiff_t)conv->pad_height) * (ptrdiff_t)row_stride +
        ((ptrdiff_t)x + kx.begin - (ptrdiff_t)conv->pad_width) * ECH_LANES;
    const float *weights =
        call->weights + call->filter + ky.begin * filter_row + (size_t)kx.begin * conv->filters;
    const loop channel = {conv->channels, call->input.channel_stride,
                          conv->kernel_height * filter_row};
    const loop row = {ky.end - ky.begin, row_stride, filter_row};
    const loop column = {kx.end - kx.begin, ECH_LANES, conv->filters};
    const bool is_deep = conv->channels >= 2 * conv->kernel_width &&
                         conv->channels * call->input.channel_stride <= DEEP_FLOATS_MAX;
    const loop loops[3] = {is_deep ? row : channel, is_deep ? column : row,
                           is_deep ? channel : column};
    sum_loops(loops, input, row_stride, weights, rows, columns, filters, sums);
}

/* The first largest of the four, as PyTorch; its number to `choices`. */
ECH_INLINE void store_pooled(const tile_call *call, uint32_t y, uint32_t x, uint32_t filter,
                             vector sums[2][2][TILE_FILTERS], const uint32_t f)
{
    const uint32_t height = call->conv->out_height / 2, width = call->conv->out_width / 2;
    const size_t place =
        (((size_t)filter * height + y / 2) * width + x / 2) * ECH_LANES + call->lane;
    vector largest = sums[0][0][f];
    vector_int choice = {0};
    for (int32_t k = 1; k < 4; k++) {
        const vector_mask greater = vector_greater(sums[k / 2][k % 2][f], largest);
        largest = vector_select(greater, sums[k / 2][k % 2][f], largest);
        choice = vector_select_int(greater, k, choice);
    }
    vector_store(call->output + place, call->epilogue->relu ? vector_relu(largest) : largest);
    if (call->epilogue->choices != NULL) {
        const vector_bytes bytes = vector_narrow(choice);
        memcpy(call->epilogue->choices + place, &bytes, sizeof bytes);
    }
}

ECH_INLINE void store_tile(const tile_call *call, uint32_t y, uint32_t x, const uint32_t rows,
                           const uint32_t columns, const uint32_t filters,
                           vector sums[2][2][TILE_FILTERS])
{
    const ech_lanes_conv *conv = call->conv;
    for (uint32_t f = 0; f < filters; f++) {
        if (rows == 2 && columns == 2 && call->epilogue->pool) {
            store_pooled(call, y, x, call->filter + f, sums, f);
            continue;
        }
        for (uint32_t r = 0; r < rows; r++) {
            for (uint32_t s = 0; s < columns; s++) {
                const size_t place = (size_t)(call->filter + f) * conv->out_height + y + r;
                float *to =
                    call->output + (place * conv->out_width + x + s) * ECH_LANES + call->lane;
                vector v = sums[r][s][f];
                v = call->epilogue->relu ? vector_relu(v) : v;
                vector_store(to, call->epilogue->accumulate ? v + vector_load(to) : v);
            }
        }
    }
}

ECH_INLINE void run_tile(const tile_call *call, uint32_t y, uint32_t x, const uint32_t rows,
                         const uint32_t columns, const uint32_t filters)
{
    vector sums[2][2][TILE_FILTERS];
    for (uint32_t f = 0; f < filters; f++) {
        const float *bias = call->epilogue->bias;
        const vector start = vector_of(bias != NULL ? bias[call->filter + f] : 0.0F);
        for (uint32_t r = 0; r < rows; r++) {
            for (uint32_t s = 0; s < columns; s++) {
                sums[r][s][f] = start;
            }
        }
    }
    sum_tile(call, y, x, rows, columns, filters, sums);
    store_tile(call, y, x, rows, columns, filters, sums);
}

/* Rows y and y + 1 (or y alone, where it is the last), for one tile of filters. */
ECH_INLINE void run_row(const tile_call *call, uint32_t y, const uint32_t filters)
{
    const uint32_t width = call->conv->out_width;
    if (y + 1 == call->conv->out_height) {
        for (uint32_t x = 0; x < width; x++) {
            run_tile(call, y, x, 1, 1, filters);
        }
        return;
    }
    for (uint32_t x = 0; x + 1 < width; x += 2) {
        run_tile(call, y, x, 2, 2, filters);
    }
    if (width % 2 != 0 && !call->epilogue->pool) {
        run_tile(call, y, width - 1, 2, 1, filters);
    }
}

static void run_filters_1(const tile_call *call, uint32_t y)
{
    run_row(call, y, 1);
}

static void run_filters_2(const tile_call *call, uint32_t y)
{
    run_row(call, y, 2);
}

#if defined(__AVX512F__)
static void run_filters_4(const tile_call *call, uint32_t y)
{
    run_row(call, y, 4);
}

static void run_filters_6(const tile_call *call, uint32_t y)
{
    run_row(call, y, 6);
}
#endif

/* Run the largest tile that fits into `left` filters; how many it took. */
static uint32_t run_filters(const tile_call *call, uint32_t y, uint32_t left)
{
#if defined(__AVX512F__)
    if (left >= 6) {
        run_filters_6(call, y);
        return 6;
    }
    if (left >= 4) {
        run_filters_4(call, y);
        return 4;
    }
#endif
    if (left >= 2) {
        run_filters_2(call, y);
        return 2;
    }
    run_filters_1(call, y);
    return 1;
}

/* Rows are outermost: what a pair of them reads stays in the cache for all filters. */
void ECH_LANES_NAME(ech_lanes_conv_forward)(const ech_lanes_conv *conv, ech_lanes_planes input,
                                            const float *weights, uint32_t first, uint32_t end,
                                            const ech_lanes_epilogue *epilogue, float *output)
{
    /* The pool leaves an odd last row out. */
    const uint32_t height = conv->out_height - (epilogue->pool ? conv->out_height % 2 : 0);
    for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
        tile_call call = {conv,           input, weights, epilogue, output, part * VECTOR_LANES,
                          .filter = first};
        for (uint32_t y = 0; y < height; y += 2) {
            for (call.filter = first; call.filter < end;) {
                call.filter += run_filters(&call, y, end - call.filter);
            }
        }
    }
}
