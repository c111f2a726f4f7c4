#include "kernels/blocked/spanning.h"

#include "kernels/blocked/direct_priv.h"

/* The order of sums is the same for any length of a product only where a panel takes several
 * registers: libxsmm splits the sums of shorter ones. */
enum { FEW_POSITIONS = 4, MANY_IMAGES = 8, PANEL_MIN = 32 };

static bool images_suit(const ech_direct_shape *shape, size_t max_batch)
{
    const size_t line = shape->columns * (rows_join(shape) ? shape->rows : 1);
    return line < FEW_POSITIONS && max_batch >= MANY_IMAGES && shape->out_width >= PANEL_MIN;
}

/* Rows in the place of images, columns in that of rows, and images in that of columns. */
static ech_grid turn(const ech_grid *grid)
{
    ech_grid turned = *grid;
    turned.image = grid->row;
    turned.row = grid->column;
    turned.column = grid->image;
    return turned;
}

ech_status ech_spanning_create(const ech_direct_shape *shape, size_t max_batch, ech_spanning *out)
{
    *out = (ech_spanning){.shape = *shape, .max_batch = max_batch};
    out->shape.tap_offsets = NULL;
    const ech_status status = ech_direct_create(shape, &out->along_positions);
    if (status != ECH_OK || !images_suit(shape, max_batch)) {
        return status;
    }
    ech_direct_shape turned = *shape;
    turned.in = turn(&shape->in);
    turned.out = turn(&shape->out);
    turned.rows = shape->columns;
    turned.columns = max_batch;
    return ech_direct_create(&turned, &out->along_images);
}

void ech_spanning_destroy(ech_spanning *spanning)
{
    ech_direct_destroy(&spanning->along_positions);
    ech_direct_destroy(&spanning->along_images);
}

/* What `done` would have been called with. */
static void finish_images(const ech_spanning *spanning, const ech_direct_run_args *args)
{
    const size_t panels = spanning->shape.groups * spanning->shape.out_panels;
    const size_t tile = ech_direct_tile_rows(spanning->along_positions);
    const int threads = (int)args->threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < args->batch * panels; i++) {
        for (size_t row = 0; row < spanning->shape.rows; row += tile) {
            args->done(args->done_user, i / panels, i % panels, row,
                       smaller(tile, spanning->shape.rows - row));
        }
    }
}

void ech_spanning_run(const ech_spanning *spanning, const ech_direct_run_args *args)
{
    if (spanning->along_images == NULL || args->batch != spanning->max_batch) {
        ech_direct_run(spanning->along_positions, args);
        return;
    }
    ech_direct_run_args turned = *args;
    turned.batch = spanning->shape.rows;
    turned.done = NULL;
    ech_direct_run(spanning->along_images, &turned);
    if (args->done != NULL) {
        finish_images(spanning, args);
    }
}
