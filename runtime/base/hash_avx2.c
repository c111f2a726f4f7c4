/* XXH128 for processors with AVX2: the library is compiled for any of its architecture. The same
 * bits. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/base/hash_priv.h"

ech_hash128 ech_hash_bytes_avx2(const void *data, size_t bytes)
{
    const XXH128_hash_t hash = XXH3_128bits(data, bytes);
    return (ech_hash128){.high = hash.high64, .low = hash.low64};
}
