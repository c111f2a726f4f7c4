#include "runtime/fed/sum.h"

#include <assert.h>

#include "runtime/base/memory.h"

struct ech_sum {
    ech_exact_sum *exact; /* one of the two */
    ech_ordered_sum *ordered;
};

uint64_t ech_sum_bytes(const ech_sum_options *options, const ech_layout *layout)
{
    return options->kind == ECH_SUM_EXACT ? ech_exact_sum_bytes(layout)
                                          : ech_ordered_sum_bytes(layout, options->leaves_max);
}

ech_status ech_sum_format(const ech_sum_options *options, void *memory, uint64_t bytes,
                          const ech_layout *layout)
{
    return options->kind == ECH_SUM_EXACT
               ? ech_exact_sum_format(memory, bytes, layout)
               : ech_ordered_sum_format(memory, bytes, layout, options->leaves_max);
}

ech_status ech_sum_attach(const ech_sum_options *options, void *memory, const ech_layout *layout,
                          ech_sum **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = options->kind == ECH_SUM_EXACT
                                  ? ech_exact_sum_attach(memory, layout, &(*out)->exact)
                                  : ech_ordered_sum_attach(memory, layout, &(*out)->ordered);
    if (status != ECH_OK) {
        ech_sum_destroy(out);
    }
    return status;
}

void ech_sum_destroy(ech_sum **sum)
{
    if (sum == NULL || *sum == NULL) {
        return;
    }
    ech_exact_sum_destroy(&(*sum)->exact);
    ech_ordered_sum_destroy(&(*sum)->ordered);
    ech_free(*sum);
    *sum = NULL;
}

ech_status ech_sum_populate(ech_sum *sum)
{
    return sum->exact != NULL ? ech_exact_sum_populate(sum->exact)
                              : ech_ordered_sum_populate(sum->ordered);
}

uint64_t ech_sum_state_bytes(ech_sum_kind kind, const ech_layout *layout)
{
    const uint64_t width = kind == ECH_SUM_EXACT ? sizeof(int64_t) : sizeof(float);
    return layout->value_count * width + layout->counter_count * sizeof(int64_t);
}

ech_sum_kind ech_sum_kind_of(const ech_sum *sum)
{
    return sum->exact != NULL ? ECH_SUM_EXACT : ECH_SUM_FLOAT32;
}

ech_exact_sum *ech_sum_exact(const ech_sum *sum)
{
    return sum->exact;
}

ech_status ech_sum_begin(ech_sum *sum, uint64_t weight_bound, uint32_t leaf_count)
{
    return sum->exact != NULL ? ech_exact_sum_begin(sum->exact, weight_bound)
                              : ech_ordered_sum_begin(sum->ordered, weight_bound, leaf_count);
}

ech_status ech_sum_add(ech_sum *sum, ech_state_view update, uint64_t weight, uint32_t leaf)
{
    return sum->exact != NULL ? ech_exact_sum_add(sum->exact, update, weight)
                              : ech_ordered_sum_add(sum->ordered, update, weight, leaf);
}

ech_status ech_sum_merge(ech_sum *into, ech_sum *from, uint32_t leaf)
{
    assert(ech_sum_kind_of(into) == ech_sum_kind_of(from));
    return into->exact != NULL ? ech_exact_sum_merge(into->exact, from->exact)
                               : ech_ordered_sum_merge(into->ordered, from->ordered, leaf);
}

void ech_sum_settle(ech_sum *sum)
{
    if (sum->ordered != NULL) {
        ech_ordered_sum_settle(sum->ordered);
    }
}

uint64_t ech_sum_weight(const ech_sum *sum)
{
    return sum->exact != NULL ? ech_exact_sum_weight(sum->exact)
                              : ech_ordered_sum_weight(sum->ordered);
}

ech_status ech_sum_finish(ech_sum *sum, uint64_t first, uint64_t count, float *values)
{
    return sum->exact != NULL ? ech_exact_sum_finish(sum->exact, first, count, values)
                              : ech_ordered_sum_finish(sum->ordered, first, count, values);
}

ech_status ech_sum_finish_counters(ech_sum *sum, int64_t *counters)
{
    return sum->exact != NULL ? ech_exact_sum_finish_counters(sum->exact, counters)
                              : ech_ordered_sum_finish_counters(sum->ordered, counters);
}

ech_status ech_sum_export(ech_sum *sum, ech_sum_cursor *cursor, void *piece, size_t capacity,
                          size_t *bytes)
{
    return sum->exact != NULL
               ? ech_exact_sum_export(sum->exact, &cursor->exact, piece, capacity, bytes)
               : ech_ordered_sum_export(sum->ordered, &cursor->ordered, piece, capacity, bytes);
}

ech_status ech_sum_import(ech_sum *sum, const void *piece, size_t bytes, uint32_t leaf)
{
    return sum->exact != NULL ? ech_exact_sum_import(sum->exact, piece, bytes)
                              : ech_ordered_sum_import(sum->ordered, piece, bytes, leaf);
}
