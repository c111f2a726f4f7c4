/**
 * @file format.h
 * How the elements of a value lie in memory. Private to kernels/.
 *
 * - plain:   [N][C][H][W], PyTorch's own.
 * - lanes:   [N/16][C][H][W][16]: sixteen samples innermost. Missing samples of the last block are
 *            zero in the network's input and in every gradient.
 * - blocked: [N][C/b][H][W][b]: b channels innermost, b = ech_format_channel_block(C); missing
 *            channels are zero.
 */
#ifndef ECH_KERNELS_FORMAT_H
#define ECH_KERNELS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/network.h"

typedef enum { ECH_FORMAT_PLAIN, ECH_FORMAT_LANES, ECH_FORMAT_BLOCKED } ech_format;

enum { ECH_LANES = 16 };

/** Channels in a block of the blocked format: 64, 32 or 16, the largest that wastes nothing; 16
 *  where each would. */
uint32_t ech_format_channel_block(uint32_t channels);

/** Elements of a value of `batch` samples, padding included. */
uint64_t ech_format_count(ech_format format, ech_shape shape, uint32_t batch);

/** Number of element (n, c, y, x). */
uint64_t ech_format_index(ech_format format, ech_shape shape, uint32_t n, uint32_t c, uint32_t y,
                          uint32_t x);

/** Copy a value between formats, padding written as zero; `add`: add it to what is there instead.
 */
void ech_format_convert(ech_format from, const float *source, ech_format to, float *target,
                        ech_shape shape, uint32_t batch, bool add, uint32_t threads);

#endif
