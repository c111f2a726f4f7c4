#include "runtime/fed/worker_states.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/window.h"

struct ech_worker_states {
    ech_machine *machine;
    uint64_t vector_bytes;
    uint64_t stride_bytes; /* between the vectors of a host */
    ech_window *window;

    /* rank 0 */
    uint32_t worker_count;
    uint32_t marked_count;
    uint32_t *homes;
    uint32_t *slots;
    uint64_t *marks; /* a bit a worker */
};

/* Number each host's workers from 0 on. @param[out] most  of any host. */
static ech_status number_slots(ech_worker_states *states, const uint32_t *homes,
                               uint32_t worker_count, uint64_t *most)
{
    const size_t hosts = (size_t)ech_machine_host_count(states->machine);
    states->worker_count = worker_count;
    states->homes = ech_calloc(worker_count, sizeof *states->homes);
    states->slots = ech_calloc(worker_count, sizeof *states->slots);
    states->marks = ech_calloc((size_t)worker_count / 64 + 1, sizeof *states->marks);
    uint32_t *taken = ech_calloc(hosts, sizeof *taken);
    if (states->homes == NULL || states->slots == NULL || states->marks == NULL || taken == NULL) {
        ech_free(taken);
        return ECH_ERR_MEMORY;
    }
    memcpy(states->homes, homes, worker_count * sizeof *homes);
    for (uint32_t worker = 0; worker < worker_count; worker++) {
        states->slots[worker] = taken[homes[worker]]++;
    }
    *most = 0;
    for (size_t host = 0; host < hosts; host++) {
        *most = taken[host] > *most ? taken[host] : *most;
    }
    ech_free(taken);
    return ECH_OK;
}

ech_status ech_worker_states_create(ech_machine *machine, uint64_t value_count,
                                    const uint32_t *homes, uint32_t worker_count,
                                    ech_worker_states **out)
{
    *out = NULL;
    ech_comm *comm = ech_machine_comm(machine);
    ech_worker_states *states = ech_calloc(1, sizeof *states);
    ech_status status = ech_comm_agree(comm, states != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || states == NULL) {
        ech_free(states);
        return status;
    }
    states->machine = machine;
    states->vector_bytes = value_count * sizeof(float);
    states->stride_bytes = (states->vector_bytes + ECH_MEMORY_ALIGNMENT - 1) /
                           ECH_MEMORY_ALIGNMENT * ECH_MEMORY_ALIGNMENT;
    uint64_t slots = 0;
    if (ech_machine_rank(machine) == 0) {
        status = number_slots(states, homes, worker_count, &slots);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, &slots, sizeof slots, 0);
    }
    if (status == ECH_OK) {
        status = ech_window_create(machine, "worker states", slots * states->stride_bytes,
                                   ech_machine_host_count(machine) > 1, &states->window);
    }
    if (status != ECH_OK) {
        ech_worker_states_destroy(&states);
        return status;
    }
    *out = states;
    return ECH_OK;
}

void ech_worker_states_destroy(ech_worker_states **states)
{
    if (states == NULL || *states == NULL) {
        return;
    }
    ech_window_destroy(&(*states)->window);
    ech_free((*states)->homes);
    ech_free((*states)->slots);
    ech_free((*states)->marks);
    ech_free(*states);
    *states = NULL;
}

ech_status ech_worker_states_open(ech_worker_states *states, uint32_t slot, float **values)
{
    const uint64_t offset = slot * states->stride_bytes;
    char *base = ech_window_base(states->window);
    *values = (float *)(void *)(base + offset);
    return ech_window_populate(states->window, offset, states->vector_bytes);
}

uint32_t ech_worker_states_home(const ech_worker_states *states, uint32_t worker)
{
    assert(worker < states->worker_count);
    return states->homes[worker];
}

uint32_t ech_worker_states_slot(const ech_worker_states *states, uint32_t worker)
{
    assert(worker < states->worker_count);
    return states->slots[worker];
}

bool ech_worker_states_is_marked(const ech_worker_states *states, uint32_t worker)
{
    assert(worker < states->worker_count);
    return (states->marks[worker / 64] >> (worker % 64) & 1) != 0;
}

void ech_worker_states_mark(ech_worker_states *states, uint32_t worker)
{
    assert(worker < states->worker_count);
    states->marked_count += !ech_worker_states_is_marked(states, worker);
    states->marks[worker / 64] |= UINT64_C(1) << (worker % 64);
}

uint32_t ech_worker_states_count(const ech_worker_states *states)
{
    return states->marked_count;
}

ech_status ech_worker_states_read(const ech_worker_states *states, uint32_t *workers, float *values)
{
    uint64_t done = 0;
    ech_status status = ECH_OK;
    for (uint32_t worker = 0; worker < states->worker_count && status == ECH_OK; worker++) {
        if (!ech_worker_states_is_marked(states, worker)) {
            continue;
        }
        char *to = (char *)values + done * states->vector_bytes;
        const uint64_t offset = states->slots[worker] * states->stride_bytes;
        workers[done++] = worker;
        if (states->homes[worker] == 0) {
            memcpy(to, (const char *)ech_window_base(states->window) + offset,
                   states->vector_bytes);
        } else {
            status = ech_window_get(states->window, (int)states->homes[worker], offset, to,
                                    states->vector_bytes);
        }
    }
    return status;
}

static ech_status write_one(ech_worker_states *states, uint32_t worker, const void *from)
{
    const uint64_t offset = states->slots[worker] * states->stride_bytes;
    if (states->homes[worker] != 0) {
        return ech_window_put(states->window, (int)states->homes[worker], offset, from,
                              states->vector_bytes);
    }
    float *to = NULL;
    const ech_status status = ech_worker_states_open(states, states->slots[worker], &to);
    if (status == ECH_OK) {
        memcpy(to, from, states->vector_bytes);
    }
    return status;
}

ech_status ech_worker_states_write(ech_worker_states *states, const uint32_t *workers,
                                   uint32_t count, const float *values)
{
    for (uint32_t i = 0; i < count; i++) {
        if (workers[i] >= states->worker_count) {
            return ech_fail(ECH_ERR_FORMAT, "the state of worker %u: there are %u workers",
                            workers[i], states->worker_count);
        }
        const ech_status status =
            write_one(states, workers[i], (const char *)values + i * states->vector_bytes);
        if (status != ECH_OK) {
            return status;
        }
        ech_worker_states_mark(states, workers[i]);
    }
    return ECH_OK;
}
