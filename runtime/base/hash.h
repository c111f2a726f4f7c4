/**
 * @file hash.h
 * XXH128 (xxHash's 128-bit XXH3): fingerprints of models, files and messages. Not for secrets.
 *
 * Not collective. One owner a hasher.
 */
#ifndef ECH_BASE_HASH_H
#define ECH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct {
    uint64_t high;
    uint64_t low;
} ech_hash128;

enum { ECH_HASH_TEXT_BYTES = 33 }; /* 32 hexadecimal digits and the terminator */

/** Opaque: a hash of bytes that come in pieces. */
typedef struct ech_hasher ech_hasher;

/** @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_hasher_create(ech_hasher **out);
void ech_hasher_destroy(ech_hasher **hasher);

/** Add bytes; how they are cut into pieces does not matter. */
void ech_hasher_add(ech_hasher *hasher, const void *data, size_t bytes);

/** Hash of all bytes so far; more may be added afterwards. */
ech_hash128 ech_hasher_digest(const ech_hasher *hasher);

/** Hash of one piece. */
ech_hash128 ech_hash_bytes(const void *data, size_t bytes);

/** Write the canonical 32 lower-case hexadecimal digits. */
void ech_hash_text(ech_hash128 hash, char text[ECH_HASH_TEXT_BYTES]);

static inline int ech_hash_equal(ech_hash128 a, ech_hash128 b)
{
    return a.high == b.high && a.low == b.low;
}

#endif
