#include "runtime/fed/site/codec.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BF16_SHIFT = 16, INT8_MOST = 127 };

static ech_status refuse(size_t byte_count, uint32_t count)
{
    return ech_fail(ECH_ERR_FORMAT, "%zu bytes are no piece of %u values", byte_count, count);
}

/* ---- bf16: the upper half of a float32, rounded to nearest, ties to even ---- */

static uint16_t to_bf16(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounding = 0x7fffU + ((bits >> BF16_SHIFT) & 1U);
    const uint32_t rounded = bits + rounding;
    const bool overflows = (rounded & 0x7f800000U) == 0x7f800000U;
    return (uint16_t)((overflows ? bits : rounded) >> BF16_SHIFT);
}

static float from_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << BF16_SHIFT;
    float value = 0.0F;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t encode_bf16(const float *values, uint32_t count, float *lost, uint8_t *bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t half = to_bf16(values[i]);
        bytes[2 * (size_t)i] = (uint8_t)half;
        bytes[2 * (size_t)i + 1] = (uint8_t)(half >> 8);
        lost[i] = values[i] - from_bf16(half);
    }
    return 2 * (size_t)count;
}

static ech_status decode_bf16(const uint8_t *bytes, size_t byte_count, float *values,
                              uint32_t count)
{
    if (byte_count != 2 * (size_t)count) {
        return refuse(byte_count, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const unsigned half = bytes[2 * (size_t)i] | (unsigned)bytes[2 * (size_t)i + 1] << 8;
        values[i] = from_bf16((uint16_t)half);
    }
    return ECH_OK;
}

/* ---- int8: a scale, and whole numbers of it ---- */

static size_t encode_int8(const float *values, uint32_t count, float *lost, uint8_t *bytes)
{
    float largest = 0.0F;
    for (uint32_t i = 0; i < count; i++) {
        largest = fmaxf(largest, fabsf(values[i]));
    }
    const float scale = largest / INT8_MOST;
    memcpy(bytes, &scale, sizeof scale);
    for (uint32_t i = 0; i < count; i++) {
        float level = scale > 0.0F ? rintf(values[i] / scale) : 0.0F;
        level = fminf(fmaxf(level, -INT8_MOST), INT8_MOST);
        bytes[sizeof scale + i] = (uint8_t)(int8_t)level;
        lost[i] = values[i] - level * scale;
    }
    return sizeof scale + count;
}

static ech_status decode_int8(const uint8_t *bytes, size_t byte_count, float *values,
                              uint32_t count)
{
    float scale = 0.0F;
    if (byte_count != sizeof scale + count) {
        return refuse(byte_count, count);
    }
    memcpy(&scale, bytes, sizeof scale);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (float)(int8_t)bytes[sizeof scale + i] * scale;
    }
    return ECH_OK;
}

/* ---- top: the largest values and where they are ---- */

/* Magnitudes in the order of their bits. */
static uint32_t magnitude_bits(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffU;
}

static uint32_t count_from(const float *values, uint32_t count, uint32_t least)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += magnitude_bits(values[i]) >= least;
    }
    return found;
}

/* The largest magnitude that so many values reach, bit by bit: ties cost nothing. */
static uint32_t threshold_of(const float *values, uint32_t count, uint32_t kept)
{
    uint32_t threshold = 0;
    for (uint32_t bit = 1U << 30; bit != 0; bit >>= 1) {
        if (count_from(values, count, threshold | bit) >= kept) {
            threshold |= bit;
        }
    }
    return threshold;
}

static size_t encode_top(uint32_t keep_millionths, const float *values, uint32_t count, float *lost,
                         uint8_t *bytes)
{
    const uint64_t wanted =
        ((uint64_t)count * keep_millionths + ECH_CODEC_MILLION - 1) / ECH_CODEC_MILLION;
    const uint32_t kept = wanted < 1 ? 1 : wanted > count ? count : (uint32_t)wanted;
    const uint32_t threshold = threshold_of(values, count, kept);
    uint32_t of_threshold = kept - count_from(values, count, threshold + 1);
    uint8_t *at = bytes;
    memcpy(at, &kept, sizeof kept);
    at += sizeof kept;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t magnitude = magnitude_bits(values[i]);
        lost[i] = values[i];
        if (magnitude > threshold || (magnitude == threshold && of_threshold > 0)) {
            of_threshold -= magnitude == threshold;
            lost[i] = 0.0F;
            memcpy(at, &i, sizeof i);
            memcpy(at + sizeof i, &values[i], sizeof values[i]);
            at += sizeof i + sizeof values[i];
        }
    }
    return (size_t)(at - bytes);
}

static ech_status decode_top(const uint8_t *bytes, size_t byte_count, float *values, uint32_t count)
{
    uint32_t kept = 0;
    if (byte_count < sizeof kept) {
        return refuse(byte_count, count);
    }
    memcpy(&kept, bytes, sizeof kept);
    if (kept > count || byte_count != sizeof kept + (size_t)kept * 8) {
        return refuse(byte_count, count);
    }
    memset(values, 0, count * sizeof *values);
    const uint8_t *at = bytes + sizeof kept;
    for (uint32_t k = 0, next = 0; k < kept; k++, at += 8) {
        uint32_t index = 0;
        memcpy(&index, at, sizeof index);
        if (index < next || index >= count) {
            return refuse(byte_count, count);
        }
        memcpy(&values[index], at + sizeof index, sizeof values[index]);
        next = index + 1;
    }
    return ECH_OK;
}

/* ---- the table ---- */

size_t ech_codec_encode(ech_codec codec, uint32_t keep_millionths, const float *values,
                        uint32_t count, float *lost, void *bytes)
{
    assert(count > 0 && count <= ECH_CODEC_PIECE_VALUES && codec != ECH_CODEC_EXACT);
    switch (codec) {
    case ECH_CODEC_BF16:
        return encode_bf16(values, count, lost, bytes);
    case ECH_CODEC_INT8:
        return encode_int8(values, count, lost, bytes);
    default:
        return encode_top(keep_millionths, values, count, lost, bytes);
    }
}

ech_status ech_codec_decode(ech_codec codec, const void *bytes, size_t byte_count, float *values,
                            uint32_t count)
{
    switch (codec) {
    case ECH_CODEC_BF16:
        return decode_bf16(bytes, byte_count, values, count);
    case ECH_CODEC_INT8:
        return decode_int8(bytes, byte_count, values, count);
    case ECH_CODEC_TOP:
        return decode_top(bytes, byte_count, values, count);
    default:
        return refuse(byte_count, count);
    }
}
