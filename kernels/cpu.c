#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

enum { ISA_COUNT = ECH_ISA_AVX512 + 1 };

static const char *const names[ISA_COUNT] = {
    [ECH_ISA_PORTABLE] = "portable",
    [ECH_ISA_AVX2] = "avx2",
    [ECH_ISA_AVX512] = "avx512",
};

const char *ech_isa_name(ech_isa isa)
{
    return (unsigned)isa < ISA_COUNT ? names[isa] : "unknown";
}

static ech_isa best_isa(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        return ECH_ISA_AVX512;
    }
    return avx2 ? ECH_ISA_AVX2 : ECH_ISA_PORTABLE;
#else
    return ECH_ISA_PORTABLE;
#endif
}

ech_status ech_cpu_isa(ech_isa *out)
{
    *out = best_isa();
    const char *wanted = getenv("ECH_ISA");
    if (wanted == NULL || wanted[0] == '\0') {
        return ECH_OK;
    }
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(names[i], wanted) == 0) {
            if (i > (int)*out) {
                return ech_fail(ECH_ERR_UNSUPPORTED, "ECH_ISA=%s: this CPU offers %s at most",
                                wanted, names[*out]);
            }
            *out = (ech_isa)i;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_CONFIG, "ECH_ISA=%s: expected portable, avx2 or avx512", wanted);
}
