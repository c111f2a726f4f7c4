#include "runtime/fed/exact_kernels_body.h"
#include "runtime/fed/exact_kernels_rounding.h"

const ech_exact_kernels ech_exact_kernels_avx2 = {
    .name = "avx2",
    .max_magnitude = max_magnitude,
    .store = store,
    .add = add,
    .merge = merge,
    .accumulate = accumulate,
    .divide = divide,
};
