#include "kernels/blocked/direct_priv.h"

#include <stdint.h>

#include "kernels/blocked/rows.h"
#include "runtime/base/memory.h"

enum {
    RUN_POSITIONS_MIN = 24,
    RUN_POSITIONS_MAX = 256,
    CHUNK_POSITIONS = 512, /* summed one after the other at most */
    ITEM_FLOATS_MAX = ECH_DIRECT_IN_WIDTH_MAX * ECH_ROWS_WIDTH_MAX,
    SHARED_GRADIENT_BYTES = 512 * 1024 /* a gradient that stays in it while all chunks pass by */
};

/*
 * Positions are summed in runs: a row, or a part of an image whose rows join. A chunk of runs is
 * one product's reduction; a float32 sum of many products is as wrong as it is long, so each chunk
 * but the first is summed apart and then added. All this is the same for any number of threads.
 */
struct ech_direct_update {
    ech_direct_shape shape;
    size_t *tap_offsets;
    size_t image_runs;
    size_t chunk_runs;
    bool chunks_outside; /* all weights for one chunk, then the next chunk */
    ech_gemm product;
    unsigned long long *out_bytes; /* [max_batch * image_runs] */
    unsigned long long *in_bytes;
};

/* The largest divisor of an image's positions that makes a good run; 0 if there is none. */
static size_t joined_run(size_t positions)
{
    for (size_t run = smaller(positions, RUN_POSITIONS_MAX); run >= RUN_POSITIONS_MIN; run--) {
        if (positions % run == 0) {
            return run;
        }
    }
    return 0;
}

static void fill_runs(ech_direct_update *update, size_t max_batch, size_t run, bool joined)
{
    const ech_direct_shape *shape = &update->shape;
    const size_t in_step = joined ? run * shape->in.column : shape->in.row;
    const size_t out_step = joined ? run * shape->out.column : shape->out.row;
    for (size_t i = 0; i < max_batch * update->image_runs; i++) {
        const size_t image = i / update->image_runs;
        const size_t number = i % update->image_runs;
        update->in_bytes[i] = (image * shape->in.image + number * in_step) * sizeof(float);
        update->out_bytes[i] = (image * shape->out.image + number * out_step) * sizeof(float);
    }
}

static ech_status make_product(ech_direct_update *update, size_t run)
{
    const ech_direct_shape *shape = &update->shape;
    const ech_gemm_shape product = {.m = shape->out_width,
                                    .n = shape->in_width,
                                    .k = run,
                                    .lda = shape->out.column,
                                    .ldb = shape->in.column,
                                    .ldc = shape->out_width,
                                    .transposed_b = true};
    return ech_gemm_generate(&product, &update->product);
}

/* Everything that needs the run's length. */
static ech_status plan_runs(ech_direct_update *update, size_t max_batch)
{
    const ech_direct_shape *shape = &update->shape;
    const size_t joined = rows_join(shape) ? joined_run(shape->rows * shape->columns) : 0;
    const size_t run = joined > 0 ? joined : shape->columns;
    update->image_runs = shape->rows * shape->columns / run;
    update->chunk_runs = larger(1, CHUNK_POSITIONS / run);
    const size_t runs = max_batch * update->image_runs;
    update->in_bytes = ech_calloc(runs, sizeof *update->in_bytes);
    update->out_bytes = ech_calloc(runs, sizeof *update->out_bytes);
    if (update->in_bytes == NULL || update->out_bytes == NULL) {
        return ECH_ERR_MEMORY;
    }
    fill_runs(update, max_batch, run, joined > 0);
    return make_product(update, run);
}

static size_t count_weights(const ech_direct_shape *shape)
{
    return shape->groups * shape->out_panels * shape->in_panels * shape->taps * shape->in_width *
           shape->out_width;
}

ech_status ech_direct_update_create(const ech_direct_shape *shape, size_t max_batch,
                                    ech_direct_update **out)
{
    ech_direct_update *update = ech_calloc(1, sizeof *update);
    *out = update;
    if (update == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_ERR_MEMORY;
    update->shape = *shape;
    update->shape.tap_offsets = NULL;
    update->chunks_outside = count_weights(shape) * sizeof(float) <= SHARED_GRADIENT_BYTES;
    update->tap_offsets = ech_calloc(shape->taps, sizeof *update->tap_offsets);
    if (update->tap_offsets != NULL) {
        for (size_t tap = 0; tap < shape->taps; tap++) {
            update->tap_offsets[tap] = shape->tap_offsets[tap];
        }
        status = plan_runs(update, max_batch);
    }
    if (status != ECH_OK) {
        ech_direct_update_destroy(out);
    }
    return status;
}

void ech_direct_update_destroy(ech_direct_update **update)
{
    if (update == NULL || *update == NULL) {
        return;
    }
    ech_free((*update)->tap_offsets);
    ech_free((*update)->in_bytes);
    ech_free((*update)->out_bytes);
    ech_free(*update);
    *update = NULL;
}

typedef struct {
    const ech_direct_update *update;
    const ech_direct_update_args *args;
    size_t runs;
} update_job;

/* One (output panel, input panel, tap), numbered as they lie, over the chunk that begins at `run`.
 */
static void update_item(const update_job *job, size_t item, size_t run)
{
    const ech_direct_update *update = job->update;
    const ech_direct_shape *shape = &update->shape;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a window has at least one tap */
    const size_t tap = item % shape->taps;
    const size_t in_panel = item / shape->taps % shape->in_panels;
    const size_t out_panel = item / shape->taps / shape->in_panels;
    const size_t group = out_panel / shape->out_panels;
    const size_t in_channel = (group * shape->in_panels + in_panel) * shape->in_width;
    const size_t out_channel = out_panel * shape->out_width;
    const size_t floats = shape->in_width * shape->out_width;
    float apart[ITEM_FLOATS_MAX];
    float *gradient = job->args->weights_gradient + item * floats;
    ech_gemm_run(update->product,
                 job->args->out_gradient + shape->out.origin +
                     channel_offset(&shape->out, out_channel),
                 job->args->in + shape->in.origin + channel_offset(&shape->in, in_channel) +
                     update->tap_offsets[tap],
                 run == 0 ? gradient : apart, smaller(update->chunk_runs, job->runs - run),
                 update->out_bytes + run, update->in_bytes + run);
    if (run > 0) {
        ech_rows_give(apart, gradient, floats, true);
    }
}

/* Items [first, last), a few at a time where all together leave the cache. */
static void update_items(const update_job *job, size_t first, size_t last)
{
    const size_t taps = job->update->shape.taps;
    const bool together = job->update->chunks_outside;
    for (size_t begin = first, end = 0; begin < last; begin = end) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a window has at least one tap */
        end = together ? last : smaller(last, (begin / taps + 1) * taps);
        for (size_t run = 0; run < job->runs; run += job->update->chunk_runs) {
            for (size_t item = begin; item < end; item++) {
                update_item(job, item, run);
            }
        }
    }
}

void ech_direct_update_run(const ech_direct_update *update, const ech_direct_update_args *args)
{
    const ech_direct_shape *shape = &update->shape;
    const size_t items = shape->groups * shape->out_panels * shape->in_panels * shape->taps;
    const update_job job = {update, args, args->batch * update->image_runs};
    const int parts = (int)args->threads;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        update_items(&job, items * (size_t)part / args->threads,
                     items * ((size_t)part + 1) / args->threads);
    }
}
