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
 * or, from `main`, the last three in one: ech_executor_main. apps/examples has whole programs.
 *
 * `program` runs on rank 0 only; the other ranks serve tasks until it returns. While rank 0 waits
 * for a future it runs tasks too, unless its host has a dedicated leader. A rank of the threads
 * executor is a thread.
 *
 * Futures belong to the rank that submitted: only that rank may use them, and a task's futures end
 * with it. A task ends after the tasks that it submitted. A task that waits runs deeper tasks only
 * (those submitted by tasks), so that waits of different ranks never close a circle.
 */
#ifndef ECH_TASK_TASK_H
#define ECH_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/task/record.h"
#include "runtime/task/store.h"

typedef struct ech_app_registry ech_app_registry;
typedef struct ech_executor ech_executor;
typedef struct ech_future ech_future;
typedef struct ech_task_context ech_task_context;
typedef uint32_t ech_app_id;

/**
 * What a task runs. `arguments` and `result` are valid during the call only, aligned to 16 bytes.
 * A function that needs a dependency's value gets it with `ech_task_input`. Returning other than
 * ECH_OK fails the task with this thread's status message as its cause. A function that sets no
 * `result_bytes` returns an empty value.
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

enum { ECH_APP_NAME_BYTES = 64, ECH_APPS_MAX = 65535 };

ech_status ech_app_registry_create(ech_app_registry **out);
/** Destroy the executors that use it first. */
void ech_app_registry_destroy(ech_app_registry **registry);
/** Copies `app` and its name. ECH_ERR_ARGUMENT if the name is taken, empty or too long. */
ech_status ech_app_register(ech_app_registry *registry, const ech_app *app, ech_app_id *out);
/** ECH_ERR_NOT_FOUND if no app has this name. */
ech_status ech_app_find(const ech_app_registry *registry, const char *name, ech_app_id *out);
/** Borrowed; "" if there is no such app. */
const char *ech_app_name(const ech_app_registry *registry, ech_app_id app);

typedef enum { ECH_EXECUTOR_SERIAL, ECH_EXECUTOR_THREADS, ECH_EXECUTOR_MPI } ech_executor_kind;

/** "serial", "threads" or "mpi"; ECH_ERR_ARGUMENT otherwise. */
ech_status ech_executor_kind_parse(const char *text, ech_executor_kind *out);

struct ech_machine;

/** Zero-initialise: every field has a default. */
typedef struct {
    ech_executor_kind kind;
    struct ech_machine *machine; /* mpi: the ranks; borrowed until the destroy */
    uint32_t ranks;              /* threads: how many; 0: one for each processor it may use */
    bool dedicated;              /* threads: rank 0 runs no tasks but those bound to it (mpi: as the
                                    machine's leader mode says) */
    uint32_t pending_max;  /* tasks not ended, a rank and depth; 0: 2^20. More: submit waits */
    uint32_t released_max; /* of them in the pool at one time; 0: 4096 */
    uint64_t arena_bytes;  /* a rank's space for large arguments and results; 0: 64 MiB */
    uint32_t poll_us;      /* an idle rank polls so long before it sleeps; 0: chosen */
    const ech_task_record_sink *sink; /* rank 0; borrowed; NULL: records are dropped */
    const char *spill_folder;         /* where records wait, in files without a name, that rank 0 is
                                         too busy to take; borrowed; where there is no such folder,
                                         and for NULL: $TMPDIR, or /tmp */
    const ech_store *store;           /* rank 0; borrowed; NULL: the memo is not kept */
} ech_executor_options;

/**
 * Make an executor. Collective over the machine's ranks for `mpi`, where all ranks agree on
 * failure.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (options; apps that differ between ranks, by name);
 *         ECH_ERR_MEMORY; ECH_ERR_MPI; ECH_ERR_SYSTEM.
 */
ech_status ech_executor_create(const ech_app_registry *apps, const ech_executor_options *options,
                               ech_executor **out);
/** Collective for `mpi`. Accepts NULL. */
void ech_executor_destroy(ech_executor **executor);

typedef ech_status (*ech_program)(ech_executor *executor, void *user);

/**
 * Run `program` on rank 0 and serve tasks elsewhere until it and all tasks have ended. Collective;
 * may be called again. Every rank returns the program's status.
 */
ech_status ech_executor_run(ech_executor *executor, ech_program program, void *user);

/**
 * All of it at once, for `return ech_executor_main(...)` in a program's main: make the executor,
 * run the program, destroy the executor. For `mpi` without a machine it also starts and ends MPI,
 * each rank under a guard that says which task a rank was running when it died; call it before
 * making threads then. A failure is told once, on standard error.
 *
 * @return the exit code of the process: 0; 2 for bad input, 1 for other failures.
 */
int ech_executor_main(const ech_app_registry *apps, const ech_executor_options *options,
                      ech_program program, void *user);

/** What rank 0 looks after beside its tasks, such as a connection: called while it waits, between
 * tasks and from `ech_task_yield`, at least every `every_ns` while it has nothing to do. It must
 * neither wait nor submit. */
typedef struct {
    bool (*call)(void *user); /* true: something had happened; NULL: nothing to look after */
    void *user;
    uint64_t every_ns;
} ech_service;

/** Rank 0's, from within the program; the one before is replaced. `threads` and `mpi` only. */
void ech_executor_look_after(ech_executor *executor, ech_service service);

int ech_executor_rank(const ech_executor *executor);
int ech_executor_rank_count(const ech_executor *executor);
int ech_executor_host(const ech_executor *executor);
int ech_executor_host_count(const ech_executor *executor);
/** Memory held for tasks that have not ended or whose futures are kept, on this rank. */
size_t ech_executor_graph_bytes(const ech_executor *executor);

typedef enum {
    ECH_AFFINITY_NONE,
    ECH_AFFINITY_RANK, /* this rank only (strict) */
    ECH_AFFINITY_HOST, /* a rank of this host; `strict`: never stolen by another host */
    ECH_AFFINITY_KEY,  /* a rank of the host that `key` falls to; `strict`: as above */
} ech_affinity_kind;

enum { ECH_PRIORITY_MIN = -8, ECH_PRIORITY_MAX = 7, ECH_ATTEMPTS_MAX = 100 };

typedef struct {
    ech_affinity_kind affinity;
    uint64_t affinity_value; /* rank, host number or key */
    bool strict;
    int32_t priority;          /* larger runs first; 0 by default; -8 to 7 */
    uint32_t ranks;            /* 0 or 1: an ordinary task; more: a multi-rank task of that many */
    uint64_t walltime_ns;      /* 0: none; a task past it is reported and its record marked */
    uint32_t attempts;         /* runs in all; 0 or 1: no retry */
    uint32_t retry_mask;       /* bit i: retry on status i; 0: on any failure */
    bool retry_elsewhere;      /* another rank than the one that failed, where there is one */
    bool memoize;              /* by (app name, version, hash of arguments and inputs) */
    ech_future *const *inputs; /* dependencies; borrowed during the submit only */
    uint32_t input_count;
} ech_task_options;

/**
 * Submit one task. The caller owns the future and releases it once; `out` may be NULL, which
 * releases it at once. Waits (running tasks) while `pending_max` tasks of this depth have not
 * ended: back-pressure, not growth.
 *
 * @param options  NULL for the defaults.
 * @return ECH_OK; ECH_ERR_ARGUMENT (app, bytes, options, a rank or host that does not exist);
 *         ECH_ERR_LIMIT (more ranks than there are, bytes that no arena holds, a multi-rank task
 *         within a multi-rank task); ECH_ERR_MEMORY.
 */
ech_status ech_submit(ech_executor *executor, ech_app_id app, const void *arguments,
                      size_t arguments_bytes, const ech_task_options *options, ech_future **out);

/**
 * Submit a command line for /bin/sh, run in a process of its own. The future's value is an
 * `ech_shell_result`. Fails with ECH_ERR_TASK if the exit code is not 0, and with ECH_ERR_TIMEOUT
 * if it outlives its walltime: the command's process group is then ended.
 */
typedef struct {
    const char *command;
    const char *output;    /* file for standard output; NULL: discarded */
    const char *error;     /* file for standard error; NULL: where `output` goes */
    const char *directory; /* where to run; NULL: here. File names are relative to it */
} ech_shell;

typedef struct {
    int32_t exit_code; /* 128 + number if a signal ended it */
} ech_shell_result;

ech_status ech_submit_shell(ech_executor *executor, const ech_shell *shell,
                            const ech_task_options *options, ech_future **out);

/** Wait until done; the task's own status is returned, its message set. Runs tasks meanwhile. */
ech_status ech_future_wait(ech_future *future);
/** Wait for all; the first failure in the order of the array. */
ech_status ech_future_wait_all(ech_future *const *futures, size_t count);
/** Wait until one is done and return its status. `count` at least 1. */
ech_status ech_future_wait_any(ech_future *const *futures, size_t count, size_t *which);
bool ech_future_poll(ech_future *future); /* done? also makes progress, without running tasks */
/** The task's status once it is done; ECH_OK before. Sets no message. */
ech_status ech_future_status(const ech_future *future);
/** The value; borrowed, valid until the release. NULL if the task failed or is not done. `bytes`
 * may be NULL. */
const void *ech_future_value(const ech_future *future, size_t *bytes);
/** Cancel a task that no rank has claimed; true if it will not run. Its waiters see
 * ECH_ERR_CANCELLED. */
bool ech_future_cancel(ech_future *future);
/**
 * Call `run` on the submitting rank when the future ends (also if it failed), from within a call
 * that waits; at once if it has ended. `run` may release `future` and may submit (as a sibling of
 * the task that ended, and without back-pressure); it must not wait: a wait for a task that has not
 * ended returns ECH_ERR_UNSUPPORTED there.
 */
ech_status ech_future_then(ech_future *future, void (*run)(ech_future *future, void *user),
                           void *user);
/** Give the future back and null the pointer; the task itself still runs. Accepts NULL. */
void ech_future_release(ech_future **future);
/** The number that records and messages name it by. */
uint64_t ech_future_task_id(const ech_future *future);

/* Inside a task. */
void *ech_task_user(const ech_task_context *context);
ech_executor *ech_task_executor(ech_task_context *context); /* to submit tasks from a task */
int ech_task_rank(const ech_task_context *context);
int ech_task_host(const ech_task_context *context);
uint64_t ech_task_id(const ech_task_context *context);
uint32_t ech_task_attempt(const ech_task_context *context); /* 0 first */
uint32_t ech_task_input_count(const ech_task_context *context);
/** The value of the input of this number, aligned to 16 bytes; NULL if there is no such input.
 *  `bytes` may be NULL. */
const void *ech_task_input(const ech_task_context *context, uint32_t which, size_t *bytes);
/** Serve messages for a moment: long tasks call this between batches. Cheap (a few loads). */
void ech_task_yield(ech_task_context *context);
/** Number of this rank within a multi-rank task, and how many take part; 0 and 1 otherwise. Each
 *  runs the function; the task's value is that of member 0, its failure that of the lowest one. */
uint32_t ech_task_member(const ech_task_context *context);
uint32_t ech_task_member_count(const ech_task_context *context);
/**
 * Give `bytes` to all members of a multi-rank task and get theirs, by member; waits for all. On
 * every executor; for more than that see ech_task_communicator in task_mpi.h.
 *
 * @param[out] all  member_count * bytes.
 * @return ECH_OK; ECH_ERR_TASK if a member has ended without coming here; ECH_ERR_MPI.
 */
ech_status ech_task_exchange(ech_task_context *context, const void *mine, size_t bytes, void *all);
/** Name what the task is doing, for the report of a crash ("train worker 17"). Copied, cut at 63
 * bytes. */
void ech_task_describe(ech_task_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
