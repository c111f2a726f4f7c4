#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

enum {
    OUTPUT_TILE = VECTOR_REGISTERS == 32 ? 8 : 4, /* of the 16 outputs of a group */
    INPUT_TILE = VECTOR_REGISTERS == 32 ? 8 : 4,
    PAIR = 2,           /* blocks that share a loaded weight */
    CHAIN_INPUTS = 512, /* summed one after the other: a float32 sum is as wrong as it is long */
};

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Add inputs [first, last) to the sums of a tile of outputs. */
ECH_INLINE void add_inputs(uint32_t inputs, uint32_t first, uint32_t last, const float *w,
                           const float *x, const uint32_t blocks, vector sums[OUTPUT_TILE][PAIR])
{
    for (uint32_t i = first; i < last; i++) {
        vector v[PAIR];
        for (uint32_t b = 0; b < blocks; b++) {
            v[b] = vector_load(x + ((size_t)b * inputs + i) * ECH_LANES);
        }
        for (uint32_t o = 0; o < OUTPUT_TILE; o++) {
            const vector weight = vector_of(w[(size_t)i * ECH_LANES + o]);
            for (uint32_t b = 0; b < blocks; b++) {
                sums[o][b] = vector_fma(v[b], weight, sums[o][b]);
            }
        }
    }
}

/* Outputs [group * 16 + part, ... + OUTPUT_TILE) of `blocks` blocks. */
ECH_INLINE void linear_tile(uint32_t inputs, uint32_t outputs, const float *weights,
                            const float *bias, bool relu, uint32_t output, const float *x, float *y,
                            const uint32_t blocks)
{
    vector sums[OUTPUT_TILE][PAIR];
    for (uint32_t o = 0; o < OUTPUT_TILE; o++) {
        const bool exists = bias != NULL && output + o < outputs;
        for (uint32_t b = 0; b < blocks; b++) {
            sums[o][b] = vector_of(exists ? bias[output + o] : 0.0F);
        }
    }
    const float *w =
        weights + (size_t)(output / ECH_LANES) * inputs * ECH_LANES + output % ECH_LANES;
    add_inputs(inputs, 0, smaller(CHAIN_INPUTS, inputs), w, x, blocks, sums);
    for (uint32_t i = CHAIN_INPUTS; i < inputs; i += CHAIN_INPUTS) {
        vector apart[OUTPUT_TILE][PAIR] = {0};
        add_inputs(inputs, i, smaller(i + CHAIN_INPUTS, inputs), w, x, blocks, apart);
        for (uint32_t o = 0; o < OUTPUT_TILE; o++) {
            for (uint32_t b = 0; b < blocks; b++) {
                sums[o][b] += apart[o][b];
            }
        }
    }
    for (uint32_t o = 0; o < OUTPUT_TILE && output + o < outputs; o++) {
        for (uint32_t b = 0; b < blocks; b++) {
            vector v = sums[o][b];
            v = relu ? vector_relu(v) : v;
            vector_store(y + ((size_t)b * outputs + output + o) * ECH_LANES, v);
        }
    }
}

void ECH_LANES_NAME(ech_lanes_linear)(uint32_t inputs, uint32_t outputs, const float *weights,
                                      const float *bias, bool relu, uint32_t first, uint32_t end,
                                      uint32_t blocks, const float *x, float *y)
{
    const uint32_t last = smaller(end * ECH_LANES, outputs);
    for (uint32_t output = first * ECH_LANES; output < last; output += OUTPUT_TILE) {
        for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
            const float *from = x + (size_t)part * VECTOR_LANES;
            float *to = y + (size_t)part * VECTOR_LANES;
            uint32_t b = 0;
            for (; b + PAIR <= blocks; b += PAIR) {
                linear_tile(inputs, outputs, weights, bias, relu, output,
                            from + (size_t)b * inputs * ECH_LANES,
                            to + (size_t)b * outputs * ECH_LANES, PAIR);
            }
            if (b < blocks) {
                linear_tile(inputs, outputs, weights, bias, relu, output,
                            from + (size_t)b * inputs * ECH_LANES,
                            to + (size_t)b * outputs * ECH_LANES, 1);
            }
        }
    }
}

ECH_INLINE void input_tile(uint32_t inputs, uint32_t outputs, const float *weights, uint32_t input,
                           bool accumulate, const float *dy, float *dx, const uint32_t tile,
                           const uint32_t blocks)
{
    vector sums[INPUT_TILE][PAIR];
    for (uint32_t i = 0; i < tile; i++) {
        for (uint32_t b = 0; b < blocks; b++) {
            float *to = dx + ((size_t)b * inputs + input + i) * ECH_LANES;
            sums[i][b] = accumulate ? vector_load(to) : (vector){0};
        }
    }
    for (uint32_t o = 0; o < outputs; o++) {
        const float *w =
            weights + ((size_t)(o / ECH_LANES) * inputs + input) * ECH_LANES + o % ECH_LANES;
        vector v[PAIR];
        for (uint32_t b = 0; b < blocks; b++) {
            v[b] = vector_load(dy + ((size_t)b * outputs + o) * ECH_LANES);
        }
        for (uint32_t i = 0; i < tile; i++) {
            const vector weight = vector_of(w[(size_t)i * ECH_LANES]);
            for (uint32_t b = 0; b < blocks; b++) {
                sums[i][b] = vector_fma(v[b], weight, sums[i][b]);
            }
        }
    }
    for (uint32_t i = 0; i < tile; i++) {
        for (uint32_t b = 0; b < blocks; b++) {
            vector_store(dx + ((size_t)b * inputs + input + i) * ECH_LANES, sums[i][b]);
        }
    }
}

void ECH_LANES_NAME(ech_lanes_linear_input)(uint32_t inputs, uint32_t outputs, const float *weights,
                                            uint32_t first, uint32_t end, uint32_t blocks,
                                            bool accumulate, const float *dy, float *dx)
{
    for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
        const float *from = dy + (size_t)part * VECTOR_LANES;
        float *to = dx + (size_t)part * VECTOR_LANES;
        for (uint32_t b = 0; b < blocks; b += PAIR) {
            const float *dy_pair = from + (size_t)b * outputs * ECH_LANES;
            float *dx_pair = to + (size_t)b * inputs * ECH_LANES;
            uint32_t i = first;
            for (; i + INPUT_TILE <= end; i += INPUT_TILE) {
                if (b + 1 < blocks) {
                    input_tile(inputs, outputs, weights, i, accumulate, dy_pair, dx_pair,
                               INPUT_TILE, 2);
                } else {
                    input_tile(inputs, outputs, weights, i, accumulate, dy_pair, dx_pair,
                               INPUT_TILE, 1);
                }
            }
            for (; i < end; i++) {
                if (b + 1 < blocks) {
                    input_tile(inputs, outputs, weights, i, accumulate, dy_pair, dx_pair, 1, 2);
                } else {
                    input_tile(inputs, outputs, weights, i, accumulate, dy_pair, dx_pair, 1, 1);
                }
            }
        }
    }
}

/* Weights of `tile` inputs and the 16 outputs of a group: sums run over the samples in their order,
 * outputs are in the vector. */
ECH_INLINE void gradient_tile(uint32_t inputs, uint32_t input, uint32_t blocks, const float *x,
                              const float *turned, float *dw, const uint32_t tile)
{
    vector sums[INPUT_TILE][VECTORS_A_BLOCK];
    for (uint32_t i = 0; i < tile; i++) {
        for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
            sums[i][part] = (vector){0};
        }
    }
    for (uint32_t b = 0; b < blocks; b++) {
        const float *samples = x + ((size_t)b * inputs + input) * ECH_LANES;
        for (uint32_t n = 0; n < ECH_LANES; n++) {
            vector g[VECTORS_A_BLOCK];
            for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
                g[part] = vector_load(turned + ((size_t)b * ECH_LANES + n) * ECH_LANES +
                                      (size_t)part * VECTOR_LANES);
            }
            for (uint32_t i = 0; i < tile; i++) {
                const vector value = vector_of(samples[(size_t)i * ECH_LANES + n]);
                for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
                    sums[i][part] = vector_fma(value, g[part], sums[i][part]);
                }
            }
        }
    }
    for (uint32_t i = 0; i < tile; i++) {
        for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
            vector_store(dw + (size_t)(input + i) * ECH_LANES + (size_t)part * VECTOR_LANES,
                         sums[i][part]);
        }
    }
}

void ECH_LANES_NAME(ech_lanes_linear_gradient)(uint32_t inputs, uint32_t group, uint32_t first,
                                               uint32_t end, uint32_t blocks, const float *x,
                                               const float *turned, float *dw)
{
    const float *group_turned = turned + (size_t)group * blocks * ECH_LANES * ECH_LANES;
    float *group_dw = dw + (size_t)group * inputs * ECH_LANES;
    uint32_t i = first;
    for (; i + INPUT_TILE <= end; i += INPUT_TILE) {
        gradient_tile(inputs, i, blocks, x, group_turned, group_dw, INPUT_TILE);
    }
    for (; i < end; i++) {
        gradient_tile(inputs, i, blocks, x, group_turned, group_dw, 1);
    }
}

void ECH_LANES_NAME(ech_lanes_linear_turn)(uint32_t outputs, uint32_t group, uint32_t blocks,
                                           bool relu, const float *y, float *dy, float *turned,
                                           float *bias)
{
    const uint32_t first = group * ECH_LANES;
    const uint32_t count = smaller(ECH_LANES, outputs - first);
    float *square = turned + (size_t)group * blocks * ECH_LANES * ECH_LANES;
    float sums[ECH_LANES] = {0};
    for (uint32_t b = 0; b < blocks; b++) {
        for (uint32_t o = 0; o < ECH_LANES; o++) {
            const size_t row = ((size_t)b * outputs + first + o) * ECH_LANES;
            for (uint32_t n = 0; n < ECH_LANES; n++) {
                float value = 0.0F;
                if (o < count) {
                    value = relu && !(y[row + n] > 0.0F) ? 0.0F : dy[row + n];
                    dy[row + n] = value;
                }
                square[((size_t)b * ECH_LANES + n) * ECH_LANES + o] = value;
            }
        }
    }
    for (uint32_t n = 0; n < blocks * ECH_LANES; n++) {
        for (uint32_t o = 0; o < ECH_LANES; o++) {
            sums[o] += square[(size_t)n * ECH_LANES + o];
        }
    }
    for (uint32_t o = 0; o < count && bias != NULL; o++) {
        bias[first + o] = sums[o];
    }
}
