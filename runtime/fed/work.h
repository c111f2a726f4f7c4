/**
 * @file work.h
 * What the tasks of a federation have in common: plain structs as arguments and results, and the
 * time that a rank spends on them.
 *
 * A function that does a task's work sees a zeroed result to fill in; its time is added to its
 * phase for it. Not collective.
 */
#ifndef ECH_FED_WORK_H
#define ECH_FED_WORK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/fed/round.h"
#include "runtime/task/task.h"

/** The start of every result, and all of most. */
typedef struct {
    uint64_t phase_ns[ECH_PHASE_COUNT];
    uint64_t wire_bytes;
} ech_step_result;

/** A task that is being done. */
typedef struct {
    ech_task_context *context;
    void *rank; /* what the rank brings */
    const void *arguments;
    size_t arguments_bytes;
    void *result;        /* zeroed; begins with an ech_step_result */
    size_t result_bytes; /* the most that the app declared; the function may give fewer */
} ech_work;

typedef ech_status (*ech_work_function)(ech_work *work);

/** An app; the sizes are the largest. */
typedef struct {
    const char *name;
    ech_work_function run;
    ech_phase phase; /* of all its time; ECH_PHASE_COUNT: it tells by itself */
    size_t arguments_bytes, result_bytes;
    ech_app_id *id; /* filled in */
} ech_work_app;

/** How a registered app finds its function and what the rank brings. */
typedef struct {
    ech_work_function run;
    ech_phase phase;
    size_t result_bytes;
    void *rank;
} ech_work_binding;

/**
 * Register apps.
 *
 * @param bindings  room for as many; filled in; outlives the registry's executors, as `rank` does.
 */
ech_status ech_work_register(ech_app_registry *registry, const ech_work_app *apps, size_t count,
                             void *rank, ech_work_binding *bindings);

/** Adds the time from its start to its stop to one phase of a result. */
typedef struct {
    uint64_t *sum_ns;
    uint64_t start_ns;
} ech_work_watch;

ech_work_watch ech_work_start_phase(ech_step_result *step, ech_phase phase);
void ech_work_stop_phase(ech_work_watch watch);

#endif
