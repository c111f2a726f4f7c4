/**
 * @file flight.h
 * Tasks in flight: a bounded ring of futures that end in the order in which they were submitted.
 *
 * A submitter keeps many tasks going without keeping all their futures: when the ring is full it
 * has to land the oldest first. What happens at a landing therefore happens in submission order,
 * whatever order the tasks ended in. Rank 0's; not thread-safe.
 */
#ifndef ECH_FED_FLIGHT_H
#define ECH_FED_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/task/task.h"

typedef struct ech_flight ech_flight;

/** A landed task: what it was submitted as, and its result. */
typedef struct {
    uint32_t kind;      /* the submitter's own */
    uint32_t subject;   /* the submitter's own */
    const void *result; /* NULL: it was cancelled */
    size_t result_bytes;
} ech_landing;

/** Called at each landing; must not submit into the same flight. */
typedef ech_status (*ech_landing_handler)(void *user, const ech_landing *landing);

/** @param capacity  most tasks in flight. */
ech_status ech_flight_create(ech_executor *executor, uint32_t capacity, ech_landing_handler handler,
                             void *user, ech_flight **out);
/** Waits for what is still in flight, without handling it. Accepts NULL. */
void ech_flight_destroy(ech_flight **flight);

bool ech_flight_is_empty(const ech_flight *flight);

/** Land the oldest tasks until `count` more can be submitted without landing any: futures that the
 * submitter holds then stay valid that long. */
ech_status ech_flight_make_room(ech_flight *flight, uint32_t count);

/**
 * Submit a task, landing older ones while the ring is full.
 *
 * @param[out] out  may be NULL; borrowed: usable as another task's input until it lands.
 */
ech_status ech_flight_submit(ech_flight *flight, uint32_t kind, uint32_t subject, ech_app_id app,
                             const void *arguments, size_t arguments_bytes,
                             const ech_task_options *options, ech_future **out);

/** Cancel the tasks of a kind that no rank has begun: they land without a result. */
void ech_flight_cancel(ech_flight *flight, uint32_t kind);

/** Wait for the oldest task and handle it. Its failure is returned; the handler is not called. */
ech_status ech_flight_land_one(ech_flight *flight);

/** Land everything. The first failure is returned, after all have landed. */
ech_status ech_flight_land_all(ech_flight *flight);

#endif
