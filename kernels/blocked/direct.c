#include "kernels/blocked/direct_priv.h"

#include <assert.h>

#include "kernels/blocked/rows.h"
#include "runtime/base/memory.h"

/*
 * A sum of many products in float32 is as wrong as it is long. So the terms of one output are cut
 * into chunks: each but the first is summed apart and then added.
 */
enum {
    CHAIN_PRODUCTS = 320,             /* summed one after the other at most */
    PIECE_COLUMNS = 64,               /* positions of one product at most */
    TILE_BYTES = 32 * 1024,           /* outputs of one panel that stay in the first-level cache */
    SHARED_WEIGHTS_BYTES = 512 * 1024 /* weights that stay in it while all positions pass by */
};

/* Where a product goes. */
typedef enum { TARGET_OVER, TARGET_ADDED, TARGET_APART, TARGET_COUNT } target;

/* A line of positions, cut into pieces of nearly equal length: `longer` of them have `length + 1`.
 */
typedef struct {
    size_t pieces;
    size_t longer;
    size_t length;
    ech_gemm product[2][TARGET_COUNT]; /* [a longer piece][target] */
} line_plan;

struct ech_direct {
    ech_direct_shape shape; /* tap_offsets are not kept */
    size_t terms;           /* of one output panel */
    size_t chunk_terms;     /* of one product */
    size_t tile_rows;
    size_t tiles;                     /* of one image */
    bool joined;                      /* a tile is one line; else each of its rows is */
    bool positions_outside;           /* all panels for one tile, then the next tile */
    line_plan full;                   /* of all tiles but the last */
    line_plan last;                   /* of the last tile */
    unsigned long long *weight_bytes; /* [terms] */
    unsigned long long *in_bytes;     /* [groups][terms] */
};

static ech_status make_product(const ech_direct_shape *shape, size_t columns, target to,
                               ech_gemm *out)
{
    const ech_gemm_shape product = {.m = shape->out_width,
                                    .n = columns,
                                    .k = shape->in_width,
                                    .lda = shape->out_width,
                                    .ldb = shape->in.column,
                                    .ldc =
                                        to == TARGET_APART ? shape->out_width : shape->out.column,
                                    .accumulate = to == TARGET_ADDED};
    return ech_gemm_generate(&product, out);
}

static ech_status make_line(const ech_direct_shape *shape, size_t columns, line_plan *out)
{
    out->pieces = divide_up(columns, PIECE_COLUMNS);
    out->length = columns / out->pieces;
    out->longer = columns % out->pieces;
    for (size_t longer = 0; longer < 2; longer++) {
        if (longer == 1 && out->longer == 0) {
            break;
        }
        for (target to = 0; to < TARGET_COUNT; to++) {
            const ech_status status =
                make_product(shape, out->length + longer, to, &out->product[longer][to]);
            if (status != ECH_OK) {
                return status;
            }
        }
    }
    return ECH_OK;
}

/* The rows of a tile: a divisor of all rows near the largest that fits, or that one. */
static size_t choose_tile_rows(const ech_direct_shape *shape)
{
    const size_t row_bytes = shape->columns * shape->out_width * sizeof(float);
    const size_t fits = smaller(shape->rows, larger(1, TILE_BYTES / row_bytes));
    for (size_t rows = fits; 2 * rows > fits; rows--) {
        if (shape->rows % rows == 0) {
            return rows;
        }
    }
    return fits;
}

static ech_status make_lines(ech_direct *direct)
{
    const ech_direct_shape *shape = &direct->shape;
    direct->joined = rows_join(shape);
    direct->tile_rows = choose_tile_rows(shape);
    direct->tiles = divide_up(shape->rows, direct->tile_rows);
    const size_t last_rows = shape->rows - (direct->tiles - 1) * direct->tile_rows;
    const size_t full_line = shape->columns * (direct->joined ? direct->tile_rows : 1);
    const size_t last_line = shape->columns * (direct->joined ? last_rows : 1);
    const ech_status status = make_line(shape, full_line, &direct->full);
    return status == ECH_OK ? make_line(shape, last_line, &direct->last) : status;
}

static void fill_terms(ech_direct *direct, const ech_direct_shape *shape)
{
    const size_t term_floats = shape->in_width * shape->out_width;
    for (size_t term = 0; term < direct->terms; term++) {
        direct->weight_bytes[term] = term * term_floats * sizeof(float);
        for (size_t group = 0; group < shape->groups; group++) {
            const size_t panel = group * shape->in_panels + term / shape->taps;
            const size_t offset = channel_offset(&shape->in, panel * shape->in_width) +
                                  shape->tap_offsets[term % shape->taps];
            direct->in_bytes[group * direct->terms + term] = offset * sizeof(float);
        }
    }
}

ech_status ech_direct_create(const ech_direct_shape *shape, ech_direct **out)
{
    assert(shape->taps > 0 && shape->rows > 0 && shape->columns > 0);
    ech_status status = ECH_ERR_MEMORY;
    ech_direct *direct = ech_calloc(1, sizeof *direct);
    *out = direct;
    if (direct == NULL) {
        return status;
    }
    direct->shape = *shape;
    direct->shape.tap_offsets = NULL;
    direct->terms = shape->in_panels * shape->taps;
    const size_t term_bytes = shape->in_width * shape->out_width * sizeof(float);
    const size_t chunks = divide_up(direct->terms * shape->in_width, CHAIN_PRODUCTS);
    direct->chunk_terms = divide_up(direct->terms, chunks);
    direct->positions_outside =
        direct->terms * term_bytes * shape->groups * shape->out_panels <= SHARED_WEIGHTS_BYTES;
    direct->weight_bytes = ech_calloc(direct->terms, sizeof *direct->weight_bytes);
    direct->in_bytes = ech_calloc(shape->groups * direct->terms, sizeof *direct->in_bytes);
    if (direct->weight_bytes == NULL || direct->in_bytes == NULL) {
        goto fail;
    }
    fill_terms(direct, shape);
    status = make_lines(direct);
    if (status == ECH_OK) {
        return ECH_OK;
    }
fail:
    ech_direct_destroy(out);
    return status;
}

void ech_direct_destroy(ech_direct **direct)
{
    if (direct == NULL || *direct == NULL) {
        return;
    }
    ech_free((*direct)->weight_bytes);
    ech_free((*direct)->in_bytes);
    ech_free(*direct);
    *direct = NULL;
}

size_t ech_direct_tile_rows(const ech_direct *direct)
{
    return direct->tile_rows;
}

/* Terms [first, first + count) of one panel, and where they apply. */
typedef struct {
    const float *weights;
    size_t count;
    const unsigned long long *weight_bytes;
    const unsigned long long *in_bytes;
    target to;
} chunk;

static void run_piece(const ech_direct *direct, ech_gemm product, const chunk *terms,
                      size_t columns, const float *in, float *out)
{
    if (terms->to != TARGET_APART) {
        ech_gemm_run(product, terms->weights, in, out, terms->count, terms->weight_bytes,
                     terms->in_bytes);
        return;
    }
    float apart[PIECE_COLUMNS * ECH_ROWS_WIDTH_MAX];
    ech_gemm_run(product, terms->weights, in, apart, terms->count, terms->weight_bytes,
                 terms->in_bytes);
    ech_rows_add(apart, out, (ech_run){columns, direct->shape.out.column, direct->shape.out_width});
}

static void run_line(const ech_direct *direct, const line_plan *line, const chunk *terms,
                     const float *in, float *out)
{
    for (size_t piece = 0; piece < line->pieces; piece++) {
        const size_t longer = piece < line->longer ? 1 : 0;
        run_piece(direct, line->product[longer][terms->to], terms, line->length + longer, in, out);
        in += (line->length + longer) * direct->shape.in.column;
        out += (line->length + longer) * direct->shape.out.column;
    }
}

static size_t rows_of_tile(const ech_direct *direct, size_t tile)
{
    return smaller(direct->tile_rows, direct->shape.rows - tile * direct->tile_rows);
}

static void run_tile(const ech_direct *direct, const chunk *terms, size_t tile, const float *in,
                     float *out)
{
    const line_plan *line = tile + 1 == direct->tiles ? &direct->last : &direct->full;
    const size_t lines = direct->joined ? 1 : rows_of_tile(direct, tile);
    for (size_t i = 0; i < lines; i++) {
        run_line(direct, line, terms, in + i * direct->shape.in.row,
                 out + i * direct->shape.out.row);
    }
}

/* All terms of a panel for tiles [first, last) of an image. */
static void run_panel(const ech_direct *direct, const ech_direct_run_args *args, size_t image,
                      size_t panel, size_t first, size_t last)
{
    const ech_direct_shape *shape = &direct->shape;
    const size_t group = panel / shape->out_panels;
    const float *in = args->in + shape->in.origin + image * shape->in.image;
    float *out = args->out + shape->out.origin + image * shape->out.image +
                 channel_offset(&shape->out, panel * shape->out_width);
    const float *weights =
        args->weights + panel * direct->terms * shape->in_width * shape->out_width;
    for (size_t term = 0; term < direct->terms; term += direct->chunk_terms) {
        const chunk terms = {
            .weights = weights,
            .count = smaller(direct->chunk_terms, direct->terms - term),
            .weight_bytes = direct->weight_bytes + term,
            .in_bytes = direct->in_bytes + group * direct->terms + term,
            .to = term > 0           ? TARGET_APART
                  : args->accumulate ? TARGET_ADDED
                                     : TARGET_OVER,
        };
        const bool complete = term + terms.count == direct->terms;
        for (size_t tile = first; tile < last; tile++) {
            const size_t row = tile * direct->tile_rows;
            run_tile(direct, &terms, tile, in + row * shape->in.row, out + row * shape->out.row);
            if (complete && args->done != NULL) {
                args->done(args->done_user, image, panel, row, rows_of_tile(direct, tile));
            }
        }
    }
}

void ech_direct_run(const ech_direct *direct, const ech_direct_run_args *args)
{
    const size_t panels = direct->shape.groups * direct->shape.out_panels;
    const int threads = (int)args->threads;
    if (direct->positions_outside) {
        const size_t items = args->batch * direct->tiles;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
        for (size_t item = 0; item < items; item++) {
            const size_t tile = item % direct->tiles;
            for (size_t panel = 0; panel < panels; panel++) {
                run_panel(direct, args, item / direct->tiles, panel, tile, tile + 1);
            }
        }
    } else {
        const size_t items = panels * args->batch;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
        for (size_t item = 0; item < items; item++) {
            run_panel(direct, args, item % args->batch, item / args->batch, 0, direct->tiles);
        }
    }
}
