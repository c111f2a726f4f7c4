/**
 * @file reorder.h
 * Copies that change how values or weights lie. Private to kernels/. Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_BLOCKED_REORDER_H
#define ECH_KERNELS_BLOCKED_REORDER_H

#include <stddef.h>

/** A blocked tensor [images][blocks][rows][columns][block_channels]. */
typedef struct {
    size_t images, blocks, rows, columns, block_channels;
} ech_blocked_size;

/** Copy into the middle of a tensor with `pad_rows` zero rows above and below and `pad_columns`
 *  zero columns on both sides. */
void ech_reorder_pad(const float *from, float *to, const ech_blocked_size *size, size_t pad_rows,
                     size_t pad_columns, size_t threads);

/** Zero the border of such a padded tensor, for callers that fill its middle themselves. */
void ech_reorder_zero_border(float *padded, const ech_blocked_size *size, size_t pad_rows,
                             size_t pad_columns, size_t threads);

/**
 * Put side by side what a window sees in one row, for inputs of few channels (one block, of which
 * `channels` count): to [images][rows + 2 pad_rows][out_columns][window_columns][channels], zero
 * where the window leaves the input.
 */
typedef struct {
    ech_blocked_size size;
    size_t channels;
    size_t pad_rows, pad_columns;
    size_t window_columns, stride_columns;
    size_t out_columns;
} ech_reorder_windows;
void ech_reorder_expand(const float *from, float *to, const ech_reorder_windows *windows,
                        size_t threads);

/** to[j * to_step + i] = from[i * from_step + j] for i < rows, j < columns. */
void ech_reorder_transpose(const float *from, size_t from_step, float *to, size_t to_step,
                           size_t rows, size_t columns);

#endif
