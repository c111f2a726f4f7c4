/**
 * @file hash_priv.h
 * Variants of a hash by instruction set.
 */
#ifndef ECH_BASE_HASH_PRIV_H
#define ECH_BASE_HASH_PRIV_H

#include "runtime/base/hash.h"

/** `ech_hash_bytes` where there is AVX2; x86-64 builds only. */
ech_hash128 ech_hash_bytes_avx2(const void *data, size_t bytes);

#endif
