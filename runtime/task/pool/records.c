/* Records of the tasks that ranks other than rank 0 submitted: a ring a rank, with one writer and
 * one reader (the host's leader rank), so that nobody waits for anybody. While the reader is away,
 * or cannot pass on what it reads, a writer whose ring is full puts its records into a file
 * (spill.h), and from there into the ring, the oldest first, when there is room again: at the
 * latest when the run ends. */
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/mpi/comm.h"
#include "runtime/task/pool/pool.h"
#include "runtime/task/pool/spill.h"

enum { RECORDS = 1 << ECH_POOL_RECORDS_ORDER };
static const uint64_t nap_ns = 100000;

typedef struct {
    _Alignas(64) _Atomic uint64_t head; /* read so far */
    _Alignas(64) _Atomic uint64_t tail; /* written so far */
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

/* The writer. */

static uint64_t room_in(const record_ring *ring)
{
    return RECORDS - (atomic_load_explicit(&ring->tail, memory_order_relaxed) -
                      atomic_load_explicit(&ring->head, memory_order_acquire));
}

/* There is room for them. */
static void append(record_ring *ring, const ech_task_record *records, uint64_t count)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++) {
        ring->records[(tail + i) % RECORDS] = records[i];
    }
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

/* Only where no file can be written: why is said at once, how many when the run ends. */
static void lose(ech_pool *pool, uint64_t count)
{
    if (pool->records_lost == 0) {
        ech_log(ECH_LOG_WARNING, "task records are lost: %s", ech_status_message());
    }
    pool->records_lost += count;
}

static void spill(ech_pool *pool, const ech_task_record *records, size_t count)
{
    ech_status status = ECH_OK;
    if (pool->spill == NULL) {
        status = ech_spill_create(pool->executor->options.spill_folder, &pool->spill);
    }
    if (status == ECH_OK) {
        status = ech_spill_put(pool->spill, records, count);
    }
    if (status != ECH_OK) {
        lose(pool, count);
    }
}

/* Whole batches, so that few of them are system calls. */
static void unspill(ech_pool *pool, record_ring *ring)
{
    uint64_t left = 0;
    while ((left = ech_spill_count(pool->spill)) > 0) {
        ech_task_record batch[ECH_RECORDER_BATCH];
        const uint64_t count = left < ECH_RECORDER_BATCH ? left : ECH_RECORDER_BATCH;
        if (room_in(ring) < count) {
            return;
        }
        if (ech_spill_take(pool->spill, batch, count) != ECH_OK) {
            lose(pool, left);
            ech_spill_destroy(&pool->spill);
            return;
        }
        append(ring, batch, count);
    }
}

static void ask_for_reading(ech_pool *pool)
{
    atomic_store(&pool->head->records_waiting, 1);
    ech_pool_wake_rank(pool, 0);
}

static void write_records(void *self, const ech_task_record *records, size_t count)
{
    ech_pool *pool = self;
    record_ring *ring = ring_of(pool, pool->self);
    const ech_failure before = ech_failure_keep(ECH_OK); /* a task's: somebody still needs it */
    unspill(pool, ring);
    if (ech_spill_count(pool->spill) > 0 || room_in(ring) < count) {
        spill(pool, records, count);
    } else {
        append(ring, records, count);
    }
    ech_failure_restore(&before);
    if (room_in(ring) < RECORDS / 2) {
        ask_for_reading(pool);
    }
}

ech_task_record_sink ech_pool_record_sink(ech_pool *pool)
{
    return (ech_task_record_sink){.self = pool, .write = write_records};
}

/* True if something happened. */
static bool go_on(ech_pool *pool, record_ring *ring)
{
    const uint64_t before = ech_spill_count(pool->spill);
    unspill(pool, ring);
    ask_for_reading(pool);
    const bool served = ech_pool_serve(pool);
    return served || ech_spill_count(pool->spill) != before;
}

void ech_pool_end_records(ech_pool *pool)
{
    record_ring *ring = ring_of(pool, pool->self);
    uint64_t until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
    while (ech_spill_count(pool->spill) > 0 && ech_clock_ns() < until) {
        if (go_on(pool, ring)) {
            until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
        } else {
            ech_clock_sleep_ns(nap_ns);
        }
    }
    if (ech_spill_count(pool->spill) > 0) {
        ech_fail(ECH_ERR_TIMEOUT, "the leader rank of this host has stopped reading them");
        lose(pool, ech_spill_count(pool->spill));
    }
    ech_spill_destroy(&pool->spill);
    if (pool->records_lost > 0) {
        ech_log(ECH_LOG_WARNING, "%llu task records are lost",
                (unsigned long long)pool->records_lost);
        pool->records_lost = 0;
    }
}

/* The reader. */

static bool read_ring(ech_pool *pool, record_ring *ring)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    bool any = false;
    while (head != tail) {
        const uint64_t room = pool->records_room != NULL ? pool->records_room(pool) : RECORDS;
        const uint64_t to_end = RECORDS - head % RECORDS;
        uint64_t count = tail - head < to_end ? tail - head : to_end;
        count = count < room ? count : room;
        if (count == 0) {
            break;
        }
        pool->records_sink.write(pool->records_sink.self, &ring->records[head % RECORDS], count);
        head += count;
        atomic_store_explicit(&ring->head, head, memory_order_release);
        any = true;
    }
    return any;
}

bool ech_pool_read_records(ech_pool *pool)
{
    bool any = false;
    if (pool->reads_records) {
        return false; /* a sink that yields */
    }
    pool->reads_records = true;
    atomic_exchange(&pool->head->records_waiting, 0);
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        any = read_ring(pool, ring_of(pool, rank)) || any;
    }
    pool->reads_records = false;
    return any;
}

bool ech_pool_has_records(const ech_pool *pool)
{
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        if (room_in(ring_of(pool, rank)) < RECORDS) {
            return true;
        }
    }
    return false;
}
