#include "kernels/dropout.h"

#include "runtime/base/random.h"

/* Layers and batches share an epoch's stream; each has its own range of the block counter. */
enum { LAYER_SHIFT = 30, BATCH_SHIFT = 42 };

void ech_dropout_mask(const ech_batch_key *key, uint32_t layer, double probability, uint64_t count,
                      uint8_t *kept)
{
    ech_random stream =
        ech_random_stream(key->seed, ECH_RANDOM_DROPOUT, key->round, key->worker, key->epoch);
    stream.counter[0] = (key->batch << BATCH_SHIFT) | ((uint64_t)layer << LAYER_SHIFT);
    const uint32_t threshold = (uint32_t)(probability * 0x1p32);
    for (uint64_t i = 0; i < count; i += 2) {
        const uint64_t bits = ech_random_u64(&stream);
        kept[i] = (uint32_t)bits >= threshold;
        if (i + 1 < count) {
            kept[i + 1] = (uint32_t)(bits >> 32) >= threshold;
        }
    }
}
