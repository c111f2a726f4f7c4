#include "runtime/base/random.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

enum { BLOCK_COUNT = 4 };

ech_random ech_random_stream(uint64_t seed, ech_random_purpose purpose, uint64_t round,
                             uint64_t worker, uint64_t epoch)
{
    return (ech_random){
        .key = {seed, (uint64_t)purpose},
        .counter = {0, epoch, worker, round},
        .used = BLOCK_COUNT,
    };
}

static void refill(ech_random *stream)
{
    philox4x64_ctr_t counter;
    philox4x64_key_t key;
    memcpy(counter.v, stream->counter, sizeof counter.v);
    memcpy(key.v, stream->key, sizeof key.v);
    const philox4x64_ctr_t block = philox4x64(counter, key);
    memcpy(stream->block, block.v, sizeof stream->block);
    stream->counter[0]++;
    stream->used = 0;
}

uint64_t ech_random_u64(ech_random *stream)
{
    if (stream->used == BLOCK_COUNT) {
        refill(stream);
    }
    return stream->block[stream->used++];
}

double ech_random_uniform(ech_random *stream)
{
    return (double)(ech_random_u64(stream) >> 11) * 0x1p-53;
}

float ech_random_uniform_float(ech_random *stream)
{
    return (float)(ech_random_u64(stream) >> 40) * 0x1p-24F;
}

uint64_t ech_random_below(ech_random *stream, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)ech_random_u64(stream) * bound;
    if ((uint64_t)product < bound) {
        const uint64_t threshold = (0 - bound) % bound;
        while ((uint64_t)product < threshold) {
            product = (wide)ech_random_u64(stream) * bound;
        }
    }
    return (uint64_t)(product >> 64);
}

/* Natural logarithm of a positive normal number: atanh series on the mantissa, plain arithmetic
 * only, so that no C library's rounding decides a split. Error below 2 units in the last place. */
static double portable_log(double x)
{
    static const double ln2 = 0x1.62e42fefa39efp-1;
    int exponent = 0;
    double mantissa = frexp(x, &exponent);
    if (mantissa < 0x1.6a09e667f3bcdp-1) {
        mantissa *= 2.0;
        exponent--;
    }
    const double z = (mantissa - 1.0) / (mantissa + 1.0);
    const double square = z * z;
    double sum = 0.0;
    for (int k = 23; k >= 1; k -= 2) {
        sum = sum * square + 1.0 / k;
    }
    return 2.0 * z * sum + (double)exponent * ln2;
}

/* Exponential by halving the argument to a small one, a Taylor polynomial, and squaring back. */
static double portable_exp(double x)
{
    static const double inverse_ln2 = 0x1.71547652b82fep+0;
    static const double ln2_high = 0x1.62e42feep-1;
    static const double ln2_low = 0x1.a39ef35793c76p-33;
    if (x < -745.0) {
        return 0.0;
    }
    const double k = nearbyint(x * inverse_ln2);
    const double rest = (x - k * ln2_high) - k * ln2_low;
    double sum = 1.0;
    for (int n = 16; n >= 1; n--) {
        sum = 1.0 + sum * rest / n;
    }
    return ldexp(sum, (int)k);
}

double ech_random_normal(ech_random *stream)
{
    for (;;) {
        const double u = 2.0 * ech_random_uniform(stream) - 1.0;
        const double v = 2.0 * ech_random_uniform(stream) - 1.0;
        const double square = u * u + v * v;
        if (square < 1.0 && square > 0.0) {
            return u * sqrt(-2.0 * portable_log(square) / square);
        }
    }
}

double ech_random_log_normal(ech_random *stream, double sigma)
{
    return portable_exp(sigma * ech_random_normal(stream));
}

static double positive_uniform(ech_random *stream)
{
    return 1.0 - ech_random_uniform(stream);
}

double ech_random_gamma(ech_random *stream, double alpha)
{
    if (alpha < 1.0) {
        const double boosted = ech_random_gamma(stream, alpha + 1.0);
        return boosted * portable_exp(portable_log(positive_uniform(stream)) / alpha);
    }
    const double d = alpha - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        const double x = ech_random_normal(stream);
        const double base = 1.0 + c * x;
        if (base <= 0.0) {
            continue;
        }
        const double v = base * base * base;
        const double bound = 0.5 * x * x + d - d * v + d * portable_log(v);
        if (portable_log(positive_uniform(stream)) < bound) {
            return d * v;
        }
    }
}

void ech_random_shuffle_u32(ech_random *stream, uint32_t *items, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        const size_t chosen = (size_t)ech_random_below(stream, left);
        const uint32_t swapped = items[left - 1];
        items[left - 1] = items[chosen];
        items[chosen] = swapped;
    }
}
