/**
 * @file task.h
 * Tasks, futures and executors: the part of Echelon that is worth using on its own.
 *
 * A program registers functions ("apps") by name, makes an executor, and runs a main function on
 * it. The main function submits tasks and gets futures; a future may be a dependency of another
 * task, and its value reaches that task. The same program gives the same results on each executor:
 * `serial` (one thread, one process), `threads` (one process), `mpi` (all ranks of a communicator).
 *
 *     ech_app_registry_create(&apps);
 *     ech_app_register(apps, &(ech_app){.name = "square", .run = square, ...}, &id);
 *     ech_executor_create(apps, &options, &executor);              (collective)
 *     status = ech_executor_run(executor, program, user);          (collective)
 *     ech_executor_destroy(&executor);                             (collective)
 *
 * `program` runs on rank 0 only; the other ranks serve tasks until it returns. While rank 0 waits
 * for a future it runs tasks too, unless its host has a dedicated leader.
 */
#ifndef ECH_TASK_TASK_H
#define ECH_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct ech_app_registry ech_app_registry;
typedef struct ech_executor ech_executor;
typedef struct ech_future ech_future;
typedef struct ech_task_context ech_task_context;
typedef uint32_t ech_app_id;

/**
 * What a task runs. `arguments` and `result` are valid during the call only. A function that needs
 * a dependency's value gets it with `ech_task_input`. Returning other than ECH_OK fails the task
 * with this thread's status message as its cause.
 */
typedef ech_status (*ech_app_function)(ech_task_context *context, const void *arguments,
                                       size_t arguments_bytes, void *result, size_t result_capacity,
                                       size_t *result_bytes);

typedef struct {
    const char *name; /* unique; the same set on every rank, or creation fails naming the app */
    ech_app_function run;
    void *user;                 /* this rank's own; handed out by ech_task_user */
    size_t arguments_bytes_max; /* bound; larger arguments are refused at submit */
    size_t result_bytes_max;
    uint32_t version; /* part of the memo key: change it when the function changes */
} ech_app;

ech_status ech_app_registry_create(ech_app_registry **out);
void ech_app_registry_destroy(ech_app_registry **registry);
/** Copies `app` and its name. ECH_ERR_ARGUMENT if the name is taken. */
ech_status ech_app_register(ech_app_registry *registry, const ech_app *app, ech_app_id *out);

typedef enum {
    ECH_AFFINITY_NONE,
    ECH_AFFINITY_RANK, /* this rank only (strict) */
    ECH_AFFINITY_HOST, /* a rank of this host; `strict`: never stolen by another host */
    ECH_AFFINITY_KEY,  /* the host that `key` hashes to, if it has room; may be stolen */
} ech_affinity_kind;

typedef struct {
    ech_affinity_kind affinity;
    uint64_t affinity_value; /* rank, host number or key */
    bool strict;
    int32_t priority;          /* larger runs first; 0 by default; -8 to 7 */
    uint32_t ranks;            /* 0 or 1: an ordinary task; more: a multi-rank task of that many */
    uint64_t walltime_ns;      /* 0: none */
    uint32_t attempts;         /* runs in all; 0 or 1: no retry */
    uint32_t retry_mask;       /* bit i: retry on status i; 0: on any failure */
    bool retry_elsewhere;      /* another rank than the one that failed, where there is one */
    bool memoize;              /* by (app name, version, hash of arguments) */
    ech_future *const *inputs; /* dependencies; borrowed during the submit only */
    uint32_t input_count;
} ech_task_options;

/** Submit one task. `options` may be NULL. The caller owns the future and releases it once.
 *  Blocks (running tasks) when the queue and the graph are full: back-pressure, not growth. */
ech_status ech_submit(ech_executor *executor, ech_app_id app, const void *arguments,
                      size_t arguments_bytes, const ech_task_options *options, ech_future **out);

/** Wait until done; the task's own status is returned, its message set. Runs tasks meanwhile. */
ech_status ech_future_wait(ech_future *future);
ech_status ech_future_wait_all(ech_future *const *futures,
                               size_t count); /* first failure, after all ended */
ech_status ech_future_wait_any(ech_future *const *futures, size_t count, size_t *which);
bool ech_future_poll(ech_future *future); /* done? also makes progress */
/** The value; borrowed, valid until the release. NULL if the task failed or is not done. */
const void *ech_future_value(const ech_future *future, size_t *bytes);
/** Cancel a task that no rank has claimed; true if it will not run. Its waiters see
 * ECH_ERR_CANCELLED. */
bool ech_future_cancel(ech_future *future);
/** Call `run` on the submitting rank when the future ends (also if it failed), from within a wait.
 */
ech_status ech_future_then(ech_future *future, void (*run)(ech_future *future, void *user),
                           void *user);
/** Give the future back and null the pointer; the task itself still runs. */
void ech_future_release(ech_future **future);

/* Inside a task. */
void *ech_task_user(const ech_task_context *context);
ech_executor *ech_task_executor(ech_task_context *context); /* to submit tasks from a task */
int ech_task_rank(const ech_task_context *context);
int ech_task_host(const ech_task_context *context);
uint64_t ech_task_id(const ech_task_context *context);
uint32_t ech_task_attempt(const ech_task_context *context); /* 0 first */
const void *ech_task_input(const ech_task_context *context, uint32_t which, size_t *bytes);
/** Serve messages for a moment: long tasks call this between batches. Cheap (a few loads). */
void ech_task_yield(ech_task_context *context);
/** Name what the task is doing, for the report of a crash ("train worker 17"). Copied, cut at 63
 * bytes. */
void ech_task_describe(ech_task_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
