#include "kernels/update_kernels.h"

#include <math.h>

/* Plain loops: the compiler turns them into vectors of the instruction set of its options. */

#define ECH_UPDATE_JOIN_EXPANDED(name, isa) name##_##isa
#define ECH_UPDATE_JOIN(name, isa) ECH_UPDATE_JOIN_EXPANDED(name, isa)

enum { PARTIAL_SUMS = 16 };

static void sgd(const ech_update_arrays *a)
{
    float *restrict w = a->parameters;
    const float *restrict g = a->gradients;
    const float rate = a->rate, decay = a->weight_decay, scale = a->scale;
    for (size_t i = 0; i < a->count; i++) {
        w[i] -= rate * (scale * g[i] + decay * w[i]);
    }
}

static void momentum_step(const ech_update_arrays *a, float *buffer, float momentum)
{
    float *restrict w = a->parameters, *restrict m = buffer;
    const float *restrict g = a->gradients;
    const float rate = a->rate, decay = a->weight_decay, scale = a->scale;
    for (size_t i = 0; i < a->count; i++) {
        m[i] = momentum * m[i] + (scale * g[i] + decay * w[i]);
        w[i] -= rate * m[i];
    }
}

static void nesterov(const ech_update_arrays *a, float *buffer, float momentum)
{
    float *restrict w = a->parameters, *restrict m = buffer;
    const float *restrict g = a->gradients;
    const float rate = a->rate, decay = a->weight_decay, scale = a->scale;
    for (size_t i = 0; i < a->count; i++) {
        const float gradient = scale * g[i] + decay * w[i];
        m[i] = momentum * m[i] + gradient;
        w[i] -= rate * (gradient + momentum * m[i]);
    }
}

static void adam(const ech_update_arrays *a, float *first, float *second, float beta1, float beta2,
                 float epsilon, float step_size, float root)
{
    float *restrict w = a->parameters, *restrict m = first, *restrict v = second;
    const float *restrict g = a->gradients;
    const float decay = a->weight_decay, scale = a->scale;
    for (size_t i = 0; i < a->count; i++) {
        const float gradient = scale * g[i] + decay * w[i];
        m[i] = beta1 * m[i] + (1.0F - beta1) * gradient;
        v[i] = beta2 * v[i] + (1.0F - beta2) * (gradient * gradient);
        w[i] -= step_size * (m[i] / (sqrtf(v[i]) / root + epsilon));
    }
}

static void add_scaled(float *y, const float *x, const float *z, float factor, size_t count)
{
    float *restrict to = y;
    const float *restrict from = x, *restrict centre = z;
    if (z == NULL) {
        for (size_t i = 0; i < count; i++) {
            to[i] += factor * from[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] += factor * (from[i] - centre[i]);
    }
}

static double square_sum(const float *x, size_t count)
{
    double sums[PARTIAL_SUMS] = {0};
    for (size_t i = 0; i < count; i += PARTIAL_SUMS) {
        for (size_t k = 0; k < PARTIAL_SUMS; k++) {
            sums[k] += (double)x[i + k] * (double)x[i + k];
        }
    }
    for (size_t half = PARTIAL_SUMS / 2; half > 0; half /= 2) {
        for (size_t k = 0; k < half; k++) {
            sums[k] += sums[k + half];
        }
    }
    return sums[0];
}

extern const ech_update_kernels ECH_UPDATE_JOIN(ech_update_kernels, ECH_LANES_ISA);

const ech_update_kernels ECH_UPDATE_JOIN(ech_update_kernels, ECH_LANES_ISA) = {
    .sgd = sgd,
    .momentum = momentum_step,
    .nesterov = nesterov,
    .adam = adam,
    .add_scaled = add_scaled,
    .square_sum = square_sum,
};
