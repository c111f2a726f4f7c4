/**
 * @file trainer.h
 * How the federation trains and evaluates, and where it keeps things: two small interfaces that the
 * application fills in. The federation knows neither kernels nor files.
 *
 * Not collective: each call is made by one rank, for itself. A rank uses its trainer from one
 * thread.
 */
#ifndef ECH_FED_TRAINER_H
#define ECH_FED_TRAINER_H

#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"

typedef struct {
    uint64_t seed;
    uint64_t round;             /* 1 is the first */
    uint64_t worker;            /* leaf number in the topology, from 0 */
    uint32_t epochs;            /* 0: return the model as it came */
    double proximal;            /* FedProx's mu: adds mu (w - global) to each gradient; 0: none */
    const float *gradient_term; /* NULL, or value_count floats added to each gradient (FedDyn) */
    const float *correction;    /* NULL, or value_count floats d: each optimizer step ends with
                                   w -= lr * d (SCAFFOLD) */
    /* Called between batches so that a leader rank can serve messages; may be NULL. */
    void (*yield)(void *yield_user);
    void *yield_user;
} ech_train_request;

typedef struct {
    uint64_t samples;         /* n_k: the worker's own number of samples */
    uint64_t steps;           /* optimizer steps taken */
    double loss;              /* mean over the samples of the last epoch, while training */
    double accuracy;          /* share of correct samples of the last epoch, while training */
    double learning_rate_sum; /* over the steps (SCAFFOLD) */
    double gradient_weight; /* how much the gradients count in the update, in steps of the learning
                               rate: the steps of plain SGD, more with momentum (FedNova) */
} ech_train_result;

/* Sums over samples, so that parts may be added in any order with the same bits. */
typedef struct {
    uint64_t samples;
    uint64_t correct;
    int64_t loss_fixed; /* sum over samples of llrint(loss * 2^24), each clamped to +-2^38 */
} ech_evaluation;

typedef struct ech_trainer {
    void *self;
    /** The model's layout. Borrowed; lives as long as the trainer. */
    const ech_layout *(*layout)(void *self);
    /** Fill a state with the model's initial values, from the seed. */
    ech_status (*initialise)(void *self, uint64_t seed, ech_state state);
    /** Samples that a worker holds (0 where there is no data at all). */
    uint64_t (*sample_count)(void *self, uint64_t worker);
    /**
     * Train a worker from `global` and write its whole new state to `update` (not a difference).
     * The two never overlap. ECH_ERR_NUMERIC if the loss stops being finite, naming round, worker,
     * epoch and batch; `update` is undefined then.
     */
    ech_status (*train)(void *self, const ech_train_request *request, ech_state_view global,
                        ech_state update, ech_train_result *result);
    /** Number of test samples (0: nothing to evaluate on). */
    uint64_t (*test_count)(void *self);
    /** Evaluate `count` test samples from `first` on, in evaluation mode. */
    ech_status (*evaluate)(void *self, ech_state_view state, uint64_t first, uint64_t count,
                           ech_evaluation *result);
} ech_trainer;

#endif
