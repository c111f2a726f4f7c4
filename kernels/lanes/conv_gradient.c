#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

/*
 * A tile of filters goes through all blocks, a strip of rows at a time: the strip's gradient is
 * brought through pool and ReLU into the first-level cache, and there multiplied with the inputs of
 * all channels. For each kernel row a piece of up to five elements and the tile's filters are
 * summed in registers; between strips the sums rest in scratch.
 */
enum { PIECE_MAX = 5, STRIP_BYTES = 16384 };

typedef struct {
    const ech_lanes_gradient *all;
    uint32_t first, count; /* filters */
    uint32_t lane;
    float *sums;  /* [channel][tap][filter of the tile][16] */
    float *bias;  /* [filter of the tile][16] */
    float *strip; /* where a strip's gradient goes if `dense` is not wanted */
} tile;

/* Rows [begin, end) of one block: gradient row y of tile filter f lies at gradient.data +
 * f * channel_stride + y * row_stride. */
typedef struct {
    uint32_t block, begin, end, width;
    ech_lanes_planes gradient;
} strip;

ECH_INLINE void sum_piece(const tile *t, const strip *rows, const float *input, float *rest,
                          const uint32_t piece, const uint32_t filters)
{
    const size_t input_stride = t->all->inputs[rows->block].row_stride;
    const size_t plane = rows->gradient.channel_stride;
    vector sums[PIECE_MAX][ECH_LANES_FILTER_TILE_MAX];
    for (uint32_t p = 0; p < piece; p++) {
        for (uint32_t f = 0; f < filters; f++) {
            sums[p][f] = vector_load(rest + ((size_t)p * filters + f) * ECH_LANES);
        }
    }
    for (uint32_t y = rows->begin; y < rows->end; y++) {
        const float *in = input + (y - rows->begin) * input_stride;
        const float *gradient = rows->gradient.data + y * rows->gradient.row_stride + t->lane;
        for (uint32_t x = 0; x < rows->width; x++) {
            vector g[ECH_LANES_FILTER_TILE_MAX];
            for (uint32_t f = 0; f < filters; f++) {
                g[f] = vector_load(gradient + f * plane + (size_t)x * ECH_LANES);
            }
            for (uint32_t p = 0; p < piece; p++) {
                const vector v = vector_load(in + (size_t)(x + p) * ECH_LANES);
                for (uint32_t f = 0; f < filters; f++) {
                    sums[p][f] = vector_fma(v, g[f], sums[p][f]);
                }
            }
        }
    }
    for (uint32_t p = 0; p < piece; p++) {
        for (uint32_t f = 0; f < filters; f++) {
            vector_store(rest + ((size_t)p * filters + f) * ECH_LANES, sums[p][f]);
        }
    }
}

/* All kernel rows of one channel. */
ECH_INLINE void sum_channel(const tile *t, const strip *rows, uint32_t channel,
                            const uint32_t filters)
{
    const ech_lanes_conv *conv = t->all->conv;
    const ech_lanes_planes *planes = &t->all->inputs[rows->block];
    const uint32_t width = conv->kernel_width;
    for (uint32_t ky = 0; ky < conv->kernel_height; ky++) {
        const float *input =
            planes->data + channel * planes->channel_stride + t->lane +
            ((ptrdiff_t)rows->begin + ky - conv->pad_height) * (ptrdiff_t)planes->row_stride -
            (ptrdiff_t)conv->pad_width * ECH_LANES;
        float *rest = t->sums + t->lane +
                      ((size_t)channel * conv->kernel_height + ky) * width * filters * ECH_LANES;
        uint32_t kx = 0;
        for (; kx + 5 <= width; kx += 5) {
            sum_piece(t, rows, input + (size_t)kx * ECH_LANES,
                      rest + (size_t)kx * filters * ECH_LANES, 5, filters);
        }
        for (; kx + 3 <= width; kx += 3) {
            sum_piece(t, rows, input + (size_t)kx * ECH_LANES,
                      rest + (size_t)kx * filters * ECH_LANES, 3, filters);
        }
        for (; kx < width; kx++) {
            sum_piece(t, rows, input + (size_t)kx * ECH_LANES,
                      rest + (size_t)kx * filters * ECH_LANES, 1, filters);
        }
    }
}

static void sum_strip(const tile *t, const strip *rows)
{
    for (uint32_t c = 0; c < t->all->conv->channels; c++) {
        switch (t->count) {
#if defined(__AVX512F__)
        case 8:
            sum_channel(t, rows, c, 8);
            break;
        case 4:
            sum_channel(t, rows, c, 4);
            break;
#endif
        case 3:
            sum_channel(t, rows, c, 3);
            break;
        case 2:
            sum_channel(t, rows, c, 2);
            break;
        default:
            sum_channel(t, rows, c, 1);
            break;
        }
    }
}

/* The gradient at one place of the step's output goes to the place that it came from. */
ECH_INLINE vector expand_place(const ech_lanes_gradient *all, size_t place, float *target,
                               size_t row_stride)
{
    vector g = vector_load(all->upstream + place);
    if (all->relu) {
        g = vector_select(vector_greater(vector_load(all->outputs + place), (vector){0}), g,
                          (vector){0});
    }
    if (!all->pool) {
        vector_store(target, g);
        return g;
    }
    vector_bytes bytes;
    memcpy(&bytes, all->choices + place, sizeof bytes);
    const vector_int chosen = vector_widen(bytes);
    for (int32_t k = 0; k < 4; k++) {
        vector_store(target + (size_t)(k / 2) * row_stride + (size_t)(k % 2) * ECH_LANES,
                     vector_select(vector_equal_int(chosen, k), g, (vector){0}));
    }
    return g;
}

/* Bring a strip's gradient through pool and ReLU, and add it to the bias' sums. */
static void expand_strip(const tile *t, const strip *rows)
{
    const ech_lanes_gradient *all = t->all;
    const uint32_t step = all->pool ? 2 : 1;
    const uint32_t height = all->conv->out_height / step, width = rows->width / step;
    const size_t row_stride = rows->gradient.row_stride;
    for (uint32_t f = 0; f < t->count; f++) {
        float *rest = t->bias + (size_t)f * ECH_LANES + t->lane;
        vector sum = vector_load(rest);
        for (uint32_t y = rows->begin / step; y < rows->end / step; y++) {
            const size_t first = rows->block * all->output_stride +
                                 (((size_t)(t->first + f) * height + y) * width) * ECH_LANES +
                                 t->lane;
            float *target = rows->gradient.data + f * rows->gradient.channel_stride +
                            (size_t)(step * y) * row_stride + t->lane;
            for (uint32_t x = 0; x < width; x++) {
                sum += expand_place(all, first + (size_t)x * ECH_LANES,
                                    target + (size_t)(step * x) * ECH_LANES, row_stride);
            }
        }
        vector_store(rest, sum);
    }
}

/* Where the gradient of a strip that begins at row `begin` lies. */
static ech_lanes_planes strip_planes(const tile *t, uint32_t block, uint32_t begin, uint32_t rows)
{
    const ech_lanes_gradient *all = t->all;
    const size_t row = (size_t)all->conv->out_width * ECH_LANES;
    if (all->dense != NULL) {
        ech_lanes_planes planes = all->dense[block];
        planes.data += t->first * planes.channel_stride;
        return planes;
    }
    if (!all->pool) {
        return (ech_lanes_planes){
            .data = all->upstream + block * all->output_stride +
                    (size_t)t->first * all->conv->out_height * row,
            .channel_stride = all->conv->out_height * row,
            .row_stride = row,
        };
    }
    return (ech_lanes_planes){
        .data = t->strip - begin * row, .channel_stride = rows * row, .row_stride = row};
}

/* Zero the border of the dense gradient, and the odd last row and column that a pool skips. */
static void clear_edges(const tile *t, uint32_t block)
{
    const ech_lanes_gradient *all = t->all;
    const ptrdiff_t border = all->border, step = all->pool ? 2 : 1;
    const ptrdiff_t height = all->conv->out_height / step * step;
    const ptrdiff_t width = all->conv->out_width / step * step;
    const ptrdiff_t right = ((ptrdiff_t)all->conv->out_width + border - width) * ECH_LANES;
    for (uint32_t f = 0; f < t->count; f++) {
        const ech_lanes_planes plane = all->dense[block];
        for (ptrdiff_t y = -border; y < (ptrdiff_t)all->conv->out_height + border; y++) {
            float *row = plane.data + (t->first + f) * plane.channel_stride +
                         y * (ptrdiff_t)plane.row_stride;
            if (y < 0 || y >= height) {
                memset(row - border * ECH_LANES, 0, plane.row_stride * sizeof *row);
            } else {
                memset(row - border * ECH_LANES, 0, (size_t)border * ECH_LANES * sizeof *row);
                memset(row + width * ECH_LANES, 0, (size_t)right * sizeof *row);
            }
        }
    }
}

/* Rows of a strip: what fits into STRIP_BYTES, pairs under a pool. */
static uint32_t strip_rows(const ech_lanes_conv *conv, uint32_t filters)
{
    const size_t row_bytes = (size_t)conv->out_width * ECH_LANES * sizeof(float) * filters;
    const uint32_t rows = (uint32_t)(STRIP_BYTES / row_bytes) / 2 * 2;
    return rows < 2 ? 2 : rows;
}

static void run_block(tile *t, uint32_t block)
{
    const ech_lanes_gradient *all = t->all;
    const uint32_t step = all->pool ? 2 : 1;
    const uint32_t height = all->conv->out_height / step * step;
    const uint32_t rows = strip_rows(all->conv, t->count);
    if (all->dense != NULL) {
        clear_edges(t, block);
    }
    for (uint32_t y = 0; y < height; y += rows) {
        const strip s = {
            .block = block,
            .begin = y,
            .end = y + rows < height ? y + rows : height,
            .width = all->conv->out_width / step * step,
            .gradient = strip_planes(t, block, y, rows),
        };
        for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
            t->lane = part * VECTOR_LANES;
            expand_strip(t, &s);
            sum_strip(t, &s);
        }
    }
}

static size_t sum_floats(const ech_lanes_conv *conv, uint32_t filters)
{
    return (size_t)conv->channels * conv->kernel_height * conv->kernel_width * filters * ECH_LANES;
}

size_t ECH_LANES_NAME(ech_lanes_gradient_scratch)(const ech_lanes_conv *conv)
{
    const size_t most = ECH_LANES_FILTER_TILE_MAX;
    size_t largest = 0;
    for (uint32_t count = 1; count <= most; count++) {
        const size_t floats = (size_t)strip_rows(conv, count) * conv->out_width * count * ECH_LANES;
        largest = floats > largest ? floats : largest;
    }
    return sum_floats(conv, ECH_LANES_FILTER_TILE_MAX) + most * ECH_LANES + largest;
}

void ECH_LANES_NAME(ech_lanes_conv_gradient)(const ech_lanes_gradient *gradient, uint32_t first,
                                             uint32_t count)
{
    const ech_lanes_conv *conv = gradient->conv;
    const size_t sums = sum_floats(conv, count);
    tile t = {
        .all = gradient,
        .first = first,
        .count = count,
        .sums = gradient->scratch,
        .bias = gradient->scratch + sums,
        .strip = gradient->scratch + sums + (size_t)count * ECH_LANES,
    };
    memset(t.sums, 0, (sums + (size_t)count * ECH_LANES) * sizeof *t.sums);
    for (uint32_t b = 0; b < gradient->blocks; b++) {
        run_block(&t, b);
    }
    for (size_t i = 0; i < sums / ECH_LANES; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): with count 0, sums is 0 */
        gradient->weights[i / count * conv->filters + first + i % count] =
            vector_sum_block(t.sums + i * ECH_LANES);
    }
    for (uint32_t f = 0; f < count && gradient->bias != NULL; f++) {
        gradient->bias[first + f] = vector_sum_block(t.bias + (size_t)f * ECH_LANES);
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
