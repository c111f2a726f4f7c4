/* The two products of BLAS that the kernels call, as plain loops, for processors whose OpenBLAS is
 * not at hand: the *blas* engine's own code can then be linked and run. Row-major only. */
#include <cblas.h>
#include <stdbool.h>
#include <stddef.h>

void openblas_set_num_threads(int count)
{
    (void)count;
}

static float element(const float *matrix, blasint step, bool transposed, blasint row,
                     blasint column)
{
    return transposed ? matrix[(size_t)column * (size_t)step + (size_t)row]
                      : matrix[(size_t)row * (size_t)step + (size_t)column];
}

void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE turn_a, enum CBLAS_TRANSPOSE turn_b,
                 blasint m, blasint n, blasint k, float alpha, const float *a, blasint lda,
                 const float *b, blasint ldb, float beta, float *c, blasint ldc)
{
    (void)order;
    for (blasint i = 0; i < m; i++) {
        for (blasint j = 0; j < n; j++) {
            float sum = 0.0F;
            for (blasint l = 0; l < k; l++) {
                sum += element(a, lda, turn_a == CblasTrans, i, l) *
                       element(b, ldb, turn_b == CblasTrans, l, j);
            }
            float *to = &c[(size_t)i * (size_t)ldc + (size_t)j];
            *to = alpha * sum + (beta == 0.0F ? 0.0F : beta * *to);
        }
    }
}

void cblas_sgemv(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE turn, blasint m, blasint n,
                 float alpha, const float *a, blasint lda, const float *x, blasint step_x,
                 float beta, float *y, blasint step_y)
{
    cblas_sgemm(order, turn, CblasNoTrans, m, 1, n, alpha, a, lda, x, step_x, beta, y, step_y);
}
