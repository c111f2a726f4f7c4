/**
 * @file event_queue.h
 * Events of the virtual clock, by time: a binary heap. Of events at the same time the one that was
 * pushed first comes first, so the order depends on nothing but the pushes.
 *
 * Not collective; one owner a queue.
 */
#ifndef ECH_FED_EVENT_QUEUE_H
#define ECH_FED_EVENT_QUEUE_H

#include <stdint.h>

#include "runtime/base/status.h"

typedef struct {
    uint64_t time_ns;
    uint64_t number;  /* of the push, from 0 */
    uint32_t kind;    /* the owner's own */
    uint32_t subject; /* the owner's own */
} ech_event;

/** Zero-initialise it. */
typedef struct {
    ech_event *items; /* a heap: the first is the next */
    uint32_t count;
    uint32_t capacity;
    uint64_t pushed;
} ech_event_queue;

/** @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_event_queue_push(ech_event_queue *queue, uint64_t time_ns, uint32_t kind,
                                uint32_t subject);

/** Take the next event; there is one. */
ech_event ech_event_queue_pop(ech_event_queue *queue);

/** Put back what an earlier queue held: its items in their order, and its number of pushes.
 *  @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_event_queue_fill(ech_event_queue *queue, const ech_event *items, uint32_t count,
                                uint64_t pushed);

/** Free its memory; it is empty and usable then. */
void ech_event_queue_clear(ech_event_queue *queue);

#endif
