/**
 * @file engine.h
 * Engines: sets of kernels behind one table of functions. Private to kernels/.
 *
 * A plan cuts a network into *steps*. A step is one layer, or a few consecutive ones that an engine
 * runs at once (convolution, ReLU, pool). Each step belongs to one engine and reads and writes its
 * values in that engine's *format*; where a producer and a consumer differ, the plan puts a
 * conversion between them.
 *
 * What every engine promises:
 * - The same bits for any `target->threads`, for any position of a sample in the batch in
 * evaluation mode, and for any content of the memory that it does not own.
 * - `forward` and `backward` allocate nothing and cannot fail: everything that can is in `prepare`.
 * - Tensors of parameters lie in the plan's arena as the engine likes (`stored_count` elements,
 *   `pack`, `unpack`); padding elements are zero after `pack`, and have zero gradients, so that
 *   optimizers may run over the whole arena.
 */
#ifndef ECH_KERNELS_ENGINE_H
#define ECH_KERNELS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/format.h"
#include "kernels/network.h"
#include "kernels/plan.h"

enum {
    ECH_STEP_LAYERS_MAX = 4,
    ECH_STEP_INPUTS_MAX = ECH_LAYER_INPUTS_MAX,
    ECH_STEP_TENSORS_MAX = 8
};

/** What a plan is made for. */
typedef struct {
    uint32_t batch; /* the largest */
    uint32_t threads;
    ech_isa isa;
    ech_precision precision; /* of every value, parameter and gradient */
    bool training;           /* false: no backward, nothing is saved */
} ech_target;

/** A parameter tensor of a step. Set by the plan; `stored_count` may be raised by `prepare`. */
typedef struct {
    uint32_t tensor;       /* number in the network's layout */
    uint64_t stored_count; /* elements in the arena; the tensor's own count unless packed */
    uint64_t offset;       /* first element, in parameters and in gradients; a multiple of 16 */
} ech_step_tensor;

typedef struct ech_engine ech_engine;

typedef struct {
    /* Set by the plan before `prepare`. */
    const ech_engine *engine;
    const ech_network *network;
    const ech_target *target;
    uint32_t first_layer;
    uint32_t layer_count;
    ech_value inputs[ECH_STEP_INPUTS_MAX]; /* values made outside the step, in the layers' order */
    uint32_t input_count;
    ech_value output;                              /* of the last layer */
    ech_step_tensor tensors[ECH_STEP_TENSORS_MAX]; /* trained tensors, in the layers' order */
    uint32_t tensor_count;
    /* Batch norm layers: where the running means begin in the statistics; the variances follow. */
    uint64_t statistics_offset[ECH_STEP_LAYERS_MAX];

    /* Set by `prepare`. */
    void *kernel;         /* the engine's own, freed by `destroy` */
    size_t saved_bytes;   /* kept from forward to backward, for this step alone */
    size_t scratch_bytes; /* during one call, shared by all steps; 64-byte aligned */
    bool backward_reads_input[ECH_STEP_INPUTS_MAX]; /* else the memory may be reused by then */
    bool backward_reads_output;
} ech_step;

/**
 * One call of a step. Elements are float or double, as target->precision says. Activations are in
 * the engine's format; in *lanes* and *blocked*, elements beyond the batch or the channels are zero
 * or finite in values and zero in gradients.
 */
typedef struct {
    uint32_t batch; /* samples now, 1 to target->batch */
    bool training;  /* batch norm and dropout differ */
    const void *inputs[ECH_STEP_INPUTS_MAX];
    void *output;  /* forward writes it */
    void *saved;   /* saved_bytes */
    void *scratch; /* scratch_bytes */

    /* backward only */
    void *output_gradient;                      /* complete; the step may overwrite it */
    void *input_gradients[ECH_STEP_INPUTS_MAX]; /* NULL: not wanted (the network's input) */
    bool accumulate[ECH_STEP_INPUTS_MAX];       /* add to what is there, else overwrite it */

    const void *parameters; /* arena; a tensor begins at its `offset` */
    void *gradients;        /* arena of the same arrangement; backward overwrites the step's own */
    void *statistics;       /* arena: see ech_step.statistics_offset */
    int64_t *counters;      /* num_batches_tracked, at the layout's counter offset */
    const ech_batch_key *key; /* where dropout gets its bits */
} ech_step_call;

struct ech_engine {
    const char *name;
    ech_format format;
    bool portable; /* the same bits on every CPU with fused multiply-add */

    /** How many layers, beginning with this one, one step of this engine would run; 0: it cannot.
     *  Layers may be joined only where `ech_network_only_consumer` says so. */
    uint32_t (*match)(const ech_network *network, uint32_t layer, const ech_target *target);

    /** Set the fields under "Set by prepare". ECH_ERR_MEMORY, ECH_ERR_UNSUPPORTED. */
    ech_status (*prepare)(ech_step *step);
    void (*destroy)(ech_step *step); /* NULL where `kernel` needs no freeing */

    void (*forward)(const ech_step *step, const ech_step_call *call);
    void (*backward)(const ech_step *step, const ech_step_call *call);

    /** Copy tensor `which` of the step from PyTorch's order to the arena and back. NULL: as it is.
     */
    void (*pack)(const ech_step *step, uint32_t which, const void *plain, void *stored);
    void (*unpack)(const ech_step *step, uint32_t which, const void *stored, void *plain);

    /**
     * Replace the max pool's choices that forward saved: for each output element in plain order
     * [N,C,H,W], the position (row * kernel width + column) of the chosen input in its window.
     * For verification, where a choice must not depend on rounding. NULL: no pool is ever saved.
     */
    void (*load_choices)(const ech_step *step, const ech_step_call *call, const uint8_t *choices);
};

/** The engines that are built in, NULL-terminated, in the order in which `auto` prefers them; lanes
 *  is passed over where it does not suit the whole network. */
const ech_engine *const *ech_engines(ech_precision precision);

/** Whether `layer`'s output is read by the next layer in the list and by nobody else. */
bool ech_network_only_consumer(const ech_network *network, uint32_t layer);

static inline const ech_layer *ech_step_layer(const ech_step *step, uint32_t which)
{
    return &step->network->layers[step->first_layer + which];
}

#endif
