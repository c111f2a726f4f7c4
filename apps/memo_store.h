/**
 * @file memo_store.h
 * An `ech_store` (runtime/task/store.h) that keeps memoized results in an HDF5 file: a program that
 * is started again skips what it has done, also after a crash in the middle.
 *
 *     ech_memo_store_create("results.h5", &memo);
 *     options.store = ech_memo_store_interface(memo);      for the executor
 *
 * Not collective. Every rank may create one; only rank 0's is ever opened. It starts the I/O
 * service (io/service.h) while it is open, so the process has no other.
 */
#ifndef ECH_APPS_MEMO_STORE_H
#define ECH_APPS_MEMO_STORE_H

#include "runtime/base/status.h"
#include "runtime/task/store.h"

/** Opaque. */
typedef struct ech_memo_store ech_memo_store;

/** Opens nothing yet. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_memo_store_create(const char *path, ech_memo_store **out);

/** After the executor that uses it. Accepts NULL. */
void ech_memo_store_destroy(ech_memo_store **store);

/** Borrowed, as long as the store lives. */
const ech_store *ech_memo_store_interface(const ech_memo_store *store);

#endif
