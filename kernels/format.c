#include "kernels/format.h"

#include <string.h>

uint32_t ech_format_channel_block(uint32_t channels)
{
    if (channels % 64 == 0) {
        return 64;
    }
    return channels % 32 == 0 ? 32 : 16;
}

static uint64_t round_up(uint64_t count, uint64_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

uint64_t ech_format_count(ech_format format, ech_shape shape, uint32_t batch)
{
    switch (format) {
    case ECH_FORMAT_LANES:
        return round_up(batch, ECH_LANES) * ech_shape_count(shape);
    case ECH_FORMAT_BLOCKED:
        shape.channels =
            (uint32_t)round_up(shape.channels, ech_format_channel_block(shape.channels));
        return batch * ech_shape_count(shape);
    case ECH_FORMAT_PLAIN:
        break;
    }
    return batch * ech_shape_count(shape);
}

uint64_t ech_format_index(ech_format format, ech_shape shape, uint32_t n, uint32_t c, uint32_t y,
                          uint32_t x)
{
    const uint64_t plane = (uint64_t)shape.height * shape.width;
    const uint64_t pixel = (uint64_t)y * shape.width + x;
    switch (format) {
    case ECH_FORMAT_LANES:
        return ((n / ECH_LANES * (uint64_t)shape.channels + c) * plane + pixel) * ECH_LANES +
               n % ECH_LANES;
    case ECH_FORMAT_BLOCKED: {
        const uint32_t block = ech_format_channel_block(shape.channels);
        const uint64_t blocks = (shape.channels + block - 1) / block;
        return ((n * blocks + c / block) * plane + pixel) * block + c % block;
    }
    case ECH_FORMAT_PLAIN:
        break;
    }
    return ((uint64_t)n * shape.channels + c) * plane + pixel;
}

/* Distance between neighbours in a row. */
static uint64_t column_stride(ech_format format, ech_shape shape)
{
    switch (format) {
    case ECH_FORMAT_LANES:
        return ECH_LANES;
    case ECH_FORMAT_BLOCKED:
        return ech_format_channel_block(shape.channels);
    case ECH_FORMAT_PLAIN:
        break;
    }
    return 1;
}

static void convert_row(const float *source, uint64_t source_stride, float *target,
                        uint64_t target_stride, uint32_t width, bool add)
{
    for (uint32_t x = 0; x < width; x++) {
        float *to = &target[x * target_stride];
        *to = source[x * source_stride] + (add ? *to : 0.0F);
    }
}

static void convert_sample(ech_format from, const float *source, ech_format to, float *target,
                           ech_shape shape, uint32_t n, bool add)
{
    const uint64_t source_stride = column_stride(from, shape);
    const uint64_t target_stride = column_stride(to, shape);
    for (uint32_t c = 0; c < shape.channels; c++) {
        for (uint32_t y = 0; y < shape.height; y++) {
            convert_row(source + ech_format_index(from, shape, n, c, y, 0), source_stride,
                        target + ech_format_index(to, shape, n, c, y, 0), target_stride,
                        shape.width, add);
        }
    }
}

void ech_format_convert(ech_format from, const float *source, ech_format to, float *target,
                        ech_shape shape, uint32_t batch, bool add, uint32_t threads)
{
    if (!add && ech_format_count(to, shape, batch) != batch * ech_shape_count(shape)) {
        memset(target, 0, ech_format_count(to, shape, batch) * sizeof *target);
    }
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < batch; n++) {
        convert_sample(from, source, to, target, shape, n, add);
    }
}
