#include <fenv.h>
#include <math.h>

#include "runtime/fed/exact_sum_priv.h"

enum { CHUNK_ELEMENTS = 1024 };

/* The bins of one tensor that are in use, ascending. */
typedef struct {
    uint32_t count;
    ech_exact_extent extents[ECH_EXACT_BIN_COUNT];
    double units[ECH_EXACT_BIN_COUNT];
} used_bins;

static void find_used_bins(const ech_exact_sum *sum, uint64_t tensor, used_bins *used)
{
    used->count = 0;
    for (uint32_t bin = 0; bin < ECH_EXACT_BIN_COUNT; bin++) {
        if (ech_exact_extent_find(sum, tensor, bin, &used->extents[used->count])) {
            used->units[used->count++] = ldexp(1.0, -ech_exact_bin_scale(sum, bin));
        }
    }
}

static void finish_chunk(const ech_exact_sum *sum, const used_bins *used, uint64_t first,
                         uint64_t count, double weight, float *values)
{
    double totals[CHUNK_ELEMENTS] = {0.0};
    int64_t sums[CHUNK_ELEMENTS];
    for (uint32_t i = 0; i < used->count; i++) {
        ech_exact_extent_read(&used->extents[i], first, count, sums);
        sum->kernels->accumulate(totals, sums, count, used->units[i]);
    }
    sum->kernels->divide(values, totals, count, weight);
}

/* Elements [first, end) of a tensor. */
static void finish_tensor(const ech_exact_sum *sum, uint64_t t, uint64_t first, uint64_t end,
                          double weight, float *values)
{
    used_bins used;
    find_used_bins(sum, t, &used);
    for (uint64_t at = first; at < end; at += CHUNK_ELEMENTS) {
        const uint64_t count = end - at < CHUNK_ELEMENTS ? end - at : CHUNK_ELEMENTS;
        finish_chunk(sum, &used, at, count, weight, values + sum->layout->tensors[t].offset + at);
    }
}

ech_status ech_exact_sum_finish(ech_exact_sum *sum, uint64_t first, uint64_t count, float *values)
{
    const ech_status status = ech_sum_refuse_empty(&sum->header->totals);
    if (status != ECH_OK) {
        return status;
    }
    const double weight = (double)ech_exact_sum_weight(sum);
    const uint64_t end = first + count;
    fenv_t environment;
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    for (size_t t = 0; t < sum->layout->tensor_count; t++) {
        const ech_tensor *tensor = &sum->layout->tensors[t];
        const uint64_t tensor_end = tensor->offset + tensor->count;
        if (tensor->kind == ECH_TENSOR_COUNTER || tensor_end <= first || tensor->offset >= end) {
            continue;
        }
        const uint64_t from = first > tensor->offset ? first - tensor->offset : 0;
        const uint64_t to = end < tensor_end ? end - tensor->offset : tensor->count;
        finish_tensor(sum, t, from, to, weight, values);
    }
    fesetenv(&environment);
    return ECH_OK;
}

ech_status ech_exact_sum_finish_counters(ech_exact_sum *sum, int64_t *counters)
{
    const ech_status status = ech_sum_refuse_empty(&sum->header->totals);
    if (status == ECH_OK) {
        ech_sum_counters_read(sum->counters, sum->layout->counter_count, counters);
    }
    return status;
}
