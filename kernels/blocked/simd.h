/**
 * @file simd.h
 * Functions that the compiler builds once for each x86-64 level and chooses among at start. They
 * use no fused multiply-add and sum in an order that the source fixes, so that all builds of one
 * give the same bits.
 */
#ifndef ECH_KERNELS_BLOCKED_SIMD_H
#define ECH_KERNELS_BLOCKED_SIMD_H

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define ECH_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ECH_SIMD
#endif

#define ECH_INLINE static inline __attribute__((always_inline))

#endif
