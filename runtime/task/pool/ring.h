/**
 * @file ring.h
 * A bounded queue of 64-bit values for many producers and many consumers, in shared memory, with
 * batches on both sides. After Vyukov's bounded MPMC queue, with the turn of each slot counted from
 * zero (as in folly's MPMCQueue), so that zeroed memory is an empty ring.
 *
 * Slot i serves positions i, i + capacity, i + 2 capacity, ...: lap l of a slot is written when its
 * turn is 2l, which makes it 2l + 1, and read then, which makes it 2l + 2. A batch claims a run of
 * slots, each of which it has seen in the right turn, by moving the end on once: no other party can
 * change such a slot's turn before the end moves. Checked exhaustively by tests/model/ring.pml.
 *
 * Neither side ever waits. A producer or consumer that is held up between its claim and its last
 * store hides the slots behind its own until it goes on: the ring then looks full or empty, but
 * loses nothing.
 */
#ifndef ECH_TASK_RING_H
#define ECH_TASK_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    _Atomic uint64_t turn;
    uint64_t value;
} ech_ring_slot;

typedef struct {
    _Alignas(64) _Atomic uint64_t head; /* next position to take */
    _Alignas(64) _Atomic uint64_t tail; /* next position to put */
    _Alignas(64) ech_ring_slot slots[];
} ech_ring;

/** Bytes of a ring of `1 << order` slots. */
static inline size_t ech_ring_bytes(uint32_t order)
{
    return sizeof(ech_ring) + (sizeof(ech_ring_slot) << order);
}

static inline ech_ring_slot *ech_ring_slot_at(ech_ring *ring, uint32_t order, uint64_t position)
{
    return &ring->slots[position & ((UINT64_C(1) << order) - 1)];
}

/** Values now inside; a moment's view. */
static inline uint64_t ech_ring_length(const ech_ring *ring)
{
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    return tail > head ? tail - head : 0;
}

/** How many slots from `position` on, up to `count`, are in the turn that their lap needs. */
static inline uint32_t ech_ring_run(ech_ring *ring, uint32_t order, uint64_t position,
                                    uint32_t count, uint64_t full)
{
    uint32_t run = 0;
    while (run < count) {
        const uint64_t at = position + run;
        const uint64_t turn =
            atomic_load_explicit(&ech_ring_slot_at(ring, order, at)->turn, memory_order_acquire);
        if (turn != 2 * (at >> order) + full) {
            break;
        }
        run++;
    }
    return run;
}

/** Move an end on by a run of slots; returns its length, and where it begins. 0: none. */
static inline uint32_t ech_ring_claim(ech_ring *ring, uint32_t order, _Atomic uint64_t *end,
                                      uint32_t count, uint64_t full, uint64_t *begin)
{
    uint64_t position = atomic_load_explicit(end, memory_order_relaxed);
    for (;;) {
        const uint32_t run = ech_ring_run(ring, order, position, count, full);
        if (run == 0) {
            const uint64_t now = atomic_load_explicit(end, memory_order_relaxed);
            if (now == position) {
                return 0;
            }
            position = now;
        } else if (atomic_compare_exchange_weak_explicit(end, &position, position + run,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            *begin = position;
            return run;
        }
    }
}

/** Put up to `count` values; returns how many had room. */
static inline uint32_t ech_ring_put(ech_ring *ring, uint32_t order, const uint64_t *values,
                                    uint32_t count)
{
    uint64_t begin = 0;
    const uint32_t run = ech_ring_claim(ring, order, &ring->tail, count, 0, &begin);
    for (uint32_t i = 0; i < run; i++) {
        ech_ring_slot *slot = ech_ring_slot_at(ring, order, begin + i);
        slot->value = values[i];
        atomic_store_explicit(&slot->turn, 2 * ((begin + i) >> order) + 1, memory_order_release);
    }
    return run;
}

/** Take up to `count` values; returns how many there were. */
static inline uint32_t ech_ring_take(ech_ring *ring, uint32_t order, uint64_t *values,
                                     uint32_t count)
{
    uint64_t begin = 0;
    const uint32_t run = ech_ring_claim(ring, order, &ring->head, count, 1, &begin);
    for (uint32_t i = 0; i < run; i++) {
        ech_ring_slot *slot = ech_ring_slot_at(ring, order, begin + i);
        values[i] = slot->value;
        atomic_store_explicit(&slot->turn, 2 * ((begin + i) >> order) + 2, memory_order_release);
    }
    return run;
}

#endif
