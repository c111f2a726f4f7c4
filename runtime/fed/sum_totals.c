#define _GNU_SOURCE
#include "runtime/fed/sum_totals.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t ech_sum_rounded_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

ech_hash128 ech_sum_layout_digest(const ech_layout *layout)
{
    ech_hash128 digest = {.high = layout->tensor_count, .low = layout->value_count};
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        const uint64_t words[] = {digest.high, digest.low, (uint64_t)tensor->kind, tensor->count,
                                  tensor->offset};
        digest = ech_hash_bytes(words, sizeof words);
    }
    return digest;
}

ech_status ech_sum_check_memory(const void *memory, uint64_t bytes, uint64_t needed_bytes)
{
    if ((uintptr_t)memory % (uintptr_t)sysconf(_SC_PAGESIZE) != 0 || bytes < needed_bytes) {
        return ech_fail(ECH_ERR_ARGUMENT, "sum: %llu bytes at %p are misaligned or fewer than %llu",
                        (unsigned long long)bytes, memory, (unsigned long long)needed_bytes);
    }
    return ECH_OK;
}

ech_status ech_sum_check_formatted(const ech_sum_totals *totals, uint64_t magic,
                                   const ech_layout *layout)
{
    if (totals->magic != magic ||
        !ech_hash_equal(totals->layout_digest, ech_sum_layout_digest(layout))) {
        return ech_fail(ECH_ERR_FORMAT, "sum: the memory holds no sum of this model");
    }
    return ECH_OK;
}

ech_status ech_sum_check_bound(uint64_t weight_bound)
{
    if (weight_bound == 0 || weight_bound > UINT64_C(1) << ECH_SUM_WEIGHT_BITS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "sum: weights may add up to 1 to 2^%d, not to %llu",
                        ECH_SUM_WEIGHT_BITS_MAX, (unsigned long long)weight_bound);
    }
    return ECH_OK;
}

ech_status ech_sum_check_alike(const ech_sum_totals *totals, ech_hash128 layout_digest,
                               uint64_t weight_bound)
{
    if (!ech_hash_equal(totals->layout_digest, layout_digest)) {
        return ech_fail(ECH_ERR_FORMAT, "sum: the other sum is of another model");
    }
    if (totals->weight_bound != weight_bound) {
        return ech_fail(ECH_ERR_FORMAT, "sum: weight bounds differ: %llu here, %llu there",
                        (unsigned long long)totals->weight_bound, (unsigned long long)weight_bound);
    }
    return ECH_OK;
}

ech_status ech_sum_refuse_empty(const ech_sum_totals *totals)
{
    return ech_sum_update_count_of(totals) > 0
               ? ECH_OK
               : ech_fail(ECH_ERR_ARGUMENT, "sum: no update came, so there is no mean");
}

void ech_sum_totals_clear(ech_sum_totals *totals)
{
    atomic_init(&totals->weight, 0);
    atomic_init(&totals->update_count, 0);
}

ech_status ech_sum_weight_reserve(ech_sum_totals *totals, uint64_t weight)
{
    const uint64_t bound = totals->weight_bound;
    uint64_t held = ech_sum_weight_of(totals);
    do {
        if (weight > bound - held) {
            return ech_fail(
                ECH_ERR_ARGUMENT, "sum: weight %llu on top of %llu exceeds the round's bound %llu",
                (unsigned long long)weight, (unsigned long long)held, (unsigned long long)bound);
        }
    } while (!atomic_compare_exchange_weak_explicit(&totals->weight, &held, held + weight,
                                                    memory_order_relaxed, memory_order_relaxed));
    return ECH_OK;
}

void ech_sum_weight_return(ech_sum_totals *totals, uint64_t weight)
{
    atomic_fetch_sub_explicit(&totals->weight, weight, memory_order_relaxed);
}

void ech_sum_counters_clear(_Atomic int64_t *counters, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        atomic_init(&counters[i], INT64_MIN);
    }
}

void ech_sum_counters_raise(_Atomic int64_t *counters, uint64_t count, const int64_t *more)
{
    for (uint64_t i = 0; i < count; i++) {
        int64_t held = atomic_load_explicit(&counters[i], memory_order_relaxed);
        while (more[i] > held &&
               !atomic_compare_exchange_weak_explicit(&counters[i], &held, more[i],
                                                      memory_order_relaxed, memory_order_relaxed)) {
        }
    }
}

void ech_sum_counters_read(const _Atomic int64_t *counters, uint64_t count, int64_t *out)
{
    for (uint64_t i = 0; i < count; i++) {
        out[i] = atomic_load_explicit(&counters[i], memory_order_relaxed);
    }
}

ech_status ech_sum_piece_check_room(const void *piece, size_t capacity, size_t header_bytes,
                                    uint64_t counter_count, size_t more_bytes)
{
    const uint64_t needed = header_bytes + counter_count * sizeof(int64_t) + more_bytes;
    if (capacity < ECH_SUM_PIECE_BYTES_MIN || capacity < needed ||
        (uintptr_t)piece % sizeof(int64_t) != 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "sum: %zu bytes at %p are no room for a piece", capacity,
                        piece);
    }
    return ECH_OK;
}

ech_sum_piece ech_sum_piece_of(const ech_sum_totals *totals, uint64_t magic)
{
    return (ech_sum_piece){.magic = magic,
                           .layout_digest = totals->layout_digest,
                           .weight_bound = totals->weight_bound};
}

void ech_sum_piece_add_totals(ech_sum_piece *piece, const ech_sum_totals *totals,
                              const _Atomic int64_t *counters, uint64_t counter_count, void *at)
{
    piece->weight = ech_sum_weight_of(totals);
    piece->update_count = ech_sum_update_count_of(totals);
    piece->counter_count = counter_count;
    ech_sum_counters_read(counters, counter_count, at);
}

ech_status ech_sum_piece_check(const ech_sum_piece *piece, uint64_t magic, size_t bytes,
                               const ech_sum_totals *totals)
{
    if (piece->magic != magic || piece->bytes != bytes) {
        return ech_fail(ECH_ERR_FORMAT, "sum: %zu bytes are not one whole piece", bytes);
    }
    return ech_sum_check_alike(totals, piece->layout_digest, piece->weight_bound);
}

ech_status ech_sum_populate_pages(void *begin, uint64_t bytes)
{
    const uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (uintptr_t)begin / page_bytes * page_bytes;
    const uintptr_t end = ech_sum_rounded_up((uintptr_t)begin + bytes, page_bytes);
#ifdef MADV_POPULATE_WRITE
    if (madvise((void *)first, end - first, MADV_POPULATE_WRITE) == 0) {
        return ECH_OK;
    }
    if (errno != EINVAL) { /* EINVAL: a kernel before 5.14, whose pages come when touched */
        return ech_fail(ECH_ERR_MEMORY,
                        "no memory for %llu more bytes of sums: %s (shared windows take theirs "
                        "from /dev/shm)",
                        (unsigned long long)bytes, strerror(errno));
    }
#else
    (void)first;
    (void)end;
#endif
    return ECH_OK;
}
