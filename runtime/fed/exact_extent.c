#define _GNU_SOURCE
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/fed/exact_sum_priv.h"

enum { SPIN_COUNT = 64, WAKE_ALL = 1 << 30 };

#define WAIT_LIMIT_NS UINT64_C(60000000000)

static uint64_t stripe_words_bytes(uint64_t elements)
{
    return ech_sum_rounded_up(ech_exact_stripe_count(elements) * sizeof(uint32_t), 64);
}

uint64_t ech_exact_extent_bytes(uint64_t elements)
{
    return ech_sum_rounded_up(stripe_words_bytes(elements) + elements * sizeof(int64_t),
                              ECH_EXACT_EXTENT_ALIGNMENT);
}

/* Sleep while the word holds `value`, a second at most. Words are shared between processes. */
static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    const struct timespec limit = {.tv_sec = 1};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

static ech_status fail_wait(const char *what)
{
    return ech_fail(ECH_ERR_TIMEOUT,
                    "exact sum: waited %u s for %s that another process holds; it may have died",
                    (unsigned)(WAIT_LIMIT_NS / 1000000000U), what);
}

static char *arena_of(const ech_exact_sum *sum)
{
    return (char *)sum->header + sum->header->arena_offset;
}

static uint64_t slot_offset(uint32_t slot)
{
    return (uint64_t)(slot - ECH_EXACT_SLOT_FIRST) * ECH_EXACT_EXTENT_ALIGNMENT;
}

static ech_exact_extent extent_at(const ech_exact_sum *sum, uint64_t tensor, uint32_t slot)
{
    char *start = arena_of(sum) + slot_offset(slot);
    return (ech_exact_extent){
        .stripes = (_Atomic uint32_t *)(void *)start,
        .sums = (int64_t *)(void *)(start + stripe_words_bytes(sum->layout->tensors[tensor].count)),
    };
}

static _Atomic uint32_t *slot_of(const ech_exact_sum *sum, uint64_t tensor, uint32_t bin)
{
    return &sum->slots[tensor * ECH_EXACT_BIN_COUNT + bin];
}

bool ech_exact_extent_find(const ech_exact_sum *sum, uint64_t tensor, uint32_t bin,
                           ech_exact_extent *out)
{
    const uint32_t slot = atomic_load_explicit(slot_of(sum, tensor, bin), memory_order_acquire);
    if (slot < ECH_EXACT_SLOT_FIRST) {
        return false;
    }
    *out = extent_at(sum, tensor, slot);
    return true;
}

static ech_status populate_up_to(ech_exact_sum *sum, uint64_t end)
{
    if (end <= sum->populated_bytes) {
        return ECH_OK;
    }
    const ech_status status =
        ech_sum_populate_pages(arena_of(sum) + sum->populated_bytes, end - sum->populated_bytes);
    if (status == ECH_OK) {
        sum->populated_bytes = end;
    }
    return status;
}

uint64_t ech_exact_sum_populated_bytes(const ech_layout *layout)
{
    uint64_t bytes = 0;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        if (layout->tensors[t].kind != ECH_TENSOR_COUNTER) {
            bytes += ech_exact_extent_bytes(layout->tensors[t].count);
        }
    }
    return bytes;
}

ech_status ech_exact_sum_populate(ech_exact_sum *sum)
{
    return populate_up_to(sum, ech_exact_sum_populated_bytes(sum->layout));
}

/* Take an extent from the arena's front; its stripes are empty. */
static ech_status make_extent(ech_exact_sum *sum, uint64_t tensor, uint32_t *slot)
{
    const uint64_t bytes = ech_exact_extent_bytes(sum->layout->tensors[tensor].count);
    const uint64_t offset =
        atomic_fetch_add_explicit(&sum->header->arena_used_bytes, bytes, memory_order_relaxed);
    if (offset + bytes > sum->header->arena_bytes) {
        return ech_fail(ECH_ERR_MEMORY, "exact sum: the arena of %llu bytes is used up",
                        (unsigned long long)sum->header->arena_bytes);
    }
    const ech_status status = populate_up_to(sum, offset + bytes);
    if (status != ECH_OK) {
        return status;
    }
    *slot = (uint32_t)(offset / ECH_EXACT_EXTENT_ALIGNMENT) + ECH_EXACT_SLOT_FIRST;
    const ech_exact_extent extent = extent_at(sum, tensor, *slot);
    memset((void *)extent.stripes, 0, stripe_words_bytes(sum->layout->tensors[tensor].count));
    return ECH_OK;
}

static ech_status make_slot(ech_exact_sum *sum, uint64_t tensor, _Atomic uint32_t *word,
                            uint32_t *slot)
{
    const ech_status status = make_extent(sum, tensor, slot);
    const uint32_t published = status == ECH_OK ? *slot : (uint32_t)ECH_EXACT_SLOT_EMPTY;
    atomic_store_explicit(word, published, memory_order_release);
    wake(word, WAKE_ALL);
    return status;
}

ech_status ech_exact_extent_claim(ech_exact_sum *sum, uint64_t tensor, uint32_t bin,
                                  ech_exact_extent *out)
{
    _Atomic uint32_t *word = slot_of(sum, tensor, bin);
    const uint64_t deadline = ech_clock_ns() + WAIT_LIMIT_NS;
    uint32_t slot = atomic_load_explicit(word, memory_order_acquire);
    ech_status status = ECH_OK;
    while (slot < ECH_EXACT_SLOT_FIRST) {
        if (slot == ECH_EXACT_SLOT_EMPTY &&
            atomic_compare_exchange_strong_explicit(word, &slot, ECH_EXACT_SLOT_MAKING,
                                                    memory_order_acquire, memory_order_acquire)) {
            status = make_slot(sum, tensor, word, &slot);
            break;
        }
        if (slot == ECH_EXACT_SLOT_MAKING) {
            sleep_while(word, ECH_EXACT_SLOT_MAKING);
            slot = atomic_load_explicit(word, memory_order_acquire);
        }
        if (slot == ECH_EXACT_SLOT_MAKING && ech_clock_ns() > deadline) {
            return fail_wait("a new bin");
        }
    }
    if (status == ECH_OK) {
        *out = extent_at(sum, tensor, slot);
        status = populate_up_to(
            sum, slot_offset(slot) + ech_exact_extent_bytes(sum->layout->tensors[tensor].count));
    }
    return status;
}

/* Lock a stripe that is free just now. */
static bool try_lock(_Atomic uint32_t *stripe, uint32_t more_bits, bool *filled)
{
    uint32_t state = atomic_load_explicit(stripe, memory_order_relaxed);
    if ((state & ECH_EXACT_LOCKED) != 0 || !atomic_compare_exchange_strong_explicit(
                                               stripe, &state, state | ECH_EXACT_LOCKED | more_bits,
                                               memory_order_acquire, memory_order_relaxed)) {
        return false;
    }
    *filled = (state & ECH_EXACT_FILLED) != 0;
    return true;
}

ech_status ech_exact_stripe_lock(_Atomic uint32_t *stripe, bool *filled)
{
    for (int spin = 0; spin < SPIN_COUNT; spin++) {
        if (try_lock(stripe, 0, filled)) {
            return ECH_OK;
        }
    }
    const uint64_t deadline = ech_clock_ns() + WAIT_LIMIT_NS;
    /* Who has slept cannot know whether others still do, and leaves the bit set for them. */
    while (!try_lock(stripe, ECH_EXACT_WAITED_FOR, filled)) {
        const uint32_t state =
            atomic_fetch_or_explicit(stripe, ECH_EXACT_WAITED_FOR, memory_order_relaxed);
        if ((state & ECH_EXACT_LOCKED) != 0) {
            sleep_while(stripe, state | ECH_EXACT_WAITED_FOR);
        }
        if (ech_clock_ns() > deadline) {
            return fail_wait("a stripe");
        }
    }
    return ECH_OK;
}

void ech_exact_stripe_unlock(_Atomic uint32_t *stripe)
{
    const uint32_t state = atomic_exchange_explicit(stripe, ECH_EXACT_FILLED, memory_order_release);
    if ((state & ECH_EXACT_WAITED_FOR) != 0) {
        wake(stripe, 1);
    }
}

/* What the first to come does not bring is 0. */
static void fill_stripe(int64_t *sums, uint64_t elements, uint64_t first, uint64_t end,
                        const int64_t *more)
{
    const uint64_t begin = first / ECH_EXACT_STRIPE_ELEMENTS * ECH_EXACT_STRIPE_ELEMENTS;
    const uint64_t stripe_end = begin + ECH_EXACT_STRIPE_ELEMENTS;
    const uint64_t last = stripe_end < elements ? stripe_end : elements;
    memset(sums + begin, 0, (first - begin) * sizeof *sums);
    memcpy(sums + first, more, (end - first) * sizeof *sums);
    memset(sums + end, 0, (last - end) * sizeof *sums);
}

/* Elements [first, end) all lie in one stripe. */
static ech_status merge_stripe(const ech_exact_sum *sum, const ech_exact_extent *extent,
                               uint64_t elements, uint64_t first, uint64_t end, const int64_t *more)
{
    const uint64_t stripe = first / ECH_EXACT_STRIPE_ELEMENTS;
    bool filled = false;
    const ech_status status = ech_exact_stripe_lock(&extent->stripes[stripe], &filled);
    if (status != ECH_OK) {
        return status;
    }
    if (filled) {
        sum->kernels->merge(extent->sums + first, more, end - first);
    } else {
        fill_stripe(extent->sums, elements, first, end, more);
    }
    ech_exact_stripe_unlock(&extent->stripes[stripe]);
    return ECH_OK;
}

static uint64_t end_in_stripe(uint64_t first, uint64_t end)
{
    const uint64_t stripe_end = (first / ECH_EXACT_STRIPE_ELEMENTS + 1) * ECH_EXACT_STRIPE_ELEMENTS;
    return stripe_end < end ? stripe_end : end;
}

ech_status ech_exact_extent_merge(const ech_exact_sum *sum, const ech_exact_extent *extent,
                                  uint64_t elements, uint64_t first, uint64_t count,
                                  const int64_t *more)
{
    const uint64_t end = first + count;
    for (uint64_t at = first; at < end;) {
        const uint64_t next = end_in_stripe(at, end);
        const ech_status status =
            merge_stripe(sum, extent, elements, at, next, more + (at - first));
        if (status != ECH_OK) {
            return status;
        }
        at = next;
    }
    return ECH_OK;
}

void ech_exact_extent_read(const ech_exact_extent *extent, uint64_t first, uint64_t count,
                           int64_t *out)
{
    const uint64_t end = first + count;
    for (uint64_t at = first; at < end;) {
        const uint64_t next = end_in_stripe(at, end);
        const uint32_t state = atomic_load_explicit(
            &extent->stripes[at / ECH_EXACT_STRIPE_ELEMENTS], memory_order_acquire);
        if ((state & ECH_EXACT_FILLED) != 0) {
            memcpy(out, extent->sums + at, (next - at) * sizeof *out);
        } else {
            memset(out, 0, (next - at) * sizeof *out);
        }
        out += next - at;
        at = next;
    }
}
