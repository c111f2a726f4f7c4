#include "runtime/fed/versions.h"

#include <assert.h>

#include "runtime/base/memory.h"

enum { PRIORITY_FETCH = 2 };

typedef struct {
    uint32_t references;
    uint32_t original;    /* of a copy: its cell on rank 0's host; else ECH_CELL_NONE */
    ech_future *fetching; /* of a copy */
} cell_state;

typedef struct {
    cell_state *cells;
    uint32_t *free_cells;
    uint32_t free_count;
    uint32_t *copy_of; /* by cell of rank 0's host: the copy here, or ECH_CELL_NONE */
} host_cells;

struct ech_versions {
    ech_process *process;
    uint32_t host_count;
    uint32_t cell_count; /* of each host */
    host_cells hosts[];
};

static ech_status create_host(ech_versions *versions, host_cells *host)
{
    const uint32_t count = versions->cell_count;
    host->cells = ech_calloc(count, sizeof *host->cells);
    host->free_cells = ech_calloc(count, sizeof *host->free_cells);
    host->copy_of = ech_calloc(count, sizeof *host->copy_of);
    if (host->cells == NULL || host->free_cells == NULL || host->copy_of == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t cell = 0; cell < count; cell++) {
        host->free_cells[cell] = count - 1 - cell;
        host->copy_of[cell] = ECH_CELL_NONE;
    }
    host->free_count = count;
    return ECH_OK;
}

ech_status ech_versions_create(ech_process *process, ech_versions **out)
{
    const uint32_t hosts = (uint32_t)ech_machine_host_count(process->machine);
    *out = ech_calloc(1, sizeof **out + hosts * sizeof(host_cells));
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->process = process;
    (*out)->host_count = hosts;
    (*out)->cell_count = process->options.cell_count;
    ech_status status = ECH_OK;
    for (uint32_t h = 0; h < hosts && status == ECH_OK; h++) {
        status = create_host(*out, &(*out)->hosts[h]);
    }
    if (status != ECH_OK) {
        ech_versions_destroy(out);
    }
    return status;
}

void ech_versions_destroy(ech_versions **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_versions *versions = *handle;
    for (uint32_t h = 0; h < versions->host_count; h++) {
        host_cells *host = &versions->hosts[h];
        for (uint32_t cell = 0; host->cells != NULL && cell < versions->cell_count; cell++) {
            ech_future_release(&host->cells[cell].fetching);
        }
        ech_free(host->cells);
        ech_free(host->free_cells);
        ech_free(host->copy_of);
    }
    ech_free(versions);
    *handle = NULL;
}

uint32_t ech_versions_take(ech_versions *versions, uint32_t host_number)
{
    host_cells *host = &versions->hosts[host_number];
    assert(host->free_count > 0);
    const uint32_t cell = host->free_cells[--host->free_count];
    host->cells[cell] = (cell_state){.references = 1, .original = ECH_CELL_NONE};
    return cell;
}

void ech_versions_hold(ech_versions *versions, uint32_t host, uint32_t cell)
{
    assert(versions->hosts[host].cells[cell].references > 0);
    versions->hosts[host].cells[cell].references++;
}

/* Whoever needed the copy is done, so its fetch has ended: only its time is still to be counted. */
static ech_status forget_copy(ech_versions *versions, host_cells *host, cell_state *copy)
{
    const ech_status status = ech_future_wait(copy->fetching);
    if (status == ECH_OK) {
        size_t bytes = 0;
        const ech_step_result *step = ech_future_value(copy->fetching, &bytes);
        ech_process_add_step(versions->process, step);
        versions->process->tiers[1].wire_down += step->wire_bytes;
    }
    ech_future_release(&copy->fetching);
    host->copy_of[copy->original] = ECH_CELL_NONE;
    const ech_status released = ech_versions_release(versions, 0, copy->original);
    copy->original = ECH_CELL_NONE;
    return status == ECH_OK ? released : status;
}

ech_status ech_versions_release(ech_versions *versions, uint32_t host_number, uint32_t cell)
{
    host_cells *host = &versions->hosts[host_number];
    cell_state *state = &host->cells[cell];
    assert(state->references > 0);
    if (--state->references > 0) {
        return ECH_OK;
    }
    host->free_cells[host->free_count++] = cell;
    return state->original != ECH_CELL_NONE ? forget_copy(versions, host, state) : ECH_OK;
}

static ech_status fetch(ech_versions *versions, uint32_t cell, uint32_t host_number, uint32_t copy)
{
    const ech_process *process = versions->process;
    const ech_fetch_arguments arguments = {.from_host = 0, .from_cell = cell, .into_cell = copy};
    const ech_task_options options = {
        .affinity = ECH_AFFINITY_RANK,
        .affinity_value = (uint64_t)ech_machine_leader_of(process->machine, (int)host_number),
        .strict = true,
        .priority = PRIORITY_FETCH,
    };
    return ech_submit(process->executor, process->apps.fetch, &arguments, sizeof arguments,
                      &options, &versions->hosts[host_number].cells[copy].fetching);
}

ech_status ech_versions_copy(ech_versions *versions, uint32_t cell, uint32_t host_number,
                             uint32_t *copy, ech_future **fetching)
{
    host_cells *host = &versions->hosts[host_number];
    *fetching = NULL;
    if (host_number == 0) {
        *copy = cell;
        ech_versions_hold(versions, 0, cell);
        return ECH_OK;
    }
    *copy = host->copy_of[cell];
    if (*copy != ECH_CELL_NONE) {
        ech_versions_hold(versions, host_number, *copy);
        *fetching = host->cells[*copy].fetching;
        return ECH_OK;
    }
    *copy = ech_versions_take(versions, host_number);
    const ech_status status = fetch(versions, cell, host_number, *copy);
    if (status != ECH_OK) {
        ech_versions_release(versions, host_number, *copy);
        return status;
    }
    ech_versions_hold(versions, 0, cell);
    host->cells[*copy].original = cell;
    host->copy_of[cell] = *copy;
    *fetching = host->cells[*copy].fetching;
    return ECH_OK;
}
