#include <string.h>

#include "kernels/plan_priv.h"

/* Widen `count` elements of the plan's precision, from element `first` on. */
static void widen(const ech_plan *plan, const void *elements, uint64_t first, uint64_t count,
                  double *out)
{
    for (uint64_t i = 0; i < count; i++) {
        out[i] = plan->options.precision == ECH_PRECISION_DOUBLE
                     ? ((const double *)elements)[first + i]
                     : (double)((const float *)elements)[first + i];
    }
}

/* Unpack floats into the upper half of `out`, then widen them from there, the lowest first. */
static void unpack_and_widen(const ech_step *step, uint32_t which, const float *stored,
                             uint64_t count, double *out)
{
    unsigned char *upper = (unsigned char *)out + count * sizeof(float);
    step->engine->unpack(step, which, stored, upper);
    for (uint64_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, upper + i * sizeof value, sizeof value);
        out[i] = (double)value;
    }
}

static bool read_arena(const ech_plan *plan, const void *arena, uint32_t tensor, double *out)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_step *step = &plan->steps[i].step;
        for (uint32_t t = 0; t < step->tensor_count; t++) {
            const ech_step_tensor *stored = &step->tensors[t];
            const uint64_t count = plan->network->layout->tensors[tensor].count;
            if (stored->tensor != tensor) {
                continue;
            }
            if (step->engine->unpack != NULL) {
                unpack_and_widen(step, t, (const float *)arena + stored->offset, count, out);
            } else {
                widen(plan, arena, stored->offset, count, out);
            }
            return true;
        }
    }
    return false;
}

static void read_statistic(const ech_plan *plan, uint32_t tensor, double *out)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_step *step = &plan->steps[i].step;
        for (uint32_t l = 0; l < step->layer_count; l++) {
            const ech_layer *layer = ech_step_layer(step, l);
            if (layer->running_mean == tensor) {
                widen(plan, plan->statistics, step->statistics_offset[l], layer->in.channels, out);
            } else if (layer->running_variance == tensor) {
                widen(plan, plan->statistics, step->statistics_offset[l] + layer->in.channels,
                      layer->in.channels, out);
            }
        }
    }
}

void ech_plan_read_tensor(const ech_plan *plan, uint32_t tensor, double *out)
{
    if (!read_arena(plan, plan->parameters, tensor, out)) {
        read_statistic(plan, tensor, out);
    }
}

void ech_plan_read_gradient(const ech_plan *plan, uint32_t tensor, double *out)
{
    read_arena(plan, plan->gradients, tensor, out);
}

static void read_slot(const ech_plan *plan, ech_format format, const void *data, ech_shape shape,
                      double *out)
{
    for (uint32_t n = 0; n < plan->batch; n++) {
        for (uint32_t c = 0; c < shape.channels; c++) {
            for (uint32_t y = 0; y < shape.height; y++) {
                for (uint32_t x = 0; x < shape.width; x++) {
                    widen(plan, data, ech_format_index(format, shape, n, c, y, x), 1, out);
                    out++;
                }
            }
        }
    }
}

bool ech_plan_read_value(const ech_plan *plan, ech_value value, double *out)
{
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        if (plan->slots[s].value == value) {
            read_slot(plan, plan->slots[s].format, ech_plan_slot_data(plan, s),
                      ech_network_shape(plan->network, value), out);
            return true;
        }
    }
    return false;
}

bool ech_plan_read_value_gradient(const ech_plan *plan, ech_value value, double *out)
{
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        if (plan->slots[s].value == value && plan->slots[s].needs_gradient) {
            read_slot(plan, plan->slots[s].format, ech_plan_slot_gradient(plan, s),
                      ech_network_shape(plan->network, value), out);
            return true;
        }
    }
    return false;
}
