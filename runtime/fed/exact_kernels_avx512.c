#include "runtime/fed/exact_kernels_body.h"

const ech_exact_kernels ech_exact_kernels_avx512 = {
    .name = "avx512",
    .max_magnitude = max_magnitude,
    .store = store,
    .add = add,
    .merge = merge,
    .accumulate = accumulate,
    .divide = divide,
};
