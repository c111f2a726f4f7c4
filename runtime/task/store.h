/**
 * @file store.h
 * Where memoized results are kept from one run of a program to the next: a small interface that the
 * application fills in. The task layer knows no files.
 *
 * Not collective: called on rank 0 only, between the creation of the executor and its destruction:
 * `load` first, `close` last. apps/memo_store.h is one that keeps them in an HDF5 file.
 */
#ifndef ECH_TASK_STORE_H
#define ECH_TASK_STORE_H

#include <stddef.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"

/** Receives one kept result during `load`; `value` is valid during the call. */
typedef ech_status (*ech_store_visit)(void *visitor, ech_hash128 key, const void *value,
                                      size_t value_bytes);

typedef struct {
    void *self;
    /** Open the store, hand every kept result to `visit`, once, and stop at its first failure. */
    ech_status (*load)(void *self, ech_store_visit visit, void *visitor);
    /** Keep one result. What was put stays intact however the process ends afterwards; what was
     *  put since the last `flush` may be missing then. */
    ech_status (*put)(void *self, ech_hash128 key, const void *value, size_t value_bytes);
    /** Make everything put so far durable. */
    ech_status (*flush)(void *self);
    /** Close it; `load` may come again. Called also after a failed load. */
    void (*close)(void *self);
} ech_store;

#endif
