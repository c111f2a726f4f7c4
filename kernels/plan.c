#include "kernels/plan.h"

#include <stdio.h>
#include <string.h>

#include "kernels/plan_priv.h"
#include "runtime/base/memory.h"

static ech_status check_options(const ech_network *network, const ech_plan_options *options)
{
    if (network->status != ECH_OK || network->layer_count == 0 || options->batch == 0 ||
        (unsigned)options->engine >= ECH_ENGINE_CHOICE_COUNT) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "plan for %s: an unfinished network, a batch of %u, or engine %d",
                        network->name, options->batch, (int)options->engine);
    }
    return ECH_OK;
}

ech_status ech_plan_create(const ech_network *network, const ech_plan_options *options,
                           ech_plan **out)
{
    *out = NULL;
    ech_isa isa = ECH_ISA_PORTABLE;
    ech_status status = check_options(network, options);
    if (status == ECH_OK) {
        status = ech_cpu_isa(&isa);
    }
    if (status != ECH_OK) {
        return status;
    }
    ech_plan *plan = ech_calloc(1, sizeof *plan);
    if (plan == NULL) {
        return ECH_ERR_MEMORY;
    }
    plan->network = network;
    plan->options = *options;
    plan->target = (ech_target){
        .batch = options->batch,
        .threads = options->threads == 0 ? 1 : options->threads,
        .isa = isa,
        .precision = options->precision,
        .training = options->training,
    };
    status = ech_plan_build_steps(plan);
    if (status == ECH_OK) {
        status = ech_plan_place(plan);
    }
    if (status != ECH_OK) {
        ech_plan_destroy(&plan);
    }
    *out = plan;
    return status;
}

void ech_plan_destroy(ech_plan **plan)
{
    if (plan == NULL || *plan == NULL) {
        return;
    }
    ech_plan *p = *plan;
    for (uint32_t i = 0; i < p->step_count; i++) {
        ech_step *step = &p->steps[i].step;
        if (step->engine != NULL && step->engine->destroy != NULL) {
            step->engine->destroy(step);
        }
    }
    ech_free(p->parameters);
    ech_free(p->gradients);
    ech_free(p->statistics);
    ech_free(p->counters);
    ech_free(p->memory);
    ech_free(p->steps);
    ech_free(p->slots);
    ech_free(p);
    *plan = NULL;
}

ech_isa ech_plan_isa(const ech_plan *plan)
{
    return plan->target.isa;
}

uint64_t ech_plan_memory_bytes(const ech_plan *plan)
{
    const uint64_t copies = plan->target.training ? 2 : 1;
    return plan->memory_bytes +
           (copies * plan->parameter_count + plan->statistic_count) * ech_plan_element_bytes(plan);
}

bool ech_plan_is_portable(const ech_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_engine *engine = plan->steps[i].step.engine;
        if (engine != NULL && !engine->portable) {
            return false;
        }
    }
    return true;
}

/* Copy between an array of the plan's precision and float. */
static void from_float(const ech_plan *plan, void *elements, uint64_t first, const float *values,
                       uint64_t count)
{
    if (plan->options.precision == ECH_PRECISION_FLOAT) {
        memcpy((float *)elements + first, values, count * sizeof *values);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        ((double *)elements)[first + i] = (double)values[i];
    }
}

static void to_float(const ech_plan *plan, const void *elements, uint64_t first, float *values,
                     uint64_t count)
{
    if (plan->options.precision == ECH_PRECISION_FLOAT) {
        memcpy(values, (const float *)elements + first, count * sizeof *values);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (float)((const double *)elements)[first + i];
    }
}

/* Put the parameters among `values` (layout order) into an arena. */
static void arrange(const ech_plan *plan, const float *values, void *arena)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_step *step = &plan->steps[i].step;
        for (uint32_t t = 0; t < step->tensor_count; t++) {
            const ech_step_tensor *stored = &step->tensors[t];
            const ech_tensor *tensor = &plan->network->layout->tensors[stored->tensor];
            const float *plain = values + tensor->offset;
            if (step->engine->pack != NULL) {
                step->engine->pack(step, t, plain, (float *)arena + stored->offset);
            } else {
                from_float(plan, arena, stored->offset, plain, tensor->count);
            }
        }
    }
}

void ech_plan_arrange(const ech_plan *plan, const float *values, float *arranged)
{
    memset(arranged, 0, plan->parameter_count * sizeof *arranged);
    arrange(plan, values, arranged);
}

/* Move a norm's statistics and counter in or out. */
static void each_norm(const ech_plan *plan,
                      void (*move)(const ech_plan *plan, const ech_layer *layer, uint64_t offset,
                                   void *state),
                      void *state)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_step *step = &plan->steps[i].step;
        for (uint32_t l = 0; l < step->layer_count; l++) {
            if (ech_step_layer(step, l)->kind == ECH_LAYER_BATCH_NORM) {
                move(plan, ech_step_layer(step, l), step->statistics_offset[l], state);
            }
        }
    }
}

static void load_norm(const ech_plan *plan, const ech_layer *layer, uint64_t offset, void *state)
{
    const ech_state_view *from = state;
    const ech_tensor *tensors = plan->network->layout->tensors;
    const uint32_t channels = layer->in.channels;
    from_float(plan, plan->statistics, offset, from->values + tensors[layer->running_mean].offset,
               channels);
    from_float(plan, plan->statistics, offset + channels,
               from->values + tensors[layer->running_variance].offset, channels);
    const uint64_t counter = tensors[layer->batches_tracked].offset;
    plan->counters[counter] = from->counters[counter];
}

static void store_norm(const ech_plan *plan, const ech_layer *layer, uint64_t offset, void *state)
{
    const ech_state *to = state;
    const ech_tensor *tensors = plan->network->layout->tensors;
    const uint32_t channels = layer->in.channels;
    to_float(plan, plan->statistics, offset, to->values + tensors[layer->running_mean].offset,
             channels);
    to_float(plan, plan->statistics, offset + channels,
             to->values + tensors[layer->running_variance].offset, channels);
    const uint64_t counter = tensors[layer->batches_tracked].offset;
    to->counters[counter] = plan->counters[counter];
}

void ech_plan_load_state(ech_plan *plan, ech_state_view state)
{
    arrange(plan, state.values, plan->parameters);
    each_norm(plan, load_norm, &state);
}

void ech_plan_store_state(const ech_plan *plan, ech_state state)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_step *step = &plan->steps[i].step;
        for (uint32_t t = 0; t < step->tensor_count; t++) {
            const ech_step_tensor *stored = &step->tensors[t];
            const ech_tensor *tensor = &plan->network->layout->tensors[stored->tensor];
            float *plain = state.values + tensor->offset;
            if (step->engine->unpack != NULL) {
                step->engine->unpack(step, t, (const float *)plan->parameters + stored->offset,
                                     plain);
            } else {
                to_float(plan, plan->parameters, stored->offset, plain, tensor->count);
            }
        }
    }
    each_norm(plan, store_norm, &state);
}

ech_plan_arena ech_plan_parameters(ech_plan *plan)
{
    return (ech_plan_arena){plan->parameters, plan->gradients, plan->parameter_count};
}

uint32_t ech_plan_step_count(const ech_plan *plan)
{
    return plan->step_count;
}

static void name_step(const ech_step *step, char *name, size_t bytes)
{
    size_t length = (size_t)snprintf(name, bytes, "%s", step->engine == NULL ? "convert" : "");
    for (uint32_t l = 0; l < step->layer_count && length < bytes; l++) {
        const ech_layer *layer = ech_step_layer(step, l);
        length += (size_t)snprintf(name + length, bytes - length, "%s%s", l == 0 ? "" : "+",
                                   layer->name[0] != '\0' ? layer->name
                                                          : ech_layer_kind_name(layer->kind));
    }
}

void ech_plan_step_info(const ech_plan *plan, uint32_t step, ech_step_info *out)
{
    const ech_plan_step *planned = &plan->steps[step];
    *out = (ech_step_info){
        .engine = planned->step.engine != NULL ? planned->step.engine->name : "-",
        .first_layer = planned->step.first_layer,
        .layer_count = planned->step.layer_count,
        .forward_ns = planned->forward_ns,
        .backward_ns = planned->backward_ns,
        .calls = plan->calls,
    };
    name_step(&planned->step, out->name, sizeof out->name);
}

void ech_plan_reset_times(ech_plan *plan)
{
    plan->calls = 0;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        plan->steps[i].forward_ns = 0;
        plan->steps[i].backward_ns = 0;
    }
}
