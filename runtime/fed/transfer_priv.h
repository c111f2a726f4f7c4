/**
 * @file transfer_priv.h
 * The inside of transfer.h: the table of stores.
 */
#ifndef ECH_FED_TRANSFER_PRIV_H
#define ECH_FED_TRANSFER_PRIV_H

#include "runtime/fed/transfer.h"

enum { ECH_TRANSFER_KEY_BYTES = 128 };

/** One way to keep values by name. Each call is one attempt. */
typedef struct {
    const char *name;
    /** Reach the store; also after a failure. */
    ech_status (*open)(const ech_transfer_options *options, void **store);
    void (*close)(void **store);
    ech_status (*put)(void *store, const char *key, const void *data, uint64_t bytes);
    /** A value of another size is ECH_ERR_FORMAT, none ECH_ERR_NOT_FOUND. */
    ech_status (*get)(void *store, const char *key, void *data, uint64_t bytes);
    /** One that is not there is fine. */
    ech_status (*drop)(void *store, const char *key, uint64_t bytes);
} ech_transfer_store;

extern const ech_transfer_store ech_transfer_redis;
extern const ech_transfer_store ech_transfer_file;

#endif
