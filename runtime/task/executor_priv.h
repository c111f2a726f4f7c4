/**
 * @file executor_priv.h
 * What all executors share: one rank's state, and the table of functions in which they differ.
 */
#ifndef ECH_TASK_EXECUTOR_PRIV_H
#define ECH_TASK_EXECUTOR_PRIV_H

#include "runtime/task/app_priv.h"
#include "runtime/task/future/graph.h"
#include "runtime/task/future/memo.h"
#include "runtime/task/recorder.h"
#include "runtime/task/run.h"
#include "runtime/task/task.h"
#include "runtime/task/watch.h"

typedef struct {
    const char *name;
    bool has_black_box; /* one rank a process: a crash can be told by its task */
    /** Fill in `backend`, `rank`, `ranks`, `host` and `hosts`. */
    ech_status (*create)(ech_executor *executor);
    void (*destroy)(ech_executor *executor);
    ech_status (*run)(ech_executor *executor, ech_program program, void *user);
    /** A node became ready: pass on what can be passed on. Runs nothing. */
    void (*release)(ech_executor *executor);
    /** Take in what has ended, and run at most a few tasks deeper than the current one if `run`;
     *  false if there was nothing to do. */
    bool (*step)(ech_executor *executor, bool run);
    /** Nothing to do: return when that may have changed. */
    void (*idle)(ech_executor *executor);
    /** Take a released node back if nobody has claimed it; its cell comes back later. */
    bool (*withdraw)(ech_executor *executor, ech_future *node);
    /** A wait is over: take back what was offered while it lasted. */
    void (*retract)(ech_executor *executor);
    /** Serve messages from within a task. */
    void (*yield)(ech_executor *executor);
    /** Largest payload and result that a task may have together, in bytes. */
    size_t (*bytes_max)(const ech_executor *executor);
    /** ECH_ERR_LIMIT if there will never be so many ranks for one task. */
    ech_status (*check_team)(const ech_executor *executor, uint32_t ranks);
} ech_executor_variant;

extern const ech_executor_variant ech_executor_serial;
extern const ech_executor_variant ech_executor_threads;
extern const ech_executor_variant ech_executor_mpi;

struct ech_executor {
    const ech_executor_variant *variant;
    void *backend;
    const ech_app_registry *apps;
    ech_executor_options options; /* defaults filled in */
    int rank;
    int ranks;
    int host;
    int hosts;
    uint64_t submitted; /* tasks of this rank so far: their numbers */
    ech_graph graph;
    ech_recorder recorder;
    ech_memo memo;
    ech_watch watch;
    ech_task_context *current;    /* the innermost task that this rank runs; NULL in the program */
    uint32_t open_children;       /* of the program */
    const ech_future *continuing; /* whose continuation runs; NULL: none */
    ech_service service;
};

/** What is common to all ranks' executors; the variant then fills in its part. */
ech_status ech_executor_init(ech_executor *executor, const ech_app_registry *apps,
                             const ech_executor_options *options);
void ech_executor_clear(ech_executor *executor);

/** Depth of the task that this rank runs: 0 in the program. */
static inline uint32_t ech_executor_depth(const ech_executor *executor)
{
    return executor->current == NULL ? 0 : executor->current->call->depth;
}

/** Run the program, then wait for every task that it submitted. For the variants' `run`. */
ech_status ech_executor_run_program(ech_executor *executor, ech_program program, void *user);

/** Wait until `*count` is 0, running tasks. */
void ech_executor_wait_zero(ech_executor *executor, const uint32_t *count);

/** A released or running node's attempt is over: record it, retry it or end it. */
void ech_executor_deliver(ech_executor *executor, ech_future *node, const ech_outcome *outcome);

/** All inputs of the node have ended: fail it, answer it from the memo, or make it ready. */
void ech_executor_resolve(ech_executor *executor, ech_future *node);

/** Tell dependents and continuations of all nodes that have ended. */
void ech_executor_settle(ech_executor *executor);

/** End a node that does not run. */
void ech_executor_end_unrun(ech_executor *executor, ech_future *node, ech_status status,
                            uint8_t record_flags, const void *value, size_t value_bytes,
                            ech_cause *cause);

/** The call that runs this node; payload and result are left to the caller. */
ech_call ech_executor_call_of(const ech_future *node);

/** Run a node that this rank submitted right here, without a pool. */
void ech_executor_run_here(ech_executor *executor, ech_future *node);

#endif
