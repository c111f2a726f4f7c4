/**
 * @file transfer.h
 * How the global model gets to the ranks that train, and how updates get to where they are added:
 * several ways behind one table, with the same bits.
 *
 * | name | the model | an update |
 * | --- | --- | --- |
 * | shared | read in place in the host's one copy | added by its rank to the host's sum |
 * | rma | the host's copy, copied by each rank into memory of its own | as above |
 * | redis, file | put once, got by each rank | put by its rank, got by the rank that adds it |
 *
 * Between hosts, `shared` and `rma` move the model by one-sided MPI, and sums always go by streams
 * between leader ranks. What is put has a name in a run's own space, and is dropped when it has
 * been used. A put or get that fails is tried again, with pauses that double, and then is its
 * task's failure: it names what, whose, how many bytes, and where.
 *
 * Values may be of any size; they travel in pieces. Calls are one rank's own unless said otherwise.
 */
#ifndef ECH_FED_TRANSFER_H
#define ECH_FED_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

enum { ECH_TRANSFER_RETRIES_MAX = 100 };

/** In the order of `transfer`'s choices. */
typedef enum {
    ECH_TRANSFER_SHARED,
    ECH_TRANSFER_RMA,
    ECH_TRANSFER_REDIS,
    ECH_TRANSFER_FILE,
    ECH_TRANSFER_KIND_COUNT
} ech_transfer_name;

/** Texts are borrowed for as long as the transfer lives. */
typedef struct {
    ech_transfer_name kind;
    uint32_t retries;              /* of one put or get */
    const char *redis_address;     /* as redis_address.h reads it */
    const char *redis_password;    /* NULL: none */
    const char *redis_authorities; /* of TLS, as in redis_link.h; NULL: the system's */
    const char *redis_certificate; /* NULL: none */
    const char *redis_key;         /* with the certificate */
    const char *folder;            /* of `file`: every host sees it */
} ech_transfer_options;

typedef struct ech_transfer ech_transfer;

/** Collective. @return the same on every rank: ECH_OK; ECH_ERR_UNSUPPORTED (built without its
 *  library); ECH_ERR_FILE, ECH_ERR_SYSTEM (cannot be reached, from the lowest rank that cannot). */
ech_status ech_transfer_create(ech_machine *machine, const ech_transfer_options *options,
                               ech_transfer **out);
/** Collective. What is still there of the run is removed. */
void ech_transfer_destroy(ech_transfer **transfer);

/** Does each rank train from a copy of its own? */
bool ech_transfer_copies_model(const ech_transfer *transfer);
/** Do the model and the updates pass through a store, by put and get? */
bool ech_transfer_stores(const ech_transfer *transfer);

typedef enum { ECH_PARCEL_MODEL, ECH_PARCEL_UPDATE } ech_parcel_kind;

/** What is moved: the model after a round, or a worker's update. */
typedef struct {
    ech_parcel_kind kind;
    uint64_t number; /* round, or worker */
} ech_parcel;

/* For transfers that store. @param[in,out] bytes  grows by what went through the calls.
 * @return ECH_OK; ECH_ERR_FILE, ECH_ERR_SYSTEM, ECH_ERR_FORMAT (not as many bytes as put), after
 * the last attempt. */
ech_status ech_transfer_put(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout,
                            ech_state_view state, uint64_t *bytes);
ech_status ech_transfer_get(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout,
                            ech_state state, uint64_t *bytes);
ech_status ech_transfer_drop(ech_transfer *transfer, ech_parcel parcel, const ech_layout *layout);

#endif
