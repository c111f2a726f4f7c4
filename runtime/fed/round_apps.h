/**
 * @file round_apps.h
 * The tasks of a federation's rounds: what a rank does when it is asked to.
 *
 * Each rank registers them with its own trainer and its host's replica; rank 0 submits. Arguments
 * and results are plain structs. Every result tells the time that its rank spent.
 */
#ifndef ECH_FED_ROUND_APPS_H
#define ECH_FED_ROUND_APPS_H

#include <stdint.h>

#include "runtime/fed/attack.h"
#include "runtime/fed/replica.h"
#include "runtime/fed/round.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/trainer.h"
#include "runtime/fed/transfer.h"
#include "runtime/fed/work.h"
#include "runtime/fed/worker_states.h"

enum { ECH_REASON_BYTES = 200, ECH_ROUND_APP_COUNT = 11 };

/** What a rank brings to its tasks; borrowed by the registered apps. */
typedef struct {
    const ech_trainer *trainer;
    const ech_strategy *const *strategies; /* that of each tier with a rule of its own */
    ech_attack_options attack;
    ech_replica *replica;
    ech_worker_states *states; /* NULL where workers keep nothing */
    ech_state update; /* this rank's own: where local training writes, and what travels with it */
    ech_transfer *transfer; /* NULL: all is shared */
    ech_state received;     /* this rank's own copy of the model, where the transfer makes copies */
    uint64_t received_version;
    ech_work_binding bindings[ECH_ROUND_APP_COUNT]; /* of the apps; made as they are registered */
} ech_round_rank;

enum { ECH_VERSION_NONE = -1 };

/** Fetch a model from another host's cell. For leader ranks. */
typedef struct {
    uint32_t from_host;
    uint32_t from_cell, into_cell;
} ech_fetch_arguments;

/** Put the model where every rank gets it from, in place of the version before it. For rank 0. */
typedef struct {
    uint64_t version;
} ech_publish_arguments;

/** Get a worker's update, and add it to a sum of the host. */
typedef struct {
    uint64_t worker;
    uint64_t weight;
    uint32_t slot;
    uint32_t leaf; /* of the sum, that the update is */
} ech_collect_arguments;

/** Empty a host's sum and start a round on it. For leader ranks. */
typedef struct {
    uint64_t weight_bound;
    uint32_t slot;
    uint32_t leaf_count;
} ech_open_arguments;

/** Train one worker from a model in a cell, and add its update to a sum of the host it runs on, or
 *  leave it in another cell there. */
typedef struct {
    uint64_t seed, round, worker;
    uint64_t weight;
    uint32_t epochs;
    uint32_t slot;       /* of the sum */
    uint32_t leaf;       /* of the sum, that the update is */
    uint32_t state_slot; /* of what the worker keeps, where it keeps something */
    uint32_t base_cell;  /* the model it trains from */
    uint32_t into_cell;  /* ECH_CELL_NONE: into the sum, or on its way there */
    uint32_t tier;       /* whose strategy it is trained by */
    uint32_t hostile;    /* 1: it sends what the attack says */
} ech_train_arguments;

/** Add one sum to another of the same host. For leader ranks. */
typedef struct {
    uint32_t from_slot, into_slot;
    uint32_t leaf; /* of the other, that this one is */
} ech_merge_arguments;

/** Move a sum to another host, or take it from there. Both run at the same time, on leader ranks.
 */
typedef struct {
    uint32_t slot;
    uint32_t other_host;
    uint32_t leaf; /* of the sum there, that this one is; ECH_LEAF_OWN: both have the same leaves */
} ech_move_arguments;

/** Compute a slice of the weighted mean of a sum. On rank 0's host. */
typedef struct {
    uint64_t first, count;
    uint32_t slot;
    uint32_t in_place; /* into the global model itself */
} ech_finish_arguments;

/** Put the weighted mean of a sum, values and counters, into a cell of its host. */
typedef struct {
    uint32_t slot;
    uint32_t cell;
} ech_mean_arguments;

/** Evaluate test samples on the model in a cell. */
typedef struct {
    uint64_t first, count;
    uint64_t version; /* of the model: the round that it came from */
    uint32_t cell;
} ech_evaluate_arguments;

typedef struct {
    ech_step_result step; /* wire_bytes: up, what adding the update moved */
    uint64_t model_bytes; /* down: the global model, copied into the trainer */
    ech_train_result train;
    uint64_t start_ns, end_ns; /* wall clock */
    int32_t rank, host;
    uint32_t refused; /* 1: the update was not finite; `reason` says where */
    char reason[ECH_REASON_BYTES];
} ech_train_outcome;

typedef struct {
    ech_step_result step;
    ech_evaluation sums;
} ech_evaluate_outcome;

typedef struct {
    ech_app_id fetch, open, publish, train, collect, merge, send, receive, finish, mean, evaluate;
} ech_round_apps;

/** Register all of them. `rank` outlives the registry's executors. */
ech_status ech_round_apps_register(ech_app_registry *registry, ech_round_rank *rank,
                                   ech_round_apps *out);

#endif
