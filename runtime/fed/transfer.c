#include "runtime/fed/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/transfer_priv.h"

enum { REASON_BYTES = 384 };

static const uint64_t first_pause_ns = UINT64_C(10000000);
static const uint64_t longest_pause_ns = UINT64_C(1000000000);

typedef struct {
    bool copies_model;
    const ech_transfer_store *store; /* NULL: none */
} transfer_kind;

static const transfer_kind kinds[ECH_TRANSFER_KIND_COUNT] = {
    [ECH_TRANSFER_SHARED] = {false, NULL},
    [ECH_TRANSFER_RMA] = {true, NULL},
    [ECH_TRANSFER_REDIS] = {true, &ech_transfer_redis},
    [ECH_TRANSFER_FILE] = {true, &ech_transfer_file},
};

struct ech_transfer {
    const transfer_kind *kind;
    ech_transfer_options options;
    ech_machine *machine;
    uint64_t run; /* names this run's values */
    void *store;  /* NULL after a failure, until the next attempt */
};

/* ---- life ---- */

static uint64_t name_run(void)
{
    const uint64_t identity[] = {ech_clock_wall_ns(), ech_clock_ns(), (uint64_t)getpid()};
    return ech_hash_bytes(identity, sizeof identity).low;
}

static ech_status open_store(ech_transfer *transfer)
{
    const ech_transfer_store *store = transfer->kind->store;
    if (store == NULL || transfer->store != NULL) {
        return ECH_OK;
    }
    return store->open(&transfer->options, &transfer->store);
}

ech_status ech_transfer_create(ech_machine *machine, const ech_transfer_options *options,
                               ech_transfer **out)
{
    ech_comm *comm = ech_machine_comm(machine);
    ech_transfer *transfer = ech_calloc(1, sizeof *transfer);
    *out = NULL;
    ech_status status = ECH_ERR_MEMORY;
    if (transfer != NULL) {
        transfer->kind = &kinds[options->kind];
        transfer->options = *options;
        transfer->machine = machine;
        transfer->run = name_run();
        status = open_store(transfer);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK && transfer != NULL) {
        status = ech_comm_broadcast(comm, &transfer->run, sizeof transfer->run, 0);
    }
    if (status != ECH_OK) {
        ech_transfer_destroy(&transfer);
    }
    *out = transfer;
    return status;
}

static void close_store(ech_transfer *transfer)
{
    if (transfer->store != NULL) {
        transfer->kind->store->close(&transfer->store);
    }
}

void ech_transfer_destroy(ech_transfer **transfer)
{
    if (transfer == NULL || *transfer == NULL) {
        return;
    }
    close_store(*transfer);
    ech_free(*transfer);
    *transfer = NULL;
}

bool ech_transfer_copies_model(const ech_transfer *transfer)
{
    return transfer->kind->copies_model;
}

bool ech_transfer_stores(const ech_transfer *transfer)
{
    return transfer->kind->store != NULL;
}

/* ---- moving ---- */

typedef enum { PUT, GET, DROP } move_kind;

/* One half of a state: its values, or its counters. */
typedef struct {
    move_kind kind;
    ech_parcel parcel;
    char half;
    const void *source;
    void *destination;
    uint64_t bytes;
} move;

static ech_status attempt(ech_transfer *transfer, const move *what)
{
    char key[ECH_TRANSFER_KEY_BYTES];
    snprintf(key, sizeof key, "echelon:%016" PRIx64 ":%s:%" PRIu64 ":%c", transfer->run,
             what->parcel.kind == ECH_PARCEL_MODEL ? "model" : "update", what->parcel.number,
             what->half);
    ech_status status = open_store(transfer);
    if (status != ECH_OK) {
        return status;
    }
    const ech_transfer_store *store = transfer->kind->store;
    switch (what->kind) {
    case PUT:
        return store->put(transfer->store, key, what->source, what->bytes);
    case GET:
        return store->get(transfer->store, key, what->destination, what->bytes);
    case DROP:
        return store->drop(transfer->store, key, what->bytes);
    }
    return ECH_OK;
}

static ech_status give_up(const ech_transfer *transfer, const move *what, ech_status status)
{
    static const char *const verbs[] = {[PUT] = "put", [GET] = "get", [DROP] = "drop"};
    const bool model = what->parcel.kind == ECH_PARCEL_MODEL;
    char reason[REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", ech_status_message());
    return ech_fail(status,
                    "transfer %s, rank %d: cannot %s %s %" PRIu64 ", %" PRIu64
                    " bytes, in %u attempts: %s",
                    transfer->kind->store->name, ech_machine_rank(transfer->machine),
                    verbs[what->kind], model ? "the model of round" : "the update of worker",
                    what->parcel.number, what->bytes, transfer->options.retries + 1, reason);
}

/* A failure costs the connection: the next attempt makes another. */
static ech_status carry_out(ech_transfer *transfer, const move *what)
{
    uint64_t pause_ns = first_pause_ns;
    for (uint32_t left = transfer->options.retries;; left--) {
        const ech_status status = attempt(transfer, what);
        if (status == ECH_OK) {
            return ECH_OK;
        }
        close_store(transfer);
        if (left == 0) {
            return give_up(transfer, what, status);
        }
        ech_log(ECH_LOG_WARNING, "transfer %s: %s; attempts left: %u", transfer->kind->store->name,
                ech_status_message(), left);
        ech_clock_sleep_ns(pause_ns);
        pause_ns = 2 * pause_ns < longest_pause_ns ? 2 * pause_ns : longest_pause_ns;
    }
}

static ech_status move_state(ech_transfer *transfer, move_kind kind, ech_parcel parcel,
                             const ech_layout *layout, ech_state_view from, ech_state into)
{
    const move halves[] = {
        {kind, parcel, 'v', from.values, into.values, layout->value_count * sizeof(float)},
        {kind, parcel, 'c', from.counters, into.counters, layout->counter_count * sizeof(int64_t)},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < 2 && status == ECH_OK; i++) {
        status = halves[i].bytes > 0 ? carry_out(transfer, &halves[i]) : ECH_OK;
    }
    return status;
}

static uint64_t state_bytes(const ech_layout *layout)
{
    return layout->value_count * sizeof(float) + layout->counter_count * sizeof(int64_t);
}

ech_status ech_transfer_put(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout,
                            ech_state_view state, uint64_t *bytes)
{
    const ech_status status =
        move_state(transfer, PUT, parcel, layout, state, (ech_state){.values = NULL});
    *bytes += status == ECH_OK ? state_bytes(layout) : 0;
    return status;
}

ech_status ech_transfer_get(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout,
                            ech_state state, uint64_t *bytes)
{
    const ech_status status =
        move_state(transfer, GET, parcel, layout, (ech_state_view){.values = NULL}, state);
    *bytes += status == ECH_OK ? state_bytes(layout) : 0;
    return status;
}

ech_status ech_transfer_drop(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout)
{
    const ech_state_view nothing = {.values = NULL};
    const ech_state nowhere = {.values = NULL};
    return move_state(transfer, DROP, parcel, layout, nothing, nowhere);
}
