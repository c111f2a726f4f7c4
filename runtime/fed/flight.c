#include "runtime/fed/flight.h"

#include <assert.h>

#include "runtime/base/memory.h"

typedef struct {
    ech_future *future;
    uint32_t kind;
    uint32_t subject;
    bool is_cancelled;
} entry;

struct ech_flight {
    ech_executor *executor;
    ech_landing_handler handler;
    void *user;
    uint32_t capacity;
    uint32_t count;
    uint32_t oldest;
    entry entries[];
};

ech_status ech_flight_create(ech_executor *executor, uint32_t capacity, ech_landing_handler handler,
                             void *user, ech_flight **out)
{
    assert(capacity > 0);
    *out = ech_calloc(1, sizeof **out + capacity * sizeof(entry));
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->executor = executor;
    (*out)->handler = handler;
    (*out)->user = user;
    (*out)->capacity = capacity;
    return ECH_OK;
}

static entry take_oldest(ech_flight *flight)
{
    const entry taken = flight->entries[flight->oldest];
    flight->oldest = (flight->oldest + 1) % flight->capacity;
    flight->count--;
    return taken;
}

void ech_flight_destroy(ech_flight **flight)
{
    if (flight == NULL || *flight == NULL) {
        return;
    }
    const ech_failure failure = ech_failure_keep(ECH_OK);
    while ((*flight)->count > 0) {
        entry left = take_oldest(*flight);
        ech_future_wait(left.future);
        ech_future_release(&left.future);
    }
    ech_failure_restore(&failure);
    ech_free(*flight);
    *flight = NULL;
}

bool ech_flight_is_empty(const ech_flight *flight)
{
    return flight->count == 0;
}

ech_status ech_flight_make_room(ech_flight *flight, uint32_t count)
{
    assert(count <= flight->capacity);
    ech_status status = ECH_OK;
    while (flight->capacity - flight->count < count && status == ECH_OK) {
        status = ech_flight_land_one(flight);
    }
    return status;
}

ech_status ech_flight_submit(ech_flight *flight, uint32_t kind, uint32_t subject, ech_app_id app,
                             const void *arguments, size_t arguments_bytes,
                             const ech_task_options *options, ech_future **out)
{
    while (flight->count == flight->capacity) {
        const ech_status landed = ech_flight_land_one(flight);
        if (landed != ECH_OK) {
            return landed;
        }
    }
    entry submitted = {.kind = kind, .subject = subject};
    const ech_status status =
        ech_submit(flight->executor, app, arguments, arguments_bytes, options, &submitted.future);
    if (status != ECH_OK) {
        return status;
    }
    flight->entries[(flight->oldest + flight->count) % flight->capacity] = submitted;
    flight->count++;
    if (out != NULL) {
        *out = submitted.future;
    }
    return ECH_OK;
}

void ech_flight_cancel(ech_flight *flight, uint32_t kind)
{
    for (uint32_t i = 0; i < flight->count; i++) {
        entry *waiting = &flight->entries[(flight->oldest + i) % flight->capacity];
        if (waiting->kind == kind && !waiting->is_cancelled) {
            waiting->is_cancelled = ech_future_cancel(waiting->future);
        }
    }
}

ech_status ech_flight_land_one(ech_flight *flight)
{
    assert(flight->count > 0);
    entry landed = take_oldest(flight);
    ech_status status = landed.is_cancelled ? ECH_OK : ech_future_wait(landed.future);
    if (status == ECH_OK) {
        ech_landing landing = {.kind = landed.kind, .subject = landed.subject};
        if (!landed.is_cancelled) {
            landing.result = ech_future_value(landed.future, &landing.result_bytes);
        }
        status = flight->handler(flight->user, &landing);
    }
    ech_future_release(&landed.future);
    return status;
}

ech_status ech_flight_land_all(ech_flight *flight)
{
    ech_failure first = {.status = ECH_OK};
    while (!ech_flight_is_empty(flight)) {
        const ech_status status = ech_flight_land_one(flight);
        if (first.status == ECH_OK && status != ECH_OK) {
            first = ech_failure_keep(status);
        }
    }
    return first.status == ECH_OK ? ECH_OK : ech_failure_restore(&first);
}
