/**
 * @file vector.h
 * The vector of one instruction set, for the kernels that are compiled once for each. Private to
 * kernels/lanes.
 *
 * A lane block (16 samples) is one AVX-512 vector, two AVX2 vectors or four portable ones; kernels
 * treat its parts one after the other. Each lane sees the same operations in the same order
 * whatever the width, and sums over lanes go through `vector_sum_block`: results are the same bits
 * wherever fused multiply-add exists. Without it (x86-64 before AVX2) products are rounded.
 */
#ifndef ECH_KERNELS_LANES_VECTOR_H
#define ECH_KERNELS_LANES_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "kernels/format.h"

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VECTOR_LANES = 16, VECTOR_REGISTERS = 32 };
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
enum { VECTOR_LANES = 8, VECTOR_REGISTERS = 16 };
#else
enum { VECTOR_LANES = 4, VECTOR_REGISTERS = 16 };
#endif

enum { VECTORS_A_BLOCK = ECH_LANES / VECTOR_LANES };

typedef float vector __attribute__((vector_size(VECTOR_LANES * sizeof(float))));
typedef int32_t vector_int __attribute__((vector_size(VECTOR_LANES * sizeof(int32_t))));
typedef uint8_t vector_bytes __attribute__((vector_size(VECTOR_LANES)));

/** Kernels are written once, as loops with constant bounds that must vanish. */
#define ECH_INLINE static inline __attribute__((always_inline))

ECH_INLINE vector vector_load(const float *from)
{
    vector v;
    memcpy(&v, from, sizeof v);
    return v;
}

ECH_INLINE void vector_store(float *to, vector v)
{
    memcpy(to, &v, sizeof v);
}

ECH_INLINE vector vector_of(float value)
{
    return value - (vector){0};
}

ECH_INLINE vector vector_fma(vector a, vector b, vector c)
{
#if defined(__AVX512F__)
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FP_FAST_FMAF)
    vector sum;
    for (int i = 0; i < VECTOR_LANES; i++) {
        sum[i] = __builtin_fmaf(a[i], b[i], c[i]);
    }
    return sum;
#else
    return a * b + c;
#endif
}

/* One bit a lane in AVX-512's mask registers, else a lane of ones. */
#if defined(__AVX512F__)
typedef __mmask16 vector_mask;

ECH_INLINE vector_mask vector_greater(vector a, vector b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}

ECH_INLINE vector_mask vector_equal_int(vector_int a, int32_t b)
{
    return _mm512_cmpeq_epi32_mask((__m512i)a, _mm512_set1_epi32(b));
}

/** a where the mask is set, else b. */
ECH_INLINE vector vector_select(vector_mask mask, vector a, vector b)
{
    return (vector)_mm512_mask_blend_ps(mask, (__m512)b, (__m512)a);
}

ECH_INLINE vector_int vector_select_int(vector_mask mask, int32_t a, vector_int b)
{
    return (vector_int)_mm512_mask_set1_epi32((__m512i)b, mask, a);
}
#else
typedef vector_int vector_mask;

ECH_INLINE vector_mask vector_greater(vector a, vector b)
{
    return a > b;
}

ECH_INLINE vector_mask vector_equal_int(vector_int a, int32_t b)
{
    return a == b;
}

/** a where the mask is set, else b. */
ECH_INLINE vector vector_select(vector_mask mask, vector a, vector b)
{
    return (vector)((mask & (vector_int)a) | (~mask & (vector_int)b));
}

ECH_INLINE vector_int vector_select_int(vector_mask mask, int32_t a, vector_int b)
{
    return (mask & a) | (~mask & b);
}
#endif

/** max(v, 0); NaN stays NaN. */
ECH_INLINE vector vector_relu(vector v)
{
    return vector_select(vector_greater((vector){0}, v), (vector){0}, v);
}

ECH_INLINE vector_bytes vector_narrow(vector_int numbers)
{
#if defined(__AVX512F__)
    return (vector_bytes)_mm512_cvtepi32_epi8((__m512i)numbers);
#else
    return __builtin_convertvector(numbers, vector_bytes);
#endif
}

ECH_INLINE vector_int vector_widen(vector_bytes bytes)
{
#if defined(__AVX512F__)
    return (vector_int)_mm512_cvtepu8_epi32((__m128i)bytes);
#elif defined(__AVX2__)
    return (vector_int)_mm256_cvtepu8_epi32(_mm_set_epi64x(0, (int64_t)bytes));
#else
    return __builtin_convertvector(bytes, vector_int);
#endif
}

/** Sum of a block's 16 lanes: halves are added, then quarters, pairs, and the last two. */
ECH_INLINE float vector_sum_block(const float *block)
{
    typedef float eight __attribute__((vector_size(32)));
    typedef float four __attribute__((vector_size(16)));
    eight low, high;
    memcpy(&low, block, sizeof low);
    memcpy(&high, block + 8, sizeof high);
    const eight half = low + high;
    four first, second;
    memcpy(&first, &half, sizeof first);
    memcpy(&second, (const char *)&half + sizeof first, sizeof second);
    const four quarter = first + second;
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

#endif
