/* Records of the tasks that ranks other than rank 0 submitted: a ring a rank, with one writer and
 * one reader (the host's leader rank), so nobody waits. A reader that is away for too long loses
 * records, never tasks; how many is said at the end. */
#include <string.h>

#include "runtime/task/pool/pool.h"

enum { RECORDS = 1 << ECH_POOL_RECORDS_ORDER };

typedef struct {
    _Alignas(64) _Atomic uint64_t head; /* read so far */
    _Alignas(64) _Atomic uint64_t tail; /* written so far */
    _Atomic uint64_t lost;
    _Alignas(64) ech_task_record records[RECORDS];
} record_ring;

uint64_t ech_pool_records_bytes(void)
{
    return sizeof(record_ring);
}

static record_ring *ring_of(const ech_pool *pool, uint32_t rank)
{
    return (record_ring *)(void *)(pool->records + rank * pool->records_bytes);
}

static void write_records(void *self, const ech_task_record *records, size_t count)
{
    const ech_pool *pool = self;
    record_ring *ring = ring_of(pool, pool->self);
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    const uint64_t room = RECORDS - (tail - head);
    const uint64_t written = count < room ? count : room;
    for (uint64_t i = 0; i < written; i++) {
        ring->records[(tail + i) % RECORDS] = records[i];
    }
    atomic_store_explicit(&ring->tail, tail + written, memory_order_release);
    atomic_fetch_add_explicit(&ring->lost, count - written, memory_order_relaxed);
}

ech_task_record_sink ech_pool_record_sink(ech_pool *pool)
{
    return (ech_task_record_sink){.self = pool, .write = write_records};
}

static void read_ring(record_ring *ring, const ech_task_record_sink *sink)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    while (head != tail) {
        const uint64_t to_end = RECORDS - head % RECORDS;
        const uint64_t count = tail - head < to_end ? tail - head : to_end;
        if (sink->write != NULL) {
            sink->write(sink->self, &ring->records[head % RECORDS], count);
        }
        head += count;
        atomic_store_explicit(&ring->head, head, memory_order_release);
    }
}

void ech_pool_read_records(ech_pool *pool)
{
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        record_ring *ring = ring_of(pool, rank);
        if (atomic_load_explicit(&ring->tail, memory_order_relaxed) !=
            atomic_load_explicit(&ring->head, memory_order_relaxed)) {
            read_ring(ring, &pool->records_sink);
        }
    }
}

uint64_t ech_pool_lost_records(ech_pool *pool)
{
    uint64_t lost = 0;
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        lost += atomic_exchange_explicit(&ring_of(pool, rank)->lost, 0, memory_order_relaxed);
    }
    return lost;
}
