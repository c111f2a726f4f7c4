
#include "kernels/engines.h"
#include "kernels/plan_priv.h"
#include "runtime/base/memory.h"

enum { NO_SLOT = UINT32_MAX };

static ech_status add_slot(ech_plan *plan, ech_value value, ech_format format, uint32_t *out)
{
    ech_slot *grown = ech_grow(plan->slots, plan->slot_count, &plan->slot_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    plan->slots = grown;
    plan->slots[plan->slot_count] = (ech_slot){.value = value, .format = format};
    *out = plan->slot_count++;
    return ECH_OK;
}

static uint32_t find_slot(const ech_plan *plan, ech_value value, ech_format format)
{
    for (uint32_t i = 0; i < plan->slot_count; i++) {
        if (plan->slots[i].value == value && plan->slots[i].format == format) {
            return i;
        }
    }
    return NO_SLOT;
}

static uint32_t first_slot(const ech_plan *plan, ech_value value)
{
    for (uint32_t i = 0; i < plan->slot_count; i++) {
        if (plan->slots[i].value == value) {
            return i;
        }
    }
    return NO_SLOT;
}

static ech_status add_step(ech_plan *plan, const ech_plan_step *step)
{
    ech_plan_step *grown =
        ech_grow(plan->steps, plan->step_count, &plan->step_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    plan->steps = grown;
    plan->steps[plan->step_count++] = *step;
    return ECH_OK;
}

static ech_status add_conversion(ech_plan *plan, uint32_t from, ech_format format, uint32_t *out)
{
    const ech_value value = plan->slots[from].value;
    ech_plan_step conversion = {
        .step = {.network = plan->network,
                 .target = &plan->target,
                 .inputs = {value},
                 .input_count = 1,
                 .output = value},
        .inputs = {from},
    };
    const ech_status status = add_slot(plan, value, format, out);
    conversion.output = *out;
    return status == ECH_OK ? add_step(plan, &conversion) : status;
}

/* The slot that holds `value` in `format`: an old one, or a new one that a conversion fills. The
 * network's input is written in whatever format its first reader wants. */
static ech_status provide(ech_plan *plan, ech_value value, ech_format format, uint32_t *out)
{
    *out = find_slot(plan, value, format);
    if (*out != NO_SLOT) {
        return ECH_OK;
    }
    const uint32_t source = first_slot(plan, value);
    if (source == NO_SLOT) {
        return add_slot(plan, value, format, out);
    }
    return add_conversion(plan, source, format, out);
}

static bool made_inside(const ech_step *step, ech_value value)
{
    return value > step->first_layer && value <= step->first_layer + step->layer_count;
}

static void add_tensor(ech_step *step, uint32_t tensor)
{
    if (tensor != ECH_TENSOR_NONE) {
        step->tensors[step->tensor_count++] = (ech_step_tensor){
            .tensor = tensor, .stored_count = step->network->layout->tensors[tensor].count};
    }
}

static ech_status describe_step(ech_step *step)
{
    step->output = step->first_layer + step->layer_count;
    for (uint32_t l = 0; l < step->layer_count; l++) {
        const ech_layer *layer = ech_step_layer(step, l);
        for (uint32_t i = 0; i < layer->input_count; i++) {
            if (!made_inside(step, layer->inputs[i])) {
                if (step->input_count == ECH_STEP_INPUTS_MAX) {
                    return ech_fail(ECH_ERR_LIMIT, "step at layer %u has more than %d inputs",
                                    step->first_layer, ECH_STEP_INPUTS_MAX);
                }
                step->inputs[step->input_count++] = layer->inputs[i];
            }
        }
        add_tensor(step, layer->weight);
        add_tensor(step, layer->bias);
    }
    return step->engine->prepare(step);
}

static ech_status build_step(ech_plan *plan, uint32_t layer, uint32_t *layer_count)
{
    ech_plan_step planned = {
        .step = {.network = plan->network, .target = &plan->target, .first_layer = layer}};
    ech_step *step = &planned.step;
    ech_status status = ech_choose_engine(plan->network, layer, &plan->target, plan->options.engine,
                                          &step->engine, layer_count);
    if (status != ECH_OK) {
        return status;
    }
    step->layer_count = *layer_count;
    status = describe_step(step);
    for (uint32_t i = 0; i < step->input_count && status == ECH_OK; i++) {
        status = provide(plan, step->inputs[i], step->engine->format, &planned.inputs[i]);
    }
    if (status == ECH_OK) {
        status = add_slot(plan, step->output, step->engine->format, &planned.output);
    }
    if (status == ECH_OK) {
        status = add_step(plan, &planned);
    }
    if (status != ECH_OK && step->engine->destroy != NULL) {
        step->engine->destroy(step);
    }
    return status;
}

/* A slot needs a gradient if a step above it is trained. */
static void mark_gradients(ech_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_plan_step *planned = &plan->steps[i];
        bool needed = planned->step.tensor_count > 0;
        for (uint32_t k = 0; k < planned->step.input_count; k++) {
            needed = needed || plan->slots[planned->inputs[k]].needs_gradient;
        }
        plan->slots[planned->output].needs_gradient = plan->target.training && needed;
    }
}

/* Backward runs from the last step to the first: who comes second to a slot adds. */
static void mark_accumulation(ech_plan *plan)
{
    for (uint32_t i = plan->step_count; i > 0; i--) {
        ech_plan_step *planned = &plan->steps[i - 1];
        for (uint32_t k = 0; k < planned->step.input_count; k++) {
            for (uint32_t earlier = 0; earlier < k; earlier++) {
                planned->accumulate[k] |= planned->inputs[earlier] == planned->inputs[k];
            }
            for (uint32_t j = i; j < plan->step_count; j++) {
                for (uint32_t m = 0; m < plan->steps[j].step.input_count; m++) {
                    planned->accumulate[k] |= plan->steps[j].inputs[m] == planned->inputs[k];
                }
            }
        }
    }
}

ech_status ech_plan_build_steps(ech_plan *plan)
{
    const uint32_t layers = plan->network->layer_count;
    uint32_t taken = 0;
    for (uint32_t layer = 0; layer < layers; layer += taken) {
        const ech_status status = build_step(plan, layer, &taken);
        if (status != ECH_OK) {
            return status;
        }
    }
    const ech_status status = provide(plan, layers, ECH_FORMAT_PLAIN, &plan->logits_slot);
    if (status != ECH_OK) {
        return status;
    }
    plan->input_slot = first_slot(plan, ECH_VALUE_INPUT);
    mark_gradients(plan);
    mark_accumulation(plan);
    return ECH_OK;
}
