/**
 * @file cpu.h
 * Which instruction set the kernels use. Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_CPU_H
#define ECH_KERNELS_CPU_H

#include "runtime/base/status.h"

/** Ordered: a later one includes the earlier. AVX2 means AVX2 with FMA. */
typedef enum { ECH_ISA_PORTABLE, ECH_ISA_AVX2, ECH_ISA_AVX512 } ech_isa;

/**
 * The instruction set to use: the best that this CPU has, or the one named by the environment
 * variable ECH_ISA ("portable", "avx2", "avx512").
 *
 * @return ECH_OK; ECH_ERR_CONFIG if ECH_ISA is none of these; ECH_ERR_UNSUPPORTED if this CPU lacks
 *         it.
 */
ech_status ech_cpu_isa(ech_isa *out);

/** "portable", "avx2", "avx512". */
const char *ech_isa_name(ech_isa isa);

#endif
