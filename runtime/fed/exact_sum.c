#define _GNU_SOURCE
#include "runtime/fed/exact_sum.h"

#include <assert.h>
#include <fenv.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/fed/exact_sum_priv.h"

/* "echexsm" and the version of the memory's layout. */
#define MAGIC UINT64_C(0x6563686578736d01)

enum { FLOAT_EXPONENT_SHIFT = 23, FLOAT_EXPONENT_BIAS = 127 };

#define FLOAT_INFINITY_BITS 0x7f800000U

static uint64_t slots_offset(void)
{
    return ech_sum_rounded_up(sizeof(ech_exact_header), ECH_MEMORY_ALIGNMENT);
}

static uint64_t counters_offset(const ech_layout *layout)
{
    const uint64_t slots = (uint64_t)layout->tensor_count * ECH_EXACT_BIN_COUNT;
    return ech_sum_rounded_up(slots_offset() + slots * sizeof(uint32_t), ECH_MEMORY_ALIGNMENT);
}

static uint64_t arena_offset(const ech_layout *layout)
{
    const uint64_t end = counters_offset(layout) + layout->counter_count * sizeof(int64_t);
    return ech_sum_rounded_up(end, (uint64_t)sysconf(_SC_PAGESIZE));
}

static uint64_t arena_bytes(const ech_layout *layout)
{
    uint64_t bytes = 0;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        if (layout->tensors[t].kind != ECH_TENSOR_COUNTER) {
            bytes += ECH_EXACT_BIN_COUNT * ech_exact_extent_bytes(layout->tensors[t].count);
        }
    }
    return ech_sum_rounded_up(bytes, (uint64_t)sysconf(_SC_PAGESIZE));
}

uint64_t ech_exact_sum_bytes(const ech_layout *layout)
{
    return arena_offset(layout) + arena_bytes(layout);
}

/* Empty: no slot in use, no weight. */
static void clear(ech_exact_header *header, const ech_layout *layout)
{
    char *memory = (char *)header;
    memset(memory + slots_offset(), 0,
           (uint64_t)layout->tensor_count * ECH_EXACT_BIN_COUNT * sizeof(uint32_t));
    _Atomic int64_t *counters = (_Atomic int64_t *)(void *)(memory + counters_offset(layout));
    ech_sum_counters_clear(counters, layout->counter_count);
    atomic_init(&header->arena_used_bytes, 0);
    ech_sum_totals_clear(&header->totals);
}

ech_status ech_exact_sum_format(void *memory, uint64_t bytes, const ech_layout *layout)
{
    ech_status status = ech_sum_check_memory(memory, bytes, ech_exact_sum_bytes(layout));
    if (status != ECH_OK) {
        return status;
    }
    if (arena_bytes(layout) / ECH_EXACT_EXTENT_ALIGNMENT >= UINT32_MAX - ECH_EXACT_SLOT_FIRST) {
        return ech_fail(ECH_ERR_LIMIT, "exact sum: a model of %llu values is too large",
                        (unsigned long long)layout->value_count);
    }
    status = ech_sum_populate_pages(memory, arena_offset(layout));
    if (status != ECH_OK) {
        return status;
    }
    ech_exact_header *header = memory;
    header->totals.layout_digest = ech_sum_layout_digest(layout);
    header->totals.weight_bound = 0;
    header->arena_offset = arena_offset(layout);
    header->arena_bytes = arena_bytes(layout);
    clear(header, layout);
    header->totals.magic = MAGIC;
    return ECH_OK;
}

/* Handles start at different places, so that they do not follow one another around the model. */
static uint64_t spread_start(const ech_exact_sum *sum)
{
    const uint64_t identity[] = {(uint64_t)getpid(), (uint64_t)(uintptr_t)sum};
    return ech_hash_bytes(identity, sizeof identity).low;
}

ech_status ech_exact_sum_attach(void *memory, const ech_layout *layout, ech_exact_sum **out)
{
    *out = NULL;
    ech_exact_header *header = memory;
    const ech_status status = ech_sum_check_formatted(&header->totals, MAGIC, layout);
    if (status != ECH_OK) {
        return status;
    }
    ech_exact_sum *sum = ech_calloc(1, sizeof *sum);
    if (sum == NULL) {
        return ECH_ERR_MEMORY;
    }
    sum->bins = ech_alloc(layout->tensor_count);
    sum->expected = ech_alloc(layout->tensor_count);
    sum->magnitudes = ech_calloc(layout->tensor_count, sizeof *sum->magnitudes);
    if (sum->bins == NULL || sum->expected == NULL || sum->magnitudes == NULL) {
        ech_exact_sum_destroy(&sum);
        return ECH_ERR_MEMORY;
    }
    memset(sum->expected, ECH_EXACT_BIN_NONE, layout->tensor_count);
    sum->header = header;
    sum->layout = layout;
    sum->kernels = ech_exact_kernels_best();
    sum->slots = (_Atomic uint32_t *)(void *)((char *)memory + slots_offset());
    sum->counters = (_Atomic int64_t *)(void *)((char *)memory + counters_offset(layout));
    sum->start = spread_start(sum);
    *out = sum;
    return ECH_OK;
}

ech_status ech_exact_sum_create(const ech_layout *layout, ech_exact_sum **out)
{
    *out = NULL;
    const uint64_t bytes = ech_exact_sum_bytes(layout);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return ech_fail(ECH_ERR_MEMORY, "exact sum: cannot reserve %llu bytes of address space",
                        (unsigned long long)bytes);
    }
    ech_status status = ech_exact_sum_format(memory, bytes, layout);
    if (status == ECH_OK) {
        status = ech_exact_sum_attach(memory, layout, out);
    }
    if (status != ECH_OK) {
        munmap(memory, bytes);
        return status;
    }
    (*out)->mapped_bytes = bytes;
    return ECH_OK;
}

void ech_exact_sum_destroy(ech_exact_sum **sum)
{
    if (sum == NULL || *sum == NULL) {
        return;
    }
    if ((*sum)->mapped_bytes != 0) {
        munmap((*sum)->header, (*sum)->mapped_bytes);
    }
    ech_free((*sum)->bins);
    ech_free((*sum)->expected);
    ech_free((*sum)->magnitudes);
    ech_free(*sum);
    *sum = NULL;
}

ech_status ech_exact_sum_begin(ech_exact_sum *sum, uint64_t weight_bound)
{
    const ech_status status = ech_sum_check_bound(weight_bound);
    if (status != ECH_OK) {
        return status;
    }
    clear(sum->header, sum->layout);
    sum->header->totals.weight_bound = weight_bound;
    return ECH_OK;
}

/* Exponent e of a positive magnitude, 2^(e-1) <= magnitude < 2^e, from its bits. */
static int exponent_of(uint32_t bits)
{
    const int biased = (int)(bits >> FLOAT_EXPONENT_SHIFT);
    if (biased != 0) {
        return biased - FLOAT_EXPONENT_BIAS + 1;
    }
    const int highest = 31 - __builtin_clz(bits); /* denormal: bits * 2^-149 */
    return highest + 1 - 149;
}

static uint8_t bin_of(uint32_t magnitude_bits)
{
    if (magnitude_bits == 0) {
        return ECH_EXACT_BIN_NONE;
    }
    /* Made positive before the division, which then is a floor. */
    const int shifted =
        exponent_of(magnitude_bits) - 1 - ECH_EXACT_BIN_EXPONENTS * ECH_EXACT_SUM_BIN_MIN;
    return (uint8_t)(shifted / ECH_EXACT_BIN_EXPONENTS);
}

/* The bins that the update's tensors were found to be in; not all need exist yet. */
static ech_status find_bins(ech_exact_sum *sum, const uint32_t *magnitudes)
{
    for (size_t t = 0; t < sum->layout->tensor_count; t++) {
        if (magnitudes[t] >= FLOAT_INFINITY_BITS) {
            return ech_fail(ECH_ERR_NUMERIC, "tensor %s holds a value that is not finite",
                            sum->layout->tensors[t].name);
        }
        sum->bins[t] = bin_of(magnitudes[t]);
    }
    return ECH_OK;
}

static ech_status claim_bins(ech_exact_sum *sum, const uint8_t *bins)
{
    for (size_t t = 0; t < sum->layout->tensor_count; t++) {
        ech_exact_extent extent;
        if (bins[t] != ECH_EXACT_BIN_NONE) {
            const ech_status status = ech_exact_extent_claim(sum, t, bins[t], &extent);
            if (status != ECH_OK) {
                return status;
            }
        }
    }
    return ECH_OK;
}

/* One update on its way into the sum. Negative weights take it out again, exactly. */
typedef struct {
    ech_exact_sum *sum;
    const float *values;
    int64_t weight;
} addition;

/* A tensor and the bin that it goes to, while some of its stripes are added. */
typedef struct {
    const ech_tensor *tensor;
    const float *values;
    ech_exact_extent extent; /* of the bin, unless there is none */
    double scale;
    uint8_t bin;
} target;

static target aim(const addition *add, size_t t, uint8_t bin)
{
    const ech_tensor *tensor = &add->sum->layout->tensors[t];
    target to = {.tensor = tensor, .values = add->values + tensor->offset, .bin = bin};
    if (bin != ECH_EXACT_BIN_NONE) {
        const bool found = ech_exact_extent_find(add->sum, t, bin, &to.extent);
        assert(found);
        (void)found;
        to.scale = ldexp(1.0, ech_exact_bin_scale(add->sum, bin));
    }
    return to;
}

/* Adds a stripe if the bin has room for its values. @param[out] magnitude  of the stripe. The bin
 * is told by what the stripe holds, so that the same call with the weight negated undoes it. */
static ech_status add_stripe(const addition *add, const target *to, uint64_t stripe,
                             uint32_t *magnitude)
{
    const ech_exact_kernels *kernels = add->sum->kernels;
    const uint64_t first = stripe * ECH_EXACT_STRIPE_ELEMENTS;
    const uint64_t left = to->tensor->count - first;
    const uint64_t count = left < ECH_EXACT_STRIPE_ELEMENTS ? left : ECH_EXACT_STRIPE_ELEMENTS;
    *magnitude = kernels->max_magnitude(to->values + first, count);
    if (to->bin == ECH_EXACT_BIN_NONE ||
        (*magnitude != 0 && (*magnitude >= FLOAT_INFINITY_BITS || bin_of(*magnitude) > to->bin))) {
        return ECH_OK;
    }
    bool filled = false;
    const ech_status status = ech_exact_stripe_lock(&to->extent.stripes[stripe], &filled);
    if (status != ECH_OK) {
        return status;
    }
    (filled ? kernels->add : kernels->store)(to->extent.sums + first, to->values + first, count,
                                             to->scale, add->weight);
    ech_exact_stripe_unlock(&to->extent.stripes[stripe]);
    return ECH_OK;
}

/* Stripes [first, end) of one tensor; its magnitude grows by theirs. */
static ech_status add_tensor(const addition *add, size_t t, uint8_t bin, uint64_t first,
                             uint64_t end, uint32_t *magnitude)
{
    const target to = aim(add, t, bin);
    ech_status status = ECH_OK;
    for (uint64_t stripe = first; stripe < end && status == ECH_OK; stripe++) {
        uint32_t found = 0;
        status = add_stripe(add, &to, stripe, &found);
        *magnitude = found > *magnitude ? found : *magnitude;
    }
    return status;
}

static uint64_t stripes_of(const ech_layout *layout, size_t t)
{
    const ech_tensor *tensor = &layout->tensors[t];
    return tensor->kind == ECH_TENSOR_COUNTER ? 0 : ech_exact_stripe_count(tensor->count);
}

static uint64_t total_stripes(const ech_layout *layout)
{
    uint64_t total = 0;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        total += stripes_of(layout, t);
    }
    return total;
}

/* Those of the model's stripes, counted through all tensors, that lie in [begin, end). */
static ech_status add_stripes(const addition *add, uint64_t begin, uint64_t end)
{
    ech_exact_sum *sum = add->sum;
    uint64_t tensor_begin = 0;
    ech_status status = ECH_OK;
    for (size_t t = 0; t < sum->layout->tensor_count && tensor_begin < end; t++) {
        const uint64_t count = stripes_of(sum->layout, t);
        const uint64_t tensor_end = tensor_begin + count;
        if (tensor_end > begin && status == ECH_OK) {
            const uint64_t first = begin > tensor_begin ? begin - tensor_begin : 0;
            const uint64_t last = end < tensor_end ? end - tensor_begin : count;
            status = add_tensor(add, t, sum->expected[t], first, last, &sum->magnitudes[t]);
        }
        tensor_begin = tensor_end;
    }
    return status;
}

/* Around the model once, from this handle's own place, into the bins that are expected. */
static ech_status add_values(const addition *add)
{
    ech_exact_sum *sum = add->sum;
    const uint64_t total = total_stripes(sum->layout);
    const uint64_t start = sum->start % (total > 0 ? total : 1);
    memset(sum->magnitudes, 0, sum->layout->tensor_count * sizeof *sum->magnitudes);
    const ech_status status = add_stripes(add, start, total);
    return status == ECH_OK ? add_stripes(add, 0, start) : status;
}

/* Tensors that went to another bin than their own go to their own: into it, out of the other. */
static ech_status move_to_own_bins(const addition *add)
{
    ech_exact_sum *sum = add->sum;
    const addition back = {add->sum, add->values, -add->weight};
    ech_status status = ECH_OK;
    for (size_t t = 0; t < sum->layout->tensor_count && status == ECH_OK; t++) {
        const uint64_t count = stripes_of(sum->layout, t);
        uint32_t magnitude = 0;
        if (sum->bins[t] == sum->expected[t]) {
            continue;
        }
        status = add_tensor(&back, t, sum->expected[t], 0, count, &magnitude);
        if (status == ECH_OK) {
            status = add_tensor(add, t, sum->bins[t], 0, count, &magnitude);
        }
        sum->expected[t] = sum->bins[t];
    }
    return status;
}

/*
 * The update is read once: each stripe is looked at and added while it is in the cache, to the bin
 * where the tensor of the update before it was, which nearly always is this one's too. What turns
 * out to have gone astray is taken out again: integers leave no trace.
 */
static ech_status add_in_one_pass(const addition *add)
{
    ech_exact_sum *sum = add->sum;
    ech_status status = claim_bins(sum, sum->expected);
    if (status != ECH_OK) {
        return status;
    }
    status = add_values(add);
    if (status != ECH_OK) {
        return status;
    }
    status = find_bins(sum, sum->magnitudes);
    if (status == ECH_OK) {
        status = claim_bins(sum, sum->bins);
    }
    if (status == ECH_OK) {
        return move_to_own_bins(add);
    }
    const ech_failure failure = ech_failure_keep(status);
    const addition back = {add->sum, add->values, -add->weight};
    status = add_values(&back);
    return status == ECH_OK ? ech_failure_restore(&failure) : status;
}

static ech_status add_update(ech_exact_sum *sum, ech_state_view update, uint64_t weight)
{
    ech_sum_totals *totals = &sum->header->totals;
    ech_status status = ech_sum_weight_reserve(totals, weight);
    if (status != ECH_OK) {
        return status;
    }
    const addition add = {sum, update.values, (int64_t)weight};
    status = add_in_one_pass(&add);
    if (status == ECH_OK) {
        ech_sum_counters_raise(sum->counters, sum->layout->counter_count, update.counters);
        atomic_fetch_add_explicit(&totals->update_count, 1, memory_order_relaxed);
    } else if (status != ECH_ERR_TIMEOUT) {
        ech_sum_weight_return(totals, weight);
    }
    return status;
}

ech_status ech_exact_sum_add(ech_exact_sum *sum, ech_state_view update, uint64_t weight)
{
    if (weight == 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "exact sum: an update of weight 0");
    }
    fenv_t environment; /* kernels may run with denormals flushed to zero; sums may not */
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    const ech_status status = add_update(sum, update, weight);
    fesetenv(&environment);
    return status;
}

uint64_t ech_exact_sum_weight(const ech_exact_sum *sum)
{
    return ech_sum_weight_of(&sum->header->totals);
}

uint64_t ech_exact_sum_update_count(const ech_exact_sum *sum)
{
    return ech_sum_update_count_of(&sum->header->totals);
}
