#define _POSIX_C_SOURCE 200809L
#include "apps/memory_probe.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum { VALUES = 1 << 23 };

typedef struct {
    float *model, *update;
    int64_t *sums;
    uint64_t nanoseconds;
    double bytes_per_second;
    pthread_t thread;
    bool runs;
} arrays;

struct ech_memory_probe {
    uint32_t count;
    arrays of[];
};

static bool create_arrays(arrays *out)
{
    out->model = ech_calloc(VALUES, sizeof *out->model);
    out->update = ech_calloc(VALUES, sizeof *out->update);
    out->sums = ech_calloc(VALUES, sizeof *out->sums);
    if (out->model == NULL || out->update == NULL || out->sums == NULL) {
        return false;
    }
    ech_memory_populate(out->model, VALUES * sizeof *out->model);
    ech_memory_populate(out->update, VALUES * sizeof *out->update);
    ech_memory_populate(out->sums, VALUES * sizeof *out->sums);
    return true;
}

ech_status ech_memory_probe_create(uint32_t threads, ech_memory_probe **out)
{
    ech_memory_probe *probe = ech_calloc(1, sizeof *probe + threads * sizeof *probe->of);
    *out = probe;
    if (probe == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (probe->count = 0; probe->count < threads; probe->count++) {
        if (!create_arrays(&probe->of[probe->count])) {
            probe->count++;
            ech_memory_probe_destroy(out);
            return ECH_ERR_MEMORY;
        }
    }
    return ECH_OK;
}

void ech_memory_probe_destroy(ech_memory_probe **probe)
{
    if (*probe == NULL) {
        return;
    }
    for (uint32_t i = 0; i < (*probe)->count; i++) {
        ech_free((*probe)->of[i].model);
        ech_free((*probe)->of[i].update);
        ech_free((*probe)->of[i].sums);
    }
    ech_free(*probe);
    *probe = NULL;
}

/* As a worker that trains nothing, and its update's sum. */
static void *move(void *user)
{
    arrays *own = user;
    const uint64_t begin_ns = ech_clock_ns();
    uint64_t passes = 0;
    do {
        ech_memory_copy(own->update, own->model, VALUES * sizeof *own->update);
        for (size_t i = 0; i < VALUES; i++) {
            uint32_t bits = 0;
            memcpy(&bits, &own->update[i], sizeof bits);
            own->sums[i] += (int64_t)bits;
        }
        passes++;
    } while (ech_clock_ns() - begin_ns < own->nanoseconds);
    const double seconds = ech_clock_seconds(ech_clock_ns() - begin_ns);
    own->bytes_per_second = (double)(passes * VALUES * ECH_PROBE_MOVED_BYTES) / seconds;
    return NULL;
}

double ech_memory_probe_measure(ech_memory_probe *probe, uint64_t nanoseconds)
{
    for (uint32_t i = 0; i < probe->count; i++) {
        arrays *own = &probe->of[i];
        own->nanoseconds = nanoseconds;
        own->bytes_per_second = 0.0;
        own->runs = i > 0 && pthread_create(&own->thread, NULL, move, own) == 0;
    }
    move(&probe->of[0]);
    double bytes_per_second = probe->of[0].bytes_per_second;
    for (uint32_t i = 1; i < probe->count; i++) {
        if (probe->of[i].runs) {
            pthread_join(probe->of[i].thread, NULL);
        }
        bytes_per_second += probe->of[i].bytes_per_second;
    }
    return bytes_per_second;
}
