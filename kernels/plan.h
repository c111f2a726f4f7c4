/**
 * @file plan.h
 * A network made ready to run: steps with their engines, and all memory laid out once.
 *
 * A plan holds its own copy of the parameters, in the engines' order; `ech_plan_load_state` and
 * `ech_plan_store_state` move a state in and out. Running a plan allocates nothing.
 *
 * Not collective. One thread uses a plan at a time; the plan uses `threads` OpenMP threads inside.
 */
#ifndef ECH_KERNELS_PLAN_H
#define ECH_KERNELS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/network.h"

/** AUTO chooses for each layer by shape and CPU; any other is taken for every layer or refused. */
typedef enum {
    ECH_ENGINE_AUTO,
    ECH_ENGINE_LANES,     /* batch in the SIMD lanes: small networks */
    ECH_ENGINE_BLOCKED,   /* channels in blocks, libxsmm: large networks */
    ECH_ENGINE_BLAS,      /* im2col and OpenBLAS */
    ECH_ENGINE_REFERENCE, /* plain loops: the oracle */
    ECH_ENGINE_CHOICE_COUNT
} ech_engine_choice;

/** DOUBLE runs on the reference engine alone. */
typedef enum { ECH_PRECISION_FLOAT, ECH_PRECISION_DOUBLE } ech_precision;

typedef struct {
    uint32_t batch;   /* the largest batch; smaller ones run too */
    uint32_t threads; /* 0 means 1 */
    ech_engine_choice engine;
    ech_precision precision;
    bool training;    /* else forward only, with less memory */
    bool keep_values; /* each value and gradient stays readable after a pass (verification) */
    bool time_steps;  /* measure each step (bench) */
} ech_plan_options;

typedef struct ech_plan ech_plan;

/** "auto", "lanes", "blocked", "blas", "reference". */
const char *ech_engine_choice_name(ech_engine_choice choice);
/** The choice of this name, or ECH_ENGINE_CHOICE_COUNT. */
ech_engine_choice ech_engine_choice_find(const char *name);

/**
 * @param network  borrowed; outlives the plan.
 * @return ECH_OK; ECH_ERR_ARGUMENT; ECH_ERR_UNSUPPORTED (the engine asked for cannot run a layer:
 *         the message names it; or is not built in); ECH_ERR_CONFIG (see ech_cpu_isa);
 *         ECH_ERR_MEMORY.
 */
ech_status ech_plan_create(const ech_network *network, const ech_plan_options *options,
                           ech_plan **out);
void ech_plan_destroy(ech_plan **plan);

ech_isa ech_plan_isa(const ech_plan *plan);
/** Bytes that the plan holds: parameters, gradients, values, scratch. */
uint64_t ech_plan_memory_bytes(const ech_plan *plan);
/** Whether every step gives the same bits on each CPU with fused multiply-add (lanes, reference).
 */
bool ech_plan_is_portable(const ech_plan *plan);

/** Copy a state in (float32, layout order) and out. */
void ech_plan_load_state(ech_plan *plan, ech_state_view state);
void ech_plan_store_state(const ech_plan *plan, ech_state state);

/** Copy one batch in, plain [batch, C, H, W], 1 <= batch <= options.batch. */
void ech_plan_set_input(ech_plan *plan, const float *input, uint32_t batch);

/** Where dropout gets its bits: (seed, round, worker, epoch) as in random.h, and the batch's number
 *  in the epoch. */
typedef struct {
    uint64_t seed, round, worker, epoch, batch;
} ech_batch_key;

/** Run all steps forward on the batch last set. `training`: batch statistics, dropout. `key` is
 *  needed for training a network with dropout only; else NULL. */
void ech_plan_forward(ech_plan *plan, bool training, const ech_batch_key *key);

/** The last forward pass's result: plain [batch, classes]; borrowed until the next
 *  forward pass. Elements
 *  are float, or double in ECH_PRECISION_DOUBLE. */
const void *ech_plan_logits(const ech_plan *plan);

/** Where to write d loss / d logits, plain [batch, classes], before `ech_plan_backward`. */
void *ech_plan_logits_gradient(ech_plan *plan);

/** Run all steps backward after a training-mode forward: fills the gradients of all parameters. */
void ech_plan_backward(ech_plan *plan);

/**
 * The parameters as optimizers see them: one array in the engines' order, padding included (zero,
 * with zero gradients). Elements are float, or double in ECH_PRECISION_DOUBLE.
 */
typedef struct {
    void *parameters;
    void *gradients;
    uint64_t count;
} ech_plan_arena;
ech_plan_arena ech_plan_parameters(ech_plan *plan);

/** Arrange values given in layout order (float32, `value_count`) as the parameters are arranged, in
 *  an array of `ech_plan_parameters().count` floats: for terms that optimizers add. Float only. */
void ech_plan_arrange(const ech_plan *plan, const float *values, float *arranged);

/* What verification and benchmarks look at. */

typedef struct {
    const char *engine;
    char name[160]; /* "conv1+relu+max pool" */
    uint32_t first_layer, layer_count;
    uint64_t forward_ns, backward_ns; /* sums since the last reset; with time_steps */
    uint64_t calls;                   /* forward passes since the last reset */
} ech_step_info;

uint32_t ech_plan_step_count(const ech_plan *plan);
/** Conversions between formats have layer_count 0. */
void ech_plan_step_info(const ech_plan *plan, uint32_t step, ech_step_info *out);
void ech_plan_reset_times(ech_plan *plan);

/** Copy out, widened to double and in PyTorch's order: a parameter or statistic, a parameter's
 *  gradient, a value of the last batch, or its gradient (the last two with keep_values, for values
 *  that exist: those inside a joined step do not). */
void ech_plan_read_tensor(const ech_plan *plan, uint32_t tensor, double *out);
void ech_plan_read_gradient(const ech_plan *plan, uint32_t tensor, double *out);
bool ech_plan_read_value(const ech_plan *plan, ech_value value, double *out);
bool ech_plan_read_value_gradient(const ech_plan *plan, ech_value value, double *out);

#endif
