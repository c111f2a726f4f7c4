/**
 * @file plugin.h
 * What a shared object brings to a federation: a rule, a selection, a trainer, or several of them.
 *
 * The only header that a plug-in needs; it links with nothing of Echelon. It exports one constant:
 *
 *     #include "runtime/fed/plugin.h"
 *     ECH_PLUGIN_EXPORT const ech_plugin ECH_PLUGIN_SYMBOL = {
 *         .version = ECH_PLUGIN_VERSION, .strategy = &my_rule};
 *
 *     cc -shared -fPIC $(pkg-config --cflags echelon-task) my_rule.c -o my_rule.so
 *     strategy: {plugin: ./my_rule.so, plugin_options: "rate=0.5"}
 *
 * Every rank loads the object, makes a `self` of its own and calls it from one thread. The
 * federation keeps its promises (one configuration, one model, bit for bit, on any ranks and across
 * a resume) if the calls depend on their arguments alone: no time, no address, no state that
 * outlives a call. What a rule carries from round to round lies in its vectors, which checkpoints
 * hold. A checkpoint also holds the object's hash: a resume with another one is refused.
 */
#ifndef ECH_FED_PLUGIN_H
#define ECH_FED_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

/** Of this interface: an object built for another is refused. */
#define ECH_PLUGIN_VERSION 1

#define ECH_PLUGIN_SYMBOL ech_plugin_exported
#define ECH_PLUGIN_EXPORT __attribute__((visibility("default")))

enum { ECH_PLUGIN_REASON_BYTES = 200, ECH_PLUGIN_VECTORS_MAX = 4, ECH_PLUGIN_DIMENSIONS_MAX = 4 };

/* ---- a rule: from the updates of a round to the next global model ---- */

/** A part of the model's parameters, and what the round brought to it. Arrays are of the whole
 *  model: elements [first, first + count) are this call's. */
typedef struct {
    const float *mean;     /* weighted, of the updates or their differences to the global model */
    float *const *vectors; /* the rule's own, in the order of their names */
    uint64_t weight;       /* of the updates that came */
    uint64_t weight_all;   /* of all workers that may take part */
    uint64_t first, count;
} ech_plugin_step;

typedef struct {
    const char *name;
    bool of_difference; /* the mean is of update - global; else of the updates themselves */
    /** Vectors like the model that are carried from round to round, zero before the first; their
     *  names in a checkpoint. NULL where fewer. */
    const char *vector_names[ECH_PLUGIN_VECTORS_MAX];
    /** What an update of a worker with so many samples weighs; NULL: the samples. */
    uint64_t (*weight)(void *self, uint64_t samples);
    /** The next global values, in place. Rank 0 calls it for each parameter; running statistics
     *  take their mean. */
    void (*step)(void *self, const ech_plugin_step *step, float *global);
} ech_plugin_strategy;

/* ---- a selection: who takes part in a round ---- */

typedef struct {
    uint64_t seed;
    uint64_t round; /* 1 is the first */
    uint32_t count; /* workers that may take part: those with samples */
    const uint32_t *workers;
    const uint64_t *samples;
} ech_plugin_candidates;

typedef struct {
    const char *name;
    /** Write places in `candidates` (0 up to count - 1), each at most once, to `chosen`, which has
     *  room for all. Rank 0 calls it. @return how many; at least one. */
    uint32_t (*select)(void *self, const ech_plugin_candidates *candidates, uint32_t *chosen);
} ech_plugin_selection;

/* ---- a trainer: a model, its data, and how it is trained ---- */

typedef struct {
    const char *name; /* as PyTorch's state_dict would have it */
    uint32_t dimension_count;
    uint64_t shape[ECH_PLUGIN_DIMENSIONS_MAX];
} ech_plugin_tensor;

typedef struct {
    uint64_t seed;
    uint64_t round;  /* 1 is the first */
    uint64_t worker; /* from 0 */
    uint32_t epochs;
    double proximal;            /* mu: adds mu (w - global) to each gradient (FedProx); 0: none */
    const float *gradient_term; /* NULL, or values added to each gradient (FedDyn) */
    const float *correction;    /* NULL, or d: each step ends with w -= lr d (SCAFFOLD) */
    /** Call it every few milliseconds, so that the rank serves others. */
    void (*yield)(void *user);
    void *yield_user;
} ech_plugin_training;

typedef struct {
    uint64_t steps;           /* of the optimizer */
    double loss, accuracy;    /* of the last epoch */
    double learning_rate_sum; /* over the steps (SCAFFOLD) */
    double gradient_weight;   /* the steps, with plain SGD (FedNova) */
} ech_plugin_trained;

typedef struct {
    const char *name;
    /** The model's tensors in their order: its values lie one tensor behind the other. Borrowed,
     *  as long as `self`. */
    const ech_plugin_tensor *(*tensors)(void *self, uint32_t *count);
    /** The model before the first round; the values are zero. NULL: they stay so. */
    void (*initialise)(void *self, uint64_t seed, float *values);
    /** A worker's samples; 0: it never takes part. */
    uint64_t (*sample_count)(void *self, uint64_t worker);
    /** Train from `global` into `update`, the whole new model. @return false, with a reason: the
     *  loss is not finite, and the update is left out. */
    bool (*train)(void *self, const ech_plugin_training *training, const float *global,
                  float *update, ech_plugin_trained *trained, char reason[ECH_PLUGIN_REASON_BYTES]);
    /** Test samples. NULL: none, and no `evaluate`. */
    uint64_t (*test_count)(void *self);
    /** The loss of each of `count` test samples from `first` on. @return how many are correct. */
    uint64_t (*evaluate)(void *self, const float *values, uint64_t first, uint64_t count,
                         double *losses);
} ech_plugin_trainer;

/* ---- the object ---- */

typedef struct {
    uint32_t version; /* ECH_PLUGIN_VERSION */
    /** From the configuration's plugin_options ("" if not given). @return false, with a reason, to
     *  refuse them. NULL: `self` is NULL, and options are refused. */
    bool (*create)(const char *options, void **self, char reason[ECH_PLUGIN_REASON_BYTES]);
    void (*destroy)(void *self); /* may be NULL */
    /* NULL what it does not bring. */
    const ech_plugin_strategy *strategy;
    const ech_plugin_selection *selection;
    const ech_plugin_trainer *trainer;
} ech_plugin;

#endif
