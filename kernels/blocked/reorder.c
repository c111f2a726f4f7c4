#include "kernels/blocked/reorder.h"

#include <stdbool.h>
#include <string.h>

#include "kernels/blocked/simd.h"

static void zero(float *to, size_t count)
{
    memset(to, 0, count * sizeof *to);
}

/* The border of one padded plane: zero rows at both ends, zero columns in each other row. */
static void zero_plane_border(float *plane, const ech_blocked_size *size, size_t pad_rows,
                              size_t pad_columns)
{
    const size_t side = pad_columns * size->block_channels;
    const size_t row = size->columns * size->block_channels + 2 * side;
    zero(plane, pad_rows * row);
    zero(plane + (pad_rows + size->rows) * row, pad_rows * row);
    for (size_t y = pad_rows; y < pad_rows + size->rows && side > 0; y++) {
        zero(plane + y * row, side);
        zero(plane + (y + 1) * row - side, side);
    }
}

static size_t padded_plane(const ech_blocked_size *size, size_t pad_rows, size_t pad_columns)
{
    return (size->rows + 2 * pad_rows) * (size->columns + 2 * pad_columns) * size->block_channels;
}

void ech_reorder_zero_border(float *padded, const ech_blocked_size *size, size_t pad_rows,
                             size_t pad_columns, size_t threads)
{
    const int parts = (int)threads;
    const size_t plane = padded_plane(size, pad_rows, pad_columns);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < size->images * size->blocks; i++) {
        zero_plane_border(padded + i * plane, size, pad_rows, pad_columns);
    }
}

void ech_reorder_pad(const float *from, float *to, const ech_blocked_size *size, size_t pad_rows,
                     size_t pad_columns, size_t threads)
{
    const int parts = (int)threads;
    const size_t plane = padded_plane(size, pad_rows, pad_columns);
    const size_t row = size->columns * size->block_channels;
    const size_t padded_row = (size->columns + 2 * pad_columns) * size->block_channels;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < size->images * size->blocks; i++) {
        const float *source = from + i * size->rows * row;
        float *target = to + i * plane;
        zero_plane_border(target, size, pad_rows, pad_columns);
        target += pad_rows * padded_row + pad_columns * size->block_channels;
        for (size_t y = 0; y < size->rows; y++) {
            memcpy(target + y * padded_row, source + y * row, row * sizeof *from);
        }
    }
}

/* All windows of one row of the padded input; `from` is NULL for a row of padding. */
static void expand_row(const float *from, float *to, const ech_reorder_windows *windows)
{
    const size_t window = windows->window_columns * windows->channels;
    if (from == NULL) {
        zero(to, windows->out_columns * window);
        return;
    }
    for (size_t x = 0; x < windows->out_columns; x++) {
        for (size_t s = 0; s < windows->window_columns; s++) {
            const size_t padded_x = x * windows->stride_columns + s;
            const size_t source_x = padded_x - windows->pad_columns;
            const bool outside =
                padded_x < windows->pad_columns || source_x >= windows->size.columns;
            const float *source = from + source_x * windows->size.block_channels;
            for (size_t c = 0; c < windows->channels; c++) {
                *to++ = outside ? 0.0f : source[c];
            }
        }
    }
}

void ech_reorder_expand(const float *from, float *to, const ech_reorder_windows *windows,
                        size_t threads)
{
    const int parts = (int)threads;
    const ech_blocked_size *size = &windows->size;
    const size_t rows = size->rows + 2 * windows->pad_rows;
    const size_t row = size->columns * size->block_channels;
    const size_t expanded = windows->out_columns * windows->window_columns * windows->channels;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (size_t i = 0; i < size->images * rows; i++) {
        const size_t y = i % rows - windows->pad_rows;
        const bool inside = i % rows >= windows->pad_rows && y < size->rows;
        const float *source = inside ? from + (i / rows * size->rows + y) * row : NULL;
        expand_row(source, to + i * expanded, windows);
    }
}

typedef float lanes8 __attribute__((vector_size(32), aligned(4), may_alias));

/* One 8 x 8 tile: interleave pairs, then quarters, then halves. */
ECH_INLINE void transpose_tile(const float *from, size_t from_step, float *to, size_t to_step)
{
    lanes8 a[8], b[8];
    for (size_t i = 0; i < 8; i++) {
        a[i] = *(const lanes8 *)(from + i * from_step);
    }
    for (size_t i = 0; i < 8; i += 2) {
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (size_t i = 0; i < 8; i += 4) {
        for (size_t j = 0; j < 2; j++) {
            a[i + 2 * j] =
                __builtin_shufflevector(b[i + j], b[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            a[i + 2 * j + 1] =
                __builtin_shufflevector(b[i + j], b[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (size_t i = 0; i < 8; i++) {
        *(lanes8 *)(to + i * to_step) = b[i];
    }
}

ECH_SIMD void ech_reorder_transpose(const float *from, size_t from_step, float *to, size_t to_step,
                                    size_t rows, size_t columns)
{
    const size_t whole_rows = rows / 8 * 8;
    const size_t whole_columns = columns / 8 * 8;
    for (size_t i = 0; i < whole_rows; i += 8) {
        for (size_t j = 0; j < whole_columns; j += 8) {
            transpose_tile(from + i * from_step + j, from_step, to + j * to_step + i, to_step);
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++) {
            to[j * to_step + i] = from[i * from_step + j];
        }
    }
}
