#include "kernels/loss.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* e^x for x <= 0: x = k ln 2 + r, a Taylor polynomial in r (|r| <= ln 2 / 2: error below 1e-17) and
 * k put into the exponent. Without branches, so that a loop over it is vectorised. */
static double exponential(double x)
{
    static const double magic = 0x1.8p52; /* adding it rounds to an integer in the low bits */
    const double bounded = x < -700.0 ? -700.0 : x;
    const double shifted = bounded * 0x1.71547652b82fep+0 + magic;
    const double k = shifted - magic;
    const double r = (bounded - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    double sum = 1.0 / 6227020800.0;
    sum = sum * r + 1.0 / 479001600.0;
    sum = sum * r + 1.0 / 39916800.0;
    sum = sum * r + 1.0 / 3628800.0;
    sum = sum * r + 1.0 / 362880.0;
    sum = sum * r + 1.0 / 40320.0;
    sum = sum * r + 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    uint64_t bits, scaled;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&scaled, &sum, sizeof scaled);
    scaled += bits << 52;
    memcpy(&sum, &scaled, sizeof sum);
    return x == x ? sum : x;
}

/* Natural logarithm of a number of at least 1: atanh series on the mantissa. */
static double logarithm(double x)
{
    int exponent = 0;
    double mantissa = frexp(x, &exponent);
    if (mantissa < 0x1.6a09e667f3bcdp-1) {
        mantissa *= 2.0;
        exponent--;
    }
    const double z = (mantissa - 1.0) / (mantissa + 1.0);
    double sum = 0.0;
    for (int k = 23; k >= 1; k -= 2) {
        sum = sum * (z * z) + 1.0 / k;
    }
    return 2.0 * z * sum + (double)exponent * 0x1.62e42fefa39efp-1;
}

static void widen(ech_precision precision, const void *logits, uint32_t classes, double *out)
{
    for (uint32_t c = 0; c < classes; c++) {
        out[c] = precision == ECH_PRECISION_DOUBLE ? ((const double *)logits)[c]
                                                   : (double)((const float *)logits)[c];
    }
}

static uint32_t largest(const double *values, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t c = 1; c < count; c++) {
        best = values[c] > values[best] ? c : best;
    }
    return best;
}

static void write_gradient(ech_precision precision, const double *exponentials, double sum,
                           uint32_t classes, uint64_t label, double scale, void *gradient)
{
    const double factor = scale / sum;
    for (uint32_t c = 0; c < classes; c++) {
        const double value = exponentials[c] * factor - (c == label ? scale : 0.0);
        if (precision == ECH_PRECISION_DOUBLE) {
            ((double *)gradient)[c] = value;
        } else {
            ((float *)gradient)[c] = (float)value;
        }
    }
}

ech_sample_loss ech_cross_entropy(ech_precision precision, const void *logits, uint32_t classes,
                                  uint64_t label, double scale, void *gradient, double *scratch)
{
    widen(precision, logits, classes, scratch);
    const uint32_t best = largest(scratch, classes);
    const double top = scratch[best], target = scratch[label];
    double sum = 0.0;
    for (uint32_t c = 0; c < classes; c++) {
        scratch[c] = exponential(scratch[c] - top);
    }
    for (uint32_t c = 0; c < classes; c++) {
        sum += scratch[c];
    }
    if (gradient != NULL) {
        write_gradient(precision, scratch, sum, classes, label, scale, gradient);
    }
    return (ech_sample_loss){
        .loss = logarithm(sum) - (target - top),
        .correct = best == label,
    };
}
