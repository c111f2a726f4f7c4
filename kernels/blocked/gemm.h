/**
 * @file gemm.h
 * Batch-reduce matrix products, generated at plan time for one shape by libxsmm (Georganas et al.,
 * "Harnessing Deep Learning via a Single Building Block", IPDPS'20). Private to kernels/.
 *
 * All matrices are column-major, as in BLAS: element (i, j) of a matrix with leading dimension `ld`
 * is at `i + j * ld`. Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_BLOCKED_GEMM_H
#define ECH_KERNELS_BLOCKED_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include <libxsmm.h>

#include "kernels/cpu.h"
#include "runtime/base/status.h"

/** A product C (m x n) = sum over i of A_i (m x k) B_i (k x n). */
typedef struct {
    size_t m, n, k;
    size_t lda, ldb, ldc;
    bool transposed_b; /* B_i is stored as n x k */
    bool accumulate;   /* add to C, else overwrite it */
} ech_gemm_shape;

/** A generated product. A value; the code lives as long as the process. */
typedef struct {
    libxsmm_smmfunction_reducebatch_offs code;
} ech_gemm;

/** Generate code for this instruction set only, for the whole process: AVX2 or AVX512. */
void ech_gemm_use_isa(ech_isa isa);

/** @return ECH_OK, or ECH_ERR_UNSUPPORTED if libxsmm cannot generate this shape. */
ech_status ech_gemm_generate(const ech_gemm_shape *shape, ech_gemm *out);

/** Run it over `count` pairs: A_i begins `a_bytes[i]` bytes after `a`, B_i likewise. */
static inline void ech_gemm_run(ech_gemm gemm, const float *a, const float *b, float *c,
                                size_t count, const unsigned long long *a_bytes,
                                const unsigned long long *b_bytes)
{
    const unsigned long long pairs = count;
    gemm.code(a, b, c, &pairs, a_bytes, b_bytes);
}

#endif
