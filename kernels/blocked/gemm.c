#include "kernels/blocked/gemm.h"

#include <libxsmm_cpuid.h>

void ech_gemm_use_isa(ech_isa isa)
{
    libxsmm_init();
    if (isa == ECH_ISA_AVX2) {
        libxsmm_set_target_archid(LIBXSMM_X86_AVX2);
    }
}

ech_status ech_gemm_generate(const ech_gemm_shape *shape, ech_gemm *out)
{
    const libxsmm_blasint lda = (libxsmm_blasint)shape->lda;
    const libxsmm_blasint ldb = (libxsmm_blasint)shape->ldb;
    const libxsmm_blasint ldc = (libxsmm_blasint)shape->ldc;
    const float alpha = 1.0f;
    const float beta = shape->accumulate ? 1.0f : 0.0f;
    const int flags = shape->transposed_b ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    out->code = libxsmm_smmdispatch_reducebatch_offs(
        (libxsmm_blasint)shape->m, (libxsmm_blasint)shape->n, (libxsmm_blasint)shape->k, &lda, &ldb,
        &ldc, &alpha, &beta, &flags, NULL);
    if (out->code == NULL) {
        return ech_fail(ECH_ERR_UNSUPPORTED,
                        "libxsmm cannot generate a product of %zu x %zu x %zu (leading dimensions "
                        "%zu, %zu, %zu)",
                        shape->m, shape->n, shape->k, shape->lda, shape->ldb, shape->ldc);
    }
    return ECH_OK;
}
