#include <assert.h>
#include <string.h>

#include "kernels/plan_priv.h"
#include "runtime/base/clock.h"

ech_step_call ech_plan_call(const ech_plan *plan, const ech_plan_step *planned)
{
    ech_step_call call = {
        .batch = plan->batch,
        .training = plan->was_training,
        .output = ech_plan_slot_data(plan, planned->output),
        .saved = planned->step.saved_bytes > 0 ? plan->memory + planned->saved_offset : NULL,
        .scratch = plan->memory + plan->scratch_offset,
        .parameters = plan->parameters,
        .gradients = plan->gradients,
        .statistics = plan->statistics,
        .counters = plan->counters,
        .key = plan->has_key ? &plan->key : NULL,
    };
    if (plan->slots[planned->output].needs_gradient) {
        call.output_gradient = ech_plan_slot_gradient(plan, planned->output);
    }
    for (uint32_t i = 0; i < planned->step.input_count; i++) {
        const uint32_t slot = planned->inputs[i];
        call.inputs[i] = ech_plan_slot_data(plan, slot);
        call.accumulate[i] = planned->accumulate[i];
        if (plan->slots[slot].needs_gradient) {
            call.input_gradients[i] = ech_plan_slot_gradient(plan, slot);
        }
    }
    return call;
}

static void convert_forward(const ech_plan *plan, const ech_plan_step *planned)
{
    const ech_slot *from = &plan->slots[planned->inputs[0]], *to = &plan->slots[planned->output];
    ech_format_convert(from->format, ech_plan_slot_data(plan, planned->inputs[0]), to->format,
                       ech_plan_slot_data(plan, planned->output),
                       ech_network_shape(plan->network, to->value), plan->batch, false,
                       plan->target.threads);
}

static void convert_backward(const ech_plan *plan, const ech_plan_step *planned)
{
    const ech_slot *from = &plan->slots[planned->output], *to = &plan->slots[planned->inputs[0]];
    if (to->needs_gradient) {
        ech_format_convert(from->format, ech_plan_slot_gradient(plan, planned->output), to->format,
                           ech_plan_slot_gradient(plan, planned->inputs[0]),
                           ech_network_shape(plan->network, to->value), plan->batch,
                           planned->accumulate[0], plan->target.threads);
    }
}

static void step_forward(const ech_plan *plan, const ech_plan_step *planned)
{
    if (planned->step.engine == NULL) {
        convert_forward(plan, planned);
        return;
    }
    const ech_step_call call = ech_plan_call(plan, planned);
    planned->step.engine->forward(&planned->step, &call);
}

static void step_backward(const ech_plan *plan, const ech_plan_step *planned)
{
    if (!plan->slots[planned->output].needs_gradient) {
        return;
    }
    if (planned->step.engine == NULL) {
        convert_backward(plan, planned);
        return;
    }
    const ech_step_call call = ech_plan_call(plan, planned);
    planned->step.engine->backward(&planned->step, &call);
}

void ech_plan_begin_batch(ech_plan *plan, uint32_t batch)
{
    assert(batch >= 1 && batch <= plan->target.batch);
    plan->batch = batch;
}

void ech_plan_set_input(ech_plan *plan, const float *input, uint32_t batch)
{
    ech_plan_begin_batch(plan, batch);
    const ech_slot *slot = &plan->slots[plan->input_slot];
    void *data = ech_plan_slot_data(plan, plan->input_slot);
    const uint64_t count = batch * ech_shape_count(plan->network->input);
    if (plan->options.precision == ECH_PRECISION_DOUBLE) {
        for (uint64_t i = 0; i < count; i++) {
            ((double *)data)[i] = (double)input[i];
        }
    } else if (slot->format == ECH_FORMAT_PLAIN) {
        memcpy(data, input, count * sizeof *input);
    } else {
        ech_format_convert(ECH_FORMAT_PLAIN, input, slot->format, data, plan->network->input, batch,
                           false, plan->target.threads);
    }
}

void ech_plan_forward(ech_plan *plan, bool training, const ech_batch_key *key)
{
    assert(plan->batch > 0 && (!training || plan->target.training));
    plan->was_training = training;
    plan->has_key = key != NULL;
    plan->key = key != NULL ? *key : (ech_batch_key){0};
    plan->calls++;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        ech_plan_step *planned = &plan->steps[i];
        const uint64_t begin = plan->options.time_steps ? ech_clock_ns() : 0;
        step_forward(plan, planned);
        planned->forward_ns += plan->options.time_steps ? ech_clock_ns() - begin : 0;
    }
}

void ech_plan_backward(ech_plan *plan)
{
    assert(plan->was_training);
    for (uint32_t i = plan->step_count; i > 0; i--) {
        ech_plan_step *planned = &plan->steps[i - 1];
        const uint64_t begin = plan->options.time_steps ? ech_clock_ns() : 0;
        step_backward(plan, planned);
        planned->backward_ns += plan->options.time_steps ? ech_clock_ns() - begin : 0;
    }
}

const void *ech_plan_logits(const ech_plan *plan)
{
    return ech_plan_slot_data(plan, plan->logits_slot);
}

void *ech_plan_logits_gradient(ech_plan *plan)
{
    return ech_plan_slot_gradient(plan, plan->logits_slot);
}
