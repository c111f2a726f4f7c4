#include "runtime/fed/event_queue.h"

#include <assert.h>
#include <stdbool.h>

#include "runtime/base/memory.h"

enum { CAPACITY_MIN = 64 };

static bool comes_before(const ech_event *a, const ech_event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->number < b->number;
}

static void swap(ech_event *a, ech_event *b)
{
    const ech_event kept = *a;
    *a = *b;
    *b = kept;
}

static ech_status make_room(ech_event_queue *queue, uint32_t count)
{
    if (count <= queue->capacity) {
        return ECH_OK;
    }
    uint32_t capacity = queue->capacity == 0 ? CAPACITY_MIN : 2 * queue->capacity;
    capacity = capacity < count ? count : capacity;
    ech_event *items = ech_realloc(queue->items, capacity, sizeof *items);
    if (items == NULL) {
        return ECH_ERR_MEMORY;
    }
    queue->items = items;
    queue->capacity = capacity;
    return ECH_OK;
}

ech_status ech_event_queue_push(ech_event_queue *queue, uint64_t time_ns, uint32_t kind,
                                uint32_t subject)
{
    const ech_status status = make_room(queue, queue->count + 1);
    if (status != ECH_OK) {
        return status;
    }
    uint32_t at = queue->count++;
    queue->items[at] = (ech_event){
        .time_ns = time_ns, .number = queue->pushed++, .kind = kind, .subject = subject};
    while (at > 0 && comes_before(&queue->items[at], &queue->items[(at - 1) / 2])) {
        swap(&queue->items[at], &queue->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return ECH_OK;
}

ech_event ech_event_queue_pop(ech_event_queue *queue)
{
    assert(queue->count > 0);
    ech_event *items = queue->items;
    const ech_event first = items[0];
    items[0] = items[--queue->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < queue->count; child++) {
            least = comes_before(&items[child], &items[least]) ? child : least;
        }
        if (least == at) {
            return first;
        }
        swap(&items[at], &items[least]);
        at = least;
    }
}

ech_status ech_event_queue_fill(ech_event_queue *queue, const ech_event *items, uint32_t count,
                                uint64_t pushed)
{
    const ech_status status = make_room(queue, count);
    if (status != ECH_OK) {
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        queue->items[i] = items[i];
    }
    queue->count = count;
    queue->pushed = pushed;
    return ECH_OK;
}

void ech_event_queue_clear(ech_event_queue *queue)
{
    ech_free(queue->items);
    *queue = (ech_event_queue){0};
}
