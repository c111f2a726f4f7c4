/**
 * @file codec.h
 * Lossy forms of an update's values, a piece of a tensor at a time, for slow links. What a piece
 * loses is kept and added to the next update of the same site (error feedback: Seide et al.,
 * "1-bit stochastic gradient descent", Interspeech 2014; Karimireddy et al., "Error feedback fixes
 * SignSGD", ICML 2019).
 *
 * | codec | a value | error of a value |
 * | --- | --- | --- |
 * | bf16 | 2 bytes | 2^-9 of it |
 * | int8 | 1 byte, and a scale a piece | 1/254 of the piece's largest |
 * | top | 8 bytes for the largest ones, nothing for the others | the others |
 *
 * Pure functions: the same bytes from the same values.
 */
#ifndef ECH_FED_SITE_CODEC_H
#define ECH_FED_SITE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Never renumber: part of the protocol. */
typedef enum {
    ECH_CODEC_EXACT, /* the sum itself: none of the functions below */
    ECH_CODEC_BF16,
    ECH_CODEC_INT8,
    ECH_CODEC_TOP,
    ECH_CODEC_COUNT
} ech_codec;

enum {
    ECH_CODEC_PIECE_VALUES = 32768,
    ECH_CODEC_PIECE_BYTES = 8 * ECH_CODEC_PIECE_VALUES + 8, /* most that a piece takes */
    ECH_CODEC_MILLION = 1000000,
};

/**
 * @param keep_millionths  top: share of the values that is sent, at least one.
 * @param values           finite; at most ECH_CODEC_PIECE_VALUES.
 * @param[out] lost        values less what `ech_codec_decode` will give.
 * @param[out] bytes       room for ECH_CODEC_PIECE_BYTES. @return how many were written.
 */
size_t ech_codec_encode(ech_codec codec, uint32_t keep_millionths, const float *values,
                        uint32_t count, float *lost, void *bytes);

/** @return ECH_OK; ECH_ERR_FORMAT. */
ech_status ech_codec_decode(ech_codec codec, const void *bytes, size_t byte_count, float *values,
                            uint32_t count);

#endif
