/**
 * @file app_priv.h
 * The registry's content, for the executors and the tests of this layer.
 */
#ifndef ECH_TASK_APP_PRIV_H
#define ECH_TASK_APP_PRIV_H

#include "runtime/base/hash.h"
#include "runtime/task/task.h"

struct ech_app_registry {
    ech_app *apps; /* names are owned */
    size_t count;
    size_t capacity;
};

/** What must agree between ranks for each app: name, version and bounds, as one hash. */
ech_hash128 ech_app_fingerprint(const ech_app *app);

#endif
