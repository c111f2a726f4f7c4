/**
 * @file train.h
 * Local training and evaluation: what a worker does with its data between two models.
 *
 * A rank makes one learner for all its workers; a call trains one of them. All memory is laid out
 * at creation: training allocates nothing.
 *
 * Not collective. One thread uses a learner at a time; it runs `threads` OpenMP threads inside. A
 * result depends on the arguments, the instruction set and the engines alone: not on the number of
 * threads, and not on what the learner did before.
 */
#ifndef ECH_KERNELS_TRAIN_H
#define ECH_KERNELS_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/network.h"
#include "kernels/plan.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"

/** Labelled images, borrowed: they outlive each call that reads them. */
typedef struct {
    const uint8_t *images; /* [count][C][H][W] */
    const void *labels;    /* [count] unsigned integers of label_bytes (1, 2, 4 or 8) each */
    uint32_t label_bytes;
    uint64_t count;
} ech_samples;

/** A pixel p becomes (p / 255 - mean[c]) / std[c]. */
enum { ECH_CHANNELS_MAX = 16 };
typedef struct {
    float mean[ECH_CHANNELS_MAX]; /* a channel */
    float std[ECH_CHANNELS_MAX];  /* positive */
} ech_normalisation;

/** How training images are varied; all zero: not at all. */
typedef struct {
    uint32_t crop_pad; /* pad with zeros by this much, then crop at a random place */
    bool flip;         /* mirror left to right with probability 1/2 */
} ech_augmentation;

typedef enum { ECH_OPTIMIZER_SGD, ECH_OPTIMIZER_ADAM } ech_optimizer_kind;

/** PyTorch's rules and defaults. */
typedef struct {
    ech_optimizer_kind kind;
    double lr;
    double weight_decay; /* added to the gradient: w * weight_decay */
    double momentum;     /* SGD */
    bool nesterov;       /* SGD */
    double beta1, beta2; /* Adam: 0.9, 0.999 */
    double epsilon;      /* Adam: 1e-8 */
    double clip_norm;    /* scale the gradient down to this l2 norm; 0: never */
    double proximal;     /* FedProx's mu: adds mu (w - start) to the gradient; 0: none */
} ech_optimizer;

typedef enum { ECH_SCHEDULE_CONSTANT, ECH_SCHEDULE_STEP, ECH_SCHEDULE_COSINE } ech_schedule_kind;

/**
 * The learning rate as a factor of `lr`, by the run's position in rounds: those before this one,
 * and the share of this call's optimizer steps that are done. So it is the same for every worker,
 * whatever its number of samples, and goes on from round to round.
 *
 * First `warm_up` rounds in which it grows linearly to 1. Then STEP: times `factor` after each
 * `every` rounds; COSINE: half a cosine from 1 down to `end` at the end of round `rounds`, and
 * `end` from there on (Loshchilov and Hutter, SGDR, ICLR 2017, without restarts).
 */
typedef struct {
    ech_schedule_kind kind;
    double warm_up; /* rounds */
    double every;   /* STEP: rounds, above 0 */
    double factor;  /* STEP */
    double rounds;  /* COSINE: the warm-up's included, above it */
    double end;     /* COSINE */
} ech_schedule;

typedef struct {
    uint32_t epochs; /* 0: the model comes back as it went */
    uint32_t batch;  /* at most the learner's; the last batch of an epoch may be smaller */
    ech_optimizer optimizer;
    ech_schedule schedule;
    ech_augmentation augmentation;
} ech_training;

typedef struct {
    const ech_network *network; /* borrowed; outlives the learner */
    uint32_t batch;             /* the largest training batch */
    uint32_t threads;
    ech_engine_choice engine;
    ech_normalisation normalisation;
    bool time_steps; /* measure each step of the training plan (bench) */
} ech_learner_options;

typedef struct ech_learner ech_learner;

/** @return ECH_OK, or what ech_plan_create returns. */
ech_status ech_learner_create(const ech_learner_options *options, ech_learner **out);
void ech_learner_destroy(ech_learner **learner);

/**
 * Memory of a learner that trains with this optimizer, and evaluates or not: its plans and the
 * optimizer's vectors. Plans are made for it, nothing is run. @return ECH_OK, or what
 * ech_plan_create returns.
 */
ech_status ech_learner_memory_bytes(ech_learner *learner, const ech_optimizer *optimizer,
                                    bool evaluates, uint64_t *out);

/** The plan that trains: its engines and memory. Borrowed. */
const ech_plan *ech_learner_plan(const ech_learner *learner);

/** Begin the measurement of steps anew (time_steps). */
void ech_learner_reset_times(ech_learner *learner);

/** One worker's local training. Everything is borrowed during the call. */
typedef struct {
    uint64_t seed, round, worker; /* names of the streams, and for messages; round 1 is the first */
    const ech_samples *samples;
    const uint32_t *indices; /* the worker's samples; NULL: the first index_count */
    uint64_t index_count;
    /* NULL: all samples are in place. Otherwise `samples` and `indices` are not looked at: called
     * for each batch, with the numbers of its samples below index_count, it brings these, in their
     * order; its failure is the job's. */
    ech_status (*fetch)(void *fetch_user, const uint32_t *numbers, uint32_t count,
                        ech_samples *batch);
    void *fetch_user;
    const ech_training *training;
    ech_state_view start;
    const float *correction;         /* NULL, or value_count floats d: each optimizer step ends with
                                        w -= lr * d (SCAFFOLD's c - c_i) */
    const float *gradient_term;      /* NULL, or value_count floats added to each gradient, before
                                        momentum (FedDyn's linear term) */
    void (*yield)(void *yield_user); /* called between batches; NULL: not */
    void *yield_user;
} ech_training_job;

typedef struct {
    uint64_t samples;         /* index_count */
    uint64_t steps;           /* optimizer steps */
    double loss;              /* mean over the samples of the last epoch, while training */
    double accuracy;          /* of the same */
    double learning_rate_sum; /* over the steps: what SCAFFOLD divides by */
    double gradient_weight;   /* how much the gradients count in the update, in steps of `lr`: the
                                 steps of plain SGD, more with momentum: FedNova's ||a_i||_1. Adam:
                                 the steps */
} ech_training_result;

/**
 * Train from `job->start` and write the whole new state to `update`; the two may not overlap.
 * Optimizer state begins at zero in each call. The order of an epoch's samples comes from (seed,
 * ECH_RANDOM_SHUFFLE, round, worker, epoch), epochs from 0; dropout and augmentation from their
 * own.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (batch too large, no samples, an index or label out of range);
 *         ECH_ERR_NUMERIC if a batch's loss is not finite: the message names round, worker, epoch
 *         and batch; `update` is undefined then.
 */
ech_status ech_learner_train(ech_learner *learner, const ech_training_job *job, ech_state update,
                             ech_training_result *result);

/** Sums over samples: parts may be added in any order with the same bits. */
typedef struct {
    uint64_t samples;
    uint64_t correct;
    int64_t loss_fixed; /* sum over samples of llrint(loss * 2^24), each clamped to +-2^38 */
} ech_evaluation_sums;

/**
 * Evaluate samples [first, first + count) in evaluation mode.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (range or label out of bounds).
 */
ech_status ech_learner_evaluate(ech_learner *learner, ech_state_view state,
                                const ech_samples *samples, uint64_t first, uint64_t count,
                                ech_evaluation_sums *result);

#endif
