/**
 * @file plan_priv.h
 * Inside a plan. Private to kernels/ and its tests.
 */
#ifndef ECH_KERNELS_PLAN_PRIV_H
#define ECH_KERNELS_PLAN_PRIV_H

#include "kernels/engine.h"
#include "kernels/plan.h"

/** One value in one format, and its gradient. */
typedef struct {
    ech_value value;
    ech_format format;
    bool needs_gradient;    /* a trained layer lies above it */
    size_t offset;          /* bytes, in the plan's memory */
    size_t gradient_offset; /* the same, where needs_gradient */
} ech_slot;

/** A step and the slots that it joins; `step.engine` is NULL for a conversion between formats. */
typedef struct {
    ech_step step;
    uint32_t inputs[ECH_STEP_INPUTS_MAX]; /* slots */
    uint32_t output;                      /* slot */
    bool accumulate[ECH_STEP_INPUTS_MAX]; /* in backward: an earlier call has written already */
    size_t saved_offset;
    uint64_t forward_ns, backward_ns;
} ech_plan_step;

struct ech_plan {
    const ech_network *network;
    ech_plan_options options;
    ech_target target;

    ech_plan_step *steps; /* in the order of execution */
    uint32_t step_count;
    size_t step_capacity;
    ech_slot *slots;
    uint32_t slot_count;
    size_t slot_capacity;
    uint32_t input_slot, logits_slot;

    void *parameters, *gradients; /* parameter_count elements each */
    uint64_t parameter_count;
    void *statistics;
    uint64_t statistic_count;
    int64_t *counters;
    unsigned char *memory; /* values, gradients of values, saved data, scratch */
    size_t memory_bytes;
    size_t scratch_offset;

    uint32_t batch; /* of the input that was last set */
    bool was_training;
    ech_batch_key key;
    bool has_key;
    uint64_t calls;
};

static inline size_t ech_plan_element_bytes(const ech_plan *plan)
{
    return plan->options.precision == ECH_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

/** Cut the network into steps and slots (plan_steps.c). */
ech_status ech_plan_build_steps(ech_plan *plan);
/** Place parameters, statistics and values, and allocate them (plan_memory.c). */
ech_status ech_plan_place(ech_plan *plan);

/** The slot's memory, and its gradient's. */
static inline void *ech_plan_slot_data(const ech_plan *plan, uint32_t slot)
{
    return plan->memory + plan->slots[slot].offset;
}
static inline void *ech_plan_slot_gradient(const ech_plan *plan, uint32_t slot)
{
    return plan->memory + plan->slots[slot].gradient_offset;
}

/** The call of one step for the plan's current batch (plan_run.c). */
ech_step_call ech_plan_call(const ech_plan *plan, const ech_plan_step *planned);

/** Say that the input slot was written with `batch` samples by somebody else than set_input. */
void ech_plan_begin_batch(ech_plan *plan, uint32_t batch);

#endif
