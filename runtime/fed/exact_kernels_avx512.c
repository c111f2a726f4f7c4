#include <immintrin.h>
#include <math.h>

#include "runtime/fed/exact_kernels_body.h"

enum { LANES = 8 };

/* weight * llrint(value * scale) of eight values: the conversion rounds to nearest, ties to even.
 */
static inline __m512i scaled(const float *values, __m512d scale, __m512i weight)
{
    const __m512d wide = _mm512_cvtps_pd(_mm256_loadu_ps(values));
    return _mm512_mullo_epi64(_mm512_cvtpd_epi64(_mm512_mul_pd(wide, scale)), weight);
}

static inline uint64_t scaled_one(float value, double scale, int64_t weight)
{
    return (uint64_t)weight * (uint64_t)llrint((double)value * scale);
}

static void store(int64_t *sums, const float *values, size_t count, double scale, int64_t weight)
{
    const __m512d scales = _mm512_set1_pd(scale);
    const __m512i weights = _mm512_set1_epi64(weight);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        _mm512_storeu_si512(sums + i, scaled(values + i, scales, weights));
    }
    for (; i < count; i++) {
        sums[i] = (int64_t)scaled_one(values[i], scale, weight);
    }
}

static void add(int64_t *sums, const float *values, size_t count, double scale, int64_t weight)
{
    const __m512d scales = _mm512_set1_pd(scale);
    const __m512i weights = _mm512_set1_epi64(weight);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const __m512i held = _mm512_loadu_si512(sums + i);
        _mm512_storeu_si512(sums + i, _mm512_add_epi64(held, scaled(values + i, scales, weights)));
    }
    for (; i < count; i++) {
        sums[i] = (int64_t)((uint64_t)sums[i] + scaled_one(values[i], scale, weight));
    }
}

const ech_exact_kernels ech_exact_kernels_avx512 = {
    .name = "avx512",
    .max_magnitude = max_magnitude,
    .store = store,
    .add = add,
    .merge = merge,
    .accumulate = accumulate,
    .divide = divide,
};
