#include "runtime/fed/ordered_sum.h"

#include <assert.h>
#include <fenv.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/fed/ordered_sum_priv.h"

/* "echords" and the version of the memory's layout. */
#define MAGIC UINT64_C(0x6563686f72647301)

#define FLOAT_INFINITY_BITS 0x7f800000U

enum {
    BITS = 64, /* of a word of the map of cells */
    POPULATED_CELLS = 2,
    DEPTH_MAX = 32, /* of halvings of 2^32 leaves */
};

/* ---- the memory ---- */

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t map_bytes(uint64_t cell_count)
{
    return (cell_count + BITS - 1) / BITS * sizeof(uint64_t);
}

static uint64_t map_offset(void)
{
    return ech_sum_rounded_up(sizeof(ech_ordered_header), ECH_MEMORY_ALIGNMENT);
}

static ech_ordered_header describe(const ech_layout *layout, uint32_t leaves_max)
{
    ech_ordered_header header = {.leaves_max = leaves_max};
    header.cell_count =
        leaves_max < ECH_ORDERED_SUM_CELLS_MAX ? leaves_max : ECH_ORDERED_SUM_CELLS_MAX;
    header.cell_bytes = ech_sum_rounded_up(layout->value_count * sizeof(float), page_bytes());
    header.words_offset =
        ech_sum_rounded_up(map_offset() + map_bytes(header.cell_count), ECH_MEMORY_ALIGNMENT);
    header.counters_offset = ech_sum_rounded_up(
        header.words_offset + (uint64_t)leaves_max * sizeof(uint32_t), ECH_MEMORY_ALIGNMENT);
    header.cells_offset = ech_sum_rounded_up(
        header.counters_offset + layout->counter_count * sizeof(int64_t), page_bytes());
    return header;
}

uint64_t ech_ordered_sum_bytes(const ech_layout *layout, uint32_t leaves_max)
{
    const ech_ordered_header header = describe(layout, leaves_max);
    return header.cells_offset + header.cell_count * header.cell_bytes;
}

static uint64_t halvings_of(uint64_t leaves)
{
    uint64_t halvings = 0;
    while (UINT64_C(1) << halvings < leaves) {
        halvings++;
    }
    return halvings;
}

/* Ranks with runs of their own are at the same place of each, if they are equally fast. */
uint64_t ech_ordered_sum_held_bytes(const ech_layout *layout, uint32_t leaf_count, uint32_t ranks,
                                    bool apart)
{
    const ech_ordered_header header = describe(layout, leaf_count);
    uint64_t cells = halvings_of(leaf_count) + ranks;
    if (apart) {
        const uint64_t halvings = halvings_of(((uint64_t)leaf_count + ranks - 1) / ranks);
        cells = ranks * (halvings > 0 ? halvings : 1);
    }
    return (cells < header.cell_count ? cells : header.cell_count) * header.cell_bytes;
}

ech_status ech_ordered_sum_format(void *memory, uint64_t bytes, const ech_layout *layout,
                                  uint32_t leaves_max)
{
    assert(leaves_max > 0);
    ech_status status =
        ech_sum_check_memory(memory, bytes, ech_ordered_sum_bytes(layout, leaves_max));
    const ech_ordered_header header = describe(layout, leaves_max);
    if (status == ECH_OK) {
        status = ech_sum_populate_pages(memory, header.cells_offset);
    }
    if (status != ECH_OK) {
        return status;
    }
    memset(memory, 0, header.cells_offset);
    ech_ordered_header *formatted = memory;
    *formatted = header;
    formatted->totals.layout_digest = ech_sum_layout_digest(layout);
    formatted->totals.magic = MAGIC;
    return ECH_OK;
}

ech_status ech_ordered_sum_attach(void *memory, const ech_layout *layout, ech_ordered_sum **out)
{
    *out = NULL;
    ech_ordered_header *header = memory;
    const ech_status status = ech_sum_check_formatted(&header->totals, MAGIC, layout);
    if (status != ECH_OK) {
        return status;
    }
    ech_ordered_sum *sum = ech_calloc(1, sizeof *sum);
    if (sum == NULL) {
        return ECH_ERR_MEMORY;
    }
    sum->populated = ech_calloc(1, map_bytes(header->cell_count));
    if (sum->populated == NULL) {
        ech_ordered_sum_destroy(&sum);
        return ECH_ERR_MEMORY;
    }
    char *start = memory;
    sum->header = header;
    sum->layout = layout;
    sum->kernels = ech_exact_kernels_best();
    sum->in_use = (_Atomic uint64_t *)(void *)(start + map_offset());
    sum->words = (_Atomic uint32_t *)(void *)(start + header->words_offset);
    sum->counters = (_Atomic int64_t *)(void *)(start + header->counters_offset);
    *out = sum;
    return ECH_OK;
}

void ech_ordered_sum_destroy(ech_ordered_sum **sum)
{
    if (sum == NULL || *sum == NULL) {
        return;
    }
    ech_free((*sum)->populated);
    ech_free(*sum);
    *sum = NULL;
}

ech_status ech_ordered_sum_begin(ech_ordered_sum *sum, uint64_t weight_bound, uint32_t leaf_count)
{
    ech_ordered_header *header = sum->header;
    const ech_status status = ech_sum_check_bound(weight_bound);
    if (status != ECH_OK) {
        return status;
    }
    if (leaf_count == 0 || leaf_count > header->leaves_max) {
        return ech_fail(ECH_ERR_ARGUMENT, "sum: 1 to %u leaves have room, not %u",
                        header->leaves_max, leaf_count);
    }
    header->totals.weight_bound = weight_bound;
    header->leaf_count = leaf_count;
    ech_sum_totals_clear(&header->totals);
    ech_sum_counters_clear(sum->counters, sum->layout->counter_count);
    memset((void *)sum->in_use, 0, map_bytes(header->cell_count));
    memset((void *)sum->words, 0, leaf_count * sizeof *sum->words);
    return ECH_OK;
}

/* ---- cells ---- */

float *ech_ordered_cell(const ech_ordered_sum *sum, uint32_t cell)
{
    char *cells = (char *)sum->header + sum->header->cells_offset;
    return (float *)(void *)(cells + cell * sum->header->cell_bytes);
}

static ech_status populate_cell(ech_ordered_sum *sum, uint32_t cell)
{
    const uint64_t bit = UINT64_C(1) << (cell % BITS);
    if ((sum->populated[cell / BITS] & bit) != 0) {
        return ECH_OK;
    }
    const ech_status status =
        ech_sum_populate_pages(ech_ordered_cell(sum, cell), sum->header->cell_bytes);
    sum->populated[cell / BITS] |= status == ECH_OK ? bit : 0;
    return status;
}

ech_status ech_ordered_sum_populate(ech_ordered_sum *sum)
{
    ech_status status = ECH_OK;
    for (uint32_t cell = 0;
         cell < POPULATED_CELLS && cell < sum->header->cell_count && status == ECH_OK; cell++) {
        status = populate_cell(sum, cell);
    }
    return status;
}

static void give_back(ech_ordered_sum *sum, uint32_t cell)
{
    atomic_fetch_and_explicit(&sum->in_use[cell / BITS], ~(UINT64_C(1) << (cell % BITS)),
                              memory_order_release);
}

/* The lowest that is free, so that the same pages serve again. */
static uint32_t take_free(ech_ordered_sum *sum)
{
    for (uint32_t cell = 0; cell < sum->header->cell_count;) {
        _Atomic uint64_t *word = &sum->in_use[cell / BITS];
        const uint64_t bit = UINT64_C(1) << (cell % BITS);
        if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0 &&
            (atomic_fetch_or_explicit(word, bit, memory_order_acquire) & bit) == 0) {
            return cell;
        }
        cell++;
    }
    return ECH_ORDERED_NONE;
}

ech_status ech_ordered_claim(ech_ordered_sum *sum, uint32_t *cell)
{
    *cell = take_free(sum);
    if (*cell == ECH_ORDERED_NONE) {
        return ech_fail(ECH_ERR_LIMIT,
                        "float32 sum: %u parts of it wait for others, and there is room for no "
                        "more; strategy.sum: exact has none to keep",
                        sum->header->cell_count);
    }
    const ech_status status = populate_cell(sum, *cell);
    if (status != ECH_OK) {
        give_back(sum, *cell);
    }
    return status;
}

/* ---- places ---- */

static uint32_t split_of(uint32_t first, uint32_t end)
{
    return first + (end - first + 1) / 2;
}

uint32_t ech_ordered_place_of_leaf(const ech_ordered_sum *sum, uint32_t leaf)
{
    uint32_t place = ECH_ORDERED_END;
    uint32_t first = 0;
    uint32_t end = sum->header->leaf_count;
    while (end - first > 1) {
        place = split_of(first, end);
        *(leaf < place ? &end : &first) = place;
    }
    return place;
}

/* Where the sum of both halves at a split goes. @param[out] depth  of the split; may be NULL. */
static uint32_t place_above(const ech_ordered_sum *sum, uint32_t split, uint32_t *depth)
{
    uint32_t above = ECH_ORDERED_END;
    uint32_t first = 0;
    uint32_t end = sum->header->leaf_count;
    uint32_t halvings = 0;
    for (uint32_t at = split_of(first, end); at != split; at = split_of(first, end)) {
        above = at;
        *(split < at ? &end : &first) = at;
        halvings++;
    }
    if (depth != NULL) {
        *depth = halvings;
    }
    return above;
}

uint32_t ech_ordered_sum_part(uint32_t leaf_count, uint32_t leaf, uint32_t depth)
{
    uint32_t part = 0;
    uint32_t first = 0;
    uint32_t end = leaf_count;
    for (uint32_t level = 0; level < depth; level++) {
        const uint32_t at = split_of(first, end);
        const bool behind = leaf >= at;
        part = 2 * part + behind;
        *(behind ? &first : &end) = at;
    }
    return part;
}

uint32_t ech_ordered_waiting(const ech_ordered_sum *sum, uint32_t place)
{
    return atomic_load_explicit(&sum->words[place], memory_order_acquire) - 1;
}

static uint32_t take_waiting(ech_ordered_sum *sum, uint32_t place)
{
    return atomic_exchange_explicit(&sum->words[place], 0, memory_order_acquire) - 1;
}

/* Leave a cell at a place, unless one waits there. */
static bool wait_there(ech_ordered_sum *sum, uint32_t cell, uint32_t place)
{
    uint32_t empty = 0;
    return atomic_compare_exchange_strong_explicit(&sum->words[place], &empty, cell + 1,
                                                   memory_order_release, memory_order_relaxed);
}

/* ---- sums on their way ---- */

static void add_cell(float *restrict into, const float *restrict from, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        into[i] += from[i];
    }
}

static void store_scaled(float *restrict into, const float *restrict from, uint64_t count,
                         double factor)
{
    for (uint64_t i = 0; i < count; i++) {
        into[i] = (float)(factor * (double)from[i]);
    }
}

static void add_scaled(float *restrict into, const float *restrict from, uint64_t count,
                       double factor)
{
    for (uint64_t i = 0; i < count; i++) {
        into[i] += (float)(factor * (double)from[i]);
    }
}

void ech_ordered_rise(ech_ordered_sum *sum, uint32_t cell, uint32_t place)
{
    while (!wait_there(sum, cell, place)) {
        assert(place != ECH_ORDERED_END);
        const uint32_t other = take_waiting(sum, place);
        add_cell(ech_ordered_cell(sum, other), ech_ordered_cell(sum, cell),
                 sum->layout->value_count);
        give_back(sum, cell);
        cell = other;
        place = place_above(sum, place, NULL);
    }
}

ech_status ech_ordered_bring(ech_ordered_sum *sum, const float *values, double factor,
                             uint32_t place)
{
    const uint64_t count = sum->layout->value_count;
    const uint32_t other = place == ECH_ORDERED_END ? ECH_ORDERED_NONE : take_waiting(sum, place);
    if (other != ECH_ORDERED_NONE) {
        add_scaled(ech_ordered_cell(sum, other), values, count, factor);
        ech_ordered_rise(sum, other, place_above(sum, place, NULL));
        return ECH_OK;
    }
    uint32_t cell = ECH_ORDERED_NONE;
    const ech_status status = ech_ordered_claim(sum, &cell);
    if (status == ECH_OK) {
        store_scaled(ech_ordered_cell(sum, cell), values, count, factor);
        ech_ordered_rise(sum, cell, place);
    }
    return status;
}

void ech_ordered_add_totals(ech_ordered_sum *sum, uint64_t update_count, const int64_t *counters)
{
    ech_sum_counters_raise(sum->counters, sum->layout->counter_count, counters);
    atomic_fetch_add_explicit(&sum->header->totals.update_count, update_count,
                              memory_order_relaxed);
}

static ech_status check_finite(const ech_ordered_sum *sum, const float *values)
{
    for (size_t t = 0; t < sum->layout->tensor_count; t++) {
        const ech_tensor *tensor = &sum->layout->tensors[t];
        if (tensor->kind != ECH_TENSOR_COUNTER &&
            sum->kernels->max_magnitude(values + tensor->offset, tensor->count) >=
                FLOAT_INFINITY_BITS) {
            return ech_fail(ECH_ERR_NUMERIC, "tensor %s holds a value that is not finite",
                            tensor->name);
        }
    }
    return ECH_OK;
}

static ech_status add_update(ech_ordered_sum *sum, ech_state_view update, uint64_t weight,
                             uint32_t leaf)
{
    ech_sum_totals *totals = &sum->header->totals;
    ech_status status = ech_sum_weight_reserve(totals, weight);
    if (status != ECH_OK) {
        return status;
    }
    const double factor = (double)weight / (double)totals->weight_bound;
    status = ech_ordered_bring(sum, update.values, factor, ech_ordered_place_of_leaf(sum, leaf));
    if (status == ECH_OK) {
        ech_ordered_add_totals(sum, 1, update.counters);
    } else {
        ech_sum_weight_return(totals, weight);
    }
    return status;
}

ech_status ech_ordered_sum_add(ech_ordered_sum *sum, ech_state_view update, uint64_t weight,
                               uint32_t leaf)
{
    assert(leaf < sum->header->leaf_count);
    if (weight == 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "sum: an update of weight 0");
    }
    ech_status status = check_finite(sum, update.values);
    if (status != ECH_OK) {
        return status;
    }
    fenv_t environment; /* kernels may run with denormals flushed to zero; sums may not */
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    status = add_update(sum, update, weight, leaf);
    fesetenv(&environment);
    return status;
}

/* From the deepest splits up, so that the halves below a split are whole when it is looked at. */
void ech_ordered_sum_settle(ech_ordered_sum *sum)
{
    const uint32_t leaf_count = sum->header->leaf_count;
    for (uint32_t depth = DEPTH_MAX;
         depth-- > 0 && ech_ordered_waiting(sum, ECH_ORDERED_END) == ECH_ORDERED_NONE;) {
        for (uint32_t split = 1; split < leaf_count; split++) {
            if (ech_ordered_waiting(sum, split) == ECH_ORDERED_NONE) {
                continue;
            }
            uint32_t at_depth = 0;
            const uint32_t above = place_above(sum, split, &at_depth);
            if (at_depth == depth) {
                ech_ordered_rise(sum, take_waiting(sum, split), above);
            }
        }
    }
}

/* ---- the end ---- */

uint64_t ech_ordered_sum_weight(const ech_ordered_sum *sum)
{
    return ech_sum_weight_of(&sum->header->totals);
}

ech_status ech_ordered_sum_finish(const ech_ordered_sum *sum, uint64_t first, uint64_t count,
                                  float *values)
{
    const ech_sum_totals *totals = &sum->header->totals;
    const ech_status status = ech_sum_refuse_empty(totals);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t cell = ech_ordered_waiting(sum, ECH_ORDERED_END);
    assert(cell != ECH_ORDERED_NONE);
    const double factor = (double)totals->weight_bound / (double)ech_sum_weight_of(totals);
    fenv_t environment;
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    store_scaled(values + first, ech_ordered_cell(sum, cell) + first, count, factor);
    fesetenv(&environment);
    return ECH_OK;
}

ech_status ech_ordered_sum_finish_counters(const ech_ordered_sum *sum, int64_t *counters)
{
    const ech_status status = ech_sum_refuse_empty(&sum->header->totals);
    if (status == ECH_OK) {
        ech_sum_counters_read(sum->counters, sum->layout->counter_count, counters);
    }
    return status;
}
