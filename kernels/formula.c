#include "kernels/formula.h"

#include <math.h>
#include <string.h>

static uint64_t base(const char *name, uint64_t seed)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3U;
    }
    return hash + seed;
}

static uint64_t mix(uint64_t x)
{
    uint64_t z = x + 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t hash_at(uint64_t start, uint64_t i)
{
    return mix(start + i * 0x9e3779b97f4a7c15U);
}

static float unit(uint64_t hash)
{
    return (float)(hash >> 40) * 0x1p-24F;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Whether a norm is the last of a residual branch: bn3, or bn2 where blocks have no bn3. */
static bool closes_branch(const ech_network *network, const char *name)
{
    const bool is_shallow =
        strcmp(network->name, "resnet18") == 0 || strcmp(network->name, "resnet34") == 0;
    return strncmp(name, "layer", 5) == 0 &&
           (ends_with(name, "bn3.weight") || (is_shallow && ends_with(name, "bn2.weight")));
}

static void fill_parameter(const ech_network *network, const ech_tensor *tensor, uint64_t seed,
                           float *values)
{
    const uint64_t start = base(tensor->name, seed);
    const bool is_weight = tensor->dimension_count > 1, is_bias = ends_with(tensor->name, ".bias");
    const uint64_t inputs = tensor->count / (is_weight ? tensor->shape[0] : 1);
    const float bound = (float)sqrt(6.0 / (double)inputs);
    const float norm_scale = closes_branch(network, tensor->name) ? 0.125F : 1.0F;
    for (uint64_t i = 0; i < tensor->count; i++) {
        const float u = unit(hash_at(start, i));
        const float s = 2.0F * u - 1.0F;
        const float norm = (0.5F + u) * norm_scale;
        values[i] = is_weight ? s * bound : is_bias ? 0.1F * s : norm;
    }
}

void ech_formula_state(const ech_network *network, uint64_t seed, ech_state state)
{
    const ech_layout *layout = network->layout;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        if (tensor->kind == ECH_TENSOR_PARAMETER) {
            fill_parameter(network, tensor, seed, state.values + tensor->offset);
        } else if (tensor->kind == ECH_TENSOR_COUNTER) {
            state.counters[tensor->offset] = 0;
        } else {
            for (uint64_t i = 0; i < tensor->count; i++) {
                state.values[tensor->offset + i] = ends_with(tensor->name, "running_var");
            }
        }
    }
}

void ech_formula_fill(const char *name, uint64_t seed, uint64_t count, float *values)
{
    const uint64_t start = base(name, seed);
    for (uint64_t i = 0; i < count; i++) {
        values[i] = 2.0F * unit(hash_at(start, i)) - 1.0F;
    }
}

void ech_formula_input(const ech_network *network, uint64_t seed, uint32_t batch, float *input)
{
    ech_formula_fill("input", seed, batch * ech_shape_count(network->input), input);
}

void ech_formula_labels(const ech_network *network, uint64_t seed, uint32_t batch, uint64_t *labels)
{
    for (uint32_t b = 0; b < batch; b++) {
        labels[b] = hash_at(base("label", seed), b) % network->classes;
    }
}
