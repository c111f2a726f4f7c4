/**
 * @file process.h
 * What the synchronous and the asynchronous process share: a rank's part (replica, tasks), and on
 * rank 0 the broadcast of the model, its evaluation, and what the observer is told of a round.
 *
 * Private to the processes, which read and write the struct's fields.
 */
#ifndef ECH_FED_PROCESS_H
#define ECH_FED_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/flight.h"
#include "runtime/fed/replica.h"
#include "runtime/fed/round.h"
#include "runtime/fed/round_apps.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/trainer.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

typedef struct {
    const ech_trainer *trainer;
    const ech_strategy *strategy;          /* the leader's */
    const ech_strategy *const *strategies; /* of each tier; borrowed; NULL: only the leader's */
    ech_attack_options attack;
    const ech_topology *topology; /* rank 0's */
    ech_sum_options sums;         /* the same everywhere */
    uint32_t slot_count;          /* sums of a host; the same everywhere */
    uint32_t cell_count;          /* models of a host; the same everywhere */
    uint32_t reserve_count;       /* more of them, backed with memory when first used */
    ech_transfer *transfer;       /* this rank's, borrowed; NULL: all is shared */
    uint64_t rounds;
    uint64_t evaluate_every; /* 0: never; else also after the last round */
} ech_process_options;

typedef struct {
    ech_process_options options;
    ech_machine *machine;
    const ech_layout *layout; /* of what is summed: the model, and what travels beside it */
    ech_replica *replica;
    ech_round_rank rank; /* what this rank's tasks work on */
    ech_round_apps apps;
    ech_round_observer observer;

    /* rank 0, while it runs */
    ech_executor *executor;
    ech_flight *flight;
    ech_future **fetching; /* of each host, while in flight */
    ech_tier_bytes *tiers;
    uint32_t tier_count;
    ech_round_report report; /* of the round that runs */
    bool is_virtual;         /* the process itself sets the report's start_ns and clock_seconds */
    uint64_t round_start_ns; /* monotonic */
    ech_evaluation evaluation;
} ech_process;

/** Zeroed memory of a process's own on every rank, or on none. Collective; free it. */
ech_status ech_process_allocate(ech_machine *machine, size_t bytes, void **out);

/** Collective. @return the same status on every rank. */
ech_status ech_process_create(ech_machine *machine, const ech_process_options *options,
                              ech_process **out);
/** Collective. */
void ech_process_destroy(ech_process **handle);

ech_status ech_process_register(ech_process *process, ech_app_registry *registry);

/* The rest is for the program, on rank 0. */

/** Make what a run needs; `ech_process_end` frees it, also after a failure. */
ech_status ech_process_begin(ech_process *process, ech_executor *executor);
void ech_process_end(ech_process *process);

/** An empty report of a round that starts now. */
void ech_process_begin_round(ech_process *process, uint64_t round);

/** Add a task's time to the report. */
void ech_process_add_step(ech_process *process, const ech_step_result *step);

/** Bring the model (cell 0) to every host, along a binomial tree. */
ech_status ech_process_broadcast(ech_process *process);

/** Is the model after this round to be evaluated? */
bool ech_process_evaluates(const ech_process *process, uint64_t round);

/** Where a model lies on a host, and the task that brings it there; NULL: it is there. */
typedef struct {
    uint32_t cell;
    ech_future *fetching; /* borrowed */
} ech_host_cell;

/**
 * Evaluate a model on all ranks, into the report. Without test samples nothing.
 *
 * @param copies  of each host; NULL: it is cell 0 of every host, and there.
 */
ech_status ech_process_evaluate(ech_process *process, const ech_host_cell *copies);

/** The round has ended: tell the observer. */
ech_status ech_process_end_round(ech_process *process, ech_state_view model);

/** Does the observer ask to stop? */
bool ech_process_must_stop(const ech_process *process);

/** Between two rounds. @return ECH_OK; ECH_ERR_INTERRUPTED if the observer asks to stop. */
ech_status ech_process_go_on(const ech_process *process, uint64_t rounds_done);

#endif
