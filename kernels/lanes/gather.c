#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* Turn a square of 16 x 16 bytes: four rounds of interleaving halves. */
ECH_INLINE void turn_bytes(sixteen rows[16])
{
    for (int round = 0; round < 4; round++) {
        sixteen mixed[16];
        for (int i = 0; i < 8; i++) {
            mixed[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19,
                                                   4, 20, 5, 21, 6, 22, 7, 23);
            mixed[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26,
                                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(rows, mixed, sizeof mixed);
    }
}

ECH_INLINE void store_pixel(sixteen pixel, vector scale, vector shift, float *to)
{
    for (uint32_t part = 0; part < VECTORS_A_BLOCK; part++) {
        vector_bytes bytes;
        memcpy(&bytes, (const char *)&pixel + (size_t)part * VECTOR_LANES, sizeof bytes);
        const vector value = __builtin_convertvector(vector_widen(bytes), vector);
        vector_store(to + (size_t)part * VECTOR_LANES, vector_fma(value, scale, shift));
    }
}

/* Up to 16 pixels from `pixel` on, of all samples; missing samples become zero in clear_missing. */
ECH_INLINE void gather_pixels(const uint8_t *const *samples, size_t offset, uint32_t count,
                              vector scale, vector shift, float *to)
{
    sixteen rows[16];
    for (int n = 0; n < 16; n++) {
        rows[n] = (sixteen){0};
        if (samples[n] != NULL && count == 16) {
            memcpy(&rows[n], samples[n] + offset, sizeof rows[n]);
        } else if (samples[n] != NULL) {
            memcpy(&rows[n], samples[n] + offset, count);
        }
    }
    turn_bytes(rows);
    for (uint32_t p = 0; p < count; p++) {
        store_pixel(rows[p], scale, shift, to + (size_t)p * ECH_LANES);
    }
}

static void clear_missing(const uint8_t *const *samples, size_t elements, float *out)
{
    for (uint32_t n = 0; n < ECH_LANES; n++) {
        for (size_t i = 0; i < elements && samples[n] == NULL; i++) {
            out[i * ECH_LANES + n] = 0.0F;
        }
    }
}

void ECH_LANES_NAME(ech_lanes_gather)(const uint8_t *const *samples, uint32_t channels,
                                      uint32_t pixels, const float *scale, const float *shift,
                                      float *out)
{
    for (uint32_t c = 0; c < channels; c++) {
        const vector factor = vector_of(scale[c]), offset = vector_of(shift[c]);
        for (uint32_t p = 0; p < pixels; p += 16) {
            const size_t first = (size_t)c * pixels + p;
            gather_pixels(samples, first, pixels - p < 16 ? pixels - p : 16, factor, offset,
                          out + first * ECH_LANES);
        }
    }
    clear_missing(samples, (size_t)channels * pixels, out);
}
