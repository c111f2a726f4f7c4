#include "runtime/fed/replica.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/stream.h"
#include "runtime/mpi/window.h"

enum { SUM_TAG = 1, PIECE_BYTES = ECH_STREAM_CHUNK_BYTES };

struct ech_replica {
    ech_machine *machine;
    const ech_layout *layout;
    ech_window *model; /* mean, then cells: reached by the other hosts' leader ranks */
    ech_window *sums;  /* slot_count sums, each mostly a reserve */
    ech_streams *streams;
    ech_sum_options sum_options;
    ech_sum **handles;
    void *piece; /* a leader rank's, where there are several hosts */
    uint32_t slot_count;
    uint32_t cell_count;
    uint32_t backed_count; /* of the cells, from the start */
    ech_idle idle;         /* of the move that runs */
};

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + ECH_MEMORY_ALIGNMENT - 1) / ECH_MEMORY_ALIGNMENT * ECH_MEMORY_ALIGNMENT;
}

static uint64_t values_bytes(const ech_replica *replica)
{
    return round_up(replica->layout->value_count * sizeof(float));
}

static uint64_t counters_bytes(const ech_replica *replica)
{
    return round_up(replica->layout->counter_count * sizeof(int64_t));
}

static uint64_t cell_offset(const ech_replica *replica, uint32_t cell)
{
    assert(cell < replica->cell_count);
    return values_bytes(replica) + cell * (values_bytes(replica) + counters_bytes(replica));
}

static bool wait_a_little(void *user)
{
    const ech_replica *replica = user;
    if (replica->idle.call != NULL) {
        replica->idle.call(replica->idle.user);
    }
    return false;
}

static ech_status create_windows(ech_replica *replica)
{
    const uint64_t cell_bytes = values_bytes(replica) + counters_bytes(replica);
    const uint64_t model_bytes = values_bytes(replica) + replica->cell_count * cell_bytes;
    const bool exposed = ech_machine_host_count(replica->machine) > 1;
    ech_status status =
        ech_window_create(replica->machine, "global model", model_bytes, exposed, &replica->model);
    if (status != ECH_OK) {
        return status;
    }
    status = ech_window_create(replica->machine, "sums",
                               replica->slot_count *
                                   ech_sum_bytes(&replica->sum_options, replica->layout),
                               false, &replica->sums);
    if (status != ECH_OK) {
        return status;
    }
    const ech_stream_options options = {.lanes = 1, .idle = wait_a_little, .idle_user = replica};
    return ech_streams_create(replica->machine, &options, &replica->streams);
}

/* This rank's own part: what may fail on one rank and not on another. */
static ech_status prepare_host(ech_replica *replica)
{
    const bool leads = ech_machine_is_leader(replica->machine);
    const uint64_t sum_bytes = ech_sum_bytes(&replica->sum_options, replica->layout);
    ech_status status = ECH_OK;
    if (leads) {
        for (uint32_t slot = 0; slot < replica->slot_count && status == ECH_OK; slot++) {
            char *memory = (char *)ech_window_base(replica->sums) + slot * sum_bytes;
            status = ech_sum_format(&replica->sum_options, memory, sum_bytes, replica->layout);
        }
    }
    if (status == ECH_OK && leads && ech_machine_host_count(replica->machine) > 1) {
        replica->piece = ech_alloc(PIECE_BYTES);
        status = replica->piece != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    return status;
}

/* Every page that a round needs is there before the first: made by the leader rank, then mapped by
 * the others of its host. */
static ech_status populate(ech_replica *replica, bool first)
{
    if (ech_machine_is_leader(replica->machine) != first) {
        return ECH_OK;
    }
    const uint64_t cell_bytes = values_bytes(replica) + counters_bytes(replica);
    ech_status status = ech_window_populate(replica->model, cell_offset(replica, 0),
                                            replica->backed_count * cell_bytes);
    for (uint32_t slot = 0; slot < replica->slot_count && status == ECH_OK; slot++) {
        status = ech_sum_populate(replica->handles[slot]);
    }
    return status;
}

static ech_status attach_sums(ech_replica *replica)
{
    replica->handles = ech_calloc(replica->slot_count, sizeof(ech_sum *));
    if (replica->handles == NULL) {
        return ECH_ERR_MEMORY;
    }
    const uint64_t sum_bytes = ech_sum_bytes(&replica->sum_options, replica->layout);
    ech_status status = ECH_OK;
    for (uint32_t slot = 0; slot < replica->slot_count && status == ECH_OK; slot++) {
        char *memory = (char *)ech_window_base(replica->sums) + slot * sum_bytes;
        status =
            ech_sum_attach(&replica->sum_options, memory, replica->layout, &replica->handles[slot]);
    }
    return status;
}

ech_status ech_replica_create(ech_machine *machine, const ech_layout *layout,
                              const ech_sum_options *sums, uint32_t slot_count, uint32_t cell_count,
                              uint32_t reserve_count, ech_replica **out)
{
    assert(slot_count > 0 && cell_count > 0);
    *out = NULL;
    ech_comm *comm = ech_machine_comm(machine);
    ech_replica *replica = ech_calloc(1, sizeof *replica);
    ech_status status = ech_comm_agree(comm, replica != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || replica == NULL) {
        ech_free(replica);
        return status;
    }
    replica->machine = machine;
    replica->layout = layout;
    replica->sum_options = *sums;
    replica->slot_count = slot_count;
    replica->cell_count = cell_count + reserve_count;
    replica->backed_count = cell_count;
    status = create_windows(replica);
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, prepare_host(replica));
    }
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, attach_sums(replica));
    }
    for (int turn = 0; turn < 2 && status == ECH_OK; turn++) {
        status = ech_comm_agree(comm, populate(replica, turn == 0));
    }
    if (status != ECH_OK) {
        ech_replica_destroy(&replica);
        return status;
    }
    *out = replica;
    return ECH_OK;
}

void ech_replica_destroy(ech_replica **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_replica *replica = *handle;
    for (uint32_t slot = 0; replica->handles != NULL && slot < replica->slot_count; slot++) {
        ech_sum_destroy(&replica->handles[slot]);
    }
    ech_free((void *)replica->handles);
    ech_free(replica->piece);
    ech_streams_destroy(&replica->streams);
    ech_window_destroy(&replica->sums);
    ech_window_destroy(&replica->model);
    ech_free(replica);
    *handle = NULL;
}

const ech_layout *ech_replica_layout(const ech_replica *replica)
{
    return replica->layout;
}

ech_state ech_replica_cell(const ech_replica *replica, uint32_t cell)
{
    char *base = (char *)ech_window_base(replica->model) + cell_offset(replica, cell);
    return (ech_state){.values = (float *)(void *)base,
                       .counters = (int64_t *)(void *)(base + values_bytes(replica))};
}

ech_state_view ech_replica_cell_view(const ech_replica *replica, uint32_t cell)
{
    const ech_state state = ech_replica_cell(replica, cell);
    return (ech_state_view){.values = state.values, .counters = state.counters};
}

ech_status ech_replica_open_cell(const ech_replica *replica, uint32_t cell, ech_state *out)
{
    *out = ech_replica_cell(replica, cell);
    return cell < replica->backed_count
               ? ECH_OK
               : ech_window_populate(replica->model, cell_offset(replica, cell),
                                     values_bytes(replica) + counters_bytes(replica));
}

ech_state ech_replica_model(const ech_replica *replica)
{
    return ech_replica_cell(replica, 0);
}

ech_state_view ech_replica_model_view(const ech_replica *replica)
{
    return ech_replica_cell_view(replica, 0);
}

float *ech_replica_mean(const ech_replica *replica)
{
    return ech_window_base(replica->model);
}

ech_sum *ech_replica_sum(const ech_replica *replica, uint32_t slot)
{
    assert(slot < replica->slot_count);
    return replica->handles[slot];
}

/* Without a counter there is no address to copy them to. */
static void copy_cell(const ech_replica *replica, uint32_t from_cell, ech_state into)
{
    const ech_layout *layout = replica->layout;
    const ech_state_view from = ech_replica_cell_view(replica, from_cell);
    memcpy(into.values, from.values, layout->value_count * sizeof *into.values);
    if (layout->counter_count > 0) {
        memcpy(into.counters, from.counters, layout->counter_count * sizeof *into.counters);
    }
}

static ech_status get_cell(ech_replica *replica, int from_host, uint32_t from_cell, ech_state into)
{
    const ech_layout *layout = replica->layout;
    const uint64_t offset = cell_offset(replica, from_cell);
    ech_status status = ech_window_get(replica->model, from_host, offset, into.values,
                                       layout->value_count * sizeof *into.values);
    if (status == ECH_OK && layout->counter_count > 0) {
        status = ech_window_get(replica->model, from_host, offset + values_bytes(replica),
                                into.counters, layout->counter_count * sizeof *into.counters);
    }
    return status;
}

ech_status ech_replica_fetch(ech_replica *replica, uint32_t from_host, uint32_t from_cell,
                             uint32_t into_cell, uint64_t *bytes)
{
    *bytes = ech_layout_state_bytes(replica->layout);
    ech_state into;
    const ech_status status = ech_replica_open_cell(replica, into_cell, &into);
    if (status != ECH_OK) {
        return status;
    }
    if ((int)from_host != ech_machine_host(replica->machine)) {
        return get_cell(replica, (int)from_host, from_cell, into);
    }
    copy_cell(replica, from_cell, into);
    return ECH_OK;
}

static ech_status send_pieces(ech_replica *replica, uint32_t slot, ech_stream *stream,
                              uint64_t *bytes)
{
    ech_sum_cursor cursor = {0};
    for (;;) {
        size_t piece_bytes = 0;
        ech_status status = ech_sum_export(replica->handles[slot], &cursor, replica->piece,
                                           PIECE_BYTES, &piece_bytes);
        if (status != ECH_OK || piece_bytes == 0) {
            return status;
        }
        const uint64_t length = piece_bytes;
        status = ech_stream_write(stream, &length, sizeof length);
        if (status == ECH_OK) {
            status = ech_stream_write(stream, replica->piece, piece_bytes);
        }
        if (status != ECH_OK) {
            return status;
        }
        *bytes += sizeof length + piece_bytes;
    }
}

/* A length of 0 ends the pieces. */
static ech_status send_end(ech_stream *stream)
{
    const uint64_t end = 0;
    return ech_stream_write(stream, &end, sizeof end);
}

ech_status ech_replica_send_sum(ech_replica *replica, uint32_t slot, uint32_t to_host,
                                uint32_t leaf, ech_idle idle, uint64_t *bytes)
{
    if (leaf != ECH_LEAF_OWN) {
        ech_sum_settle(replica->handles[slot]);
    }
    replica->idle = idle;
    *bytes = 0;
    ech_stream *stream = NULL;
    ech_status status = ech_stream_begin_send(replica->streams, (int)to_host, SUM_TAG, &stream);
    if (status != ECH_OK) {
        return status;
    }
    status = send_pieces(replica, slot, stream, bytes);
    if (status == ECH_OK) {
        status = send_end(stream);
    }
    const ech_failure failure = ech_failure_keep(status);
    const ech_status ended = ech_stream_end(&stream);
    return status != ECH_OK ? ech_failure_restore(&failure) : ended;
}

static ech_status receive_pieces(ech_replica *replica, uint32_t slot, uint32_t leaf,
                                 ech_stream *stream)
{
    for (;;) {
        uint64_t length = 0;
        ech_status status = ech_stream_read(stream, &length, sizeof length);
        if (status != ECH_OK || length == 0) {
            return status;
        }
        if (length > PIECE_BYTES) {
            return ech_fail(ECH_ERR_FORMAT, "a piece of a sum has %llu bytes, at most %d expected",
                            (unsigned long long)length, PIECE_BYTES);
        }
        status = ech_stream_read(stream, replica->piece, length);
        if (status == ECH_OK) {
            status = ech_sum_import(replica->handles[slot], replica->piece, length, leaf);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
}

ech_status ech_replica_receive_sum(ech_replica *replica, uint32_t slot, uint32_t from_host,
                                   uint32_t leaf, ech_idle idle)
{
    replica->idle = idle;
    ech_stream *stream = NULL;
    ech_status status =
        ech_stream_begin_receive(replica->streams, (int)from_host, SUM_TAG, &stream);
    if (status != ECH_OK) {
        return status;
    }
    status = receive_pieces(replica, slot, leaf, stream);
    const ech_failure failure = ech_failure_keep(status);
    const ech_status ended = ech_stream_end(&stream);
    return status != ECH_OK ? ech_failure_restore(&failure) : ended;
}
