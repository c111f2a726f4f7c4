#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "runtime/base/hash_priv.h"
#include "runtime/base/memory.h"

struct ech_hasher {
    XXH3_state_t *state;
};

ech_status ech_hasher_create(ech_hasher **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->state = XXH3_createState();
    if ((*out)->state == NULL) {
        ech_hasher_destroy(out);
        return ech_fail(ECH_ERR_MEMORY, "cannot allocate a hash state");
    }
    XXH3_128bits_reset((*out)->state);
    return ECH_OK;
}

void ech_hasher_destroy(ech_hasher **hasher)
{
    if (hasher == NULL || *hasher == NULL) {
        return;
    }
    XXH3_freeState((*hasher)->state);
    ech_free(*hasher);
    *hasher = NULL;
}

void ech_hasher_add(ech_hasher *hasher, const void *data, size_t bytes)
{
    XXH3_128bits_update(hasher->state, data, bytes);
}

static ech_hash128 from_library(XXH128_hash_t hash)
{
    return (ech_hash128){.high = hash.high64, .low = hash.low64};
}

ech_hash128 ech_hasher_digest(const ech_hasher *hasher)
{
    return from_library(XXH3_128bits_digest(hasher->state));
}

ech_hash128 ech_hash_bytes(const void *data, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return ech_hash_bytes_avx2(data, bytes);
    }
#endif
    return from_library(XXH3_128bits(data, bytes));
}

void ech_hash_text(ech_hash128 hash, char text[ECH_HASH_TEXT_BYTES])
{
    snprintf(text, ECH_HASH_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}
