#include "runtime/fed/attack.h"

#include "runtime/base/memory.h"
#include "runtime/base/random.h"

struct ech_hostiles {
    uint32_t worker_count;
    uint64_t bits[];
};

ech_status ech_hostiles_create(const ech_population *population, uint32_t worker_count,
                               uint32_t hostile_count, uint64_t seed, ech_hostiles **out)
{
    const uint32_t count = ech_population_count(population);
    *out = ech_calloc(1, sizeof **out + (worker_count / 64 + 1) * sizeof(uint64_t));
    uint32_t *workers = ech_calloc(count, sizeof *workers);
    if (*out == NULL || workers == NULL) {
        ech_free(workers);
        ech_hostiles_destroy(out);
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = ech_population_worker(population, i);
    }
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_ATTACK, 0, 0, 0);
    ech_random_shuffle_u32(&stream, workers, count);
    (*out)->worker_count = worker_count;
    for (uint32_t i = 0; i < hostile_count && i < count; i++) {
        (*out)->bits[workers[i] / 64] |= UINT64_C(1) << (workers[i] % 64);
    }
    ech_free(workers);
    return ECH_OK;
}

void ech_hostiles_destroy(ech_hostiles **hostiles)
{
    if (hostiles != NULL && *hostiles != NULL) {
        ech_free(*hostiles);
        *hostiles = NULL;
    }
}

bool ech_hostiles_hold(const ech_hostiles *hostiles, uint32_t worker)
{
    return hostiles != NULL && worker < hostiles->worker_count &&
           (hostiles->bits[worker / 64] >> (worker % 64) & 1) != 0;
}

static void reverse(const float *global, double scale, uint64_t count, float *update)
{
    for (uint64_t i = 0; i < count; i++) {
        const double change = (double)update[i] - (double)global[i];
        update[i] = (float)((double)global[i] - scale * change);
    }
}

static void add_noise(const float *global, double scale, uint64_t count, ech_random *noise,
                      float *update)
{
    for (uint64_t i = 0; i < count; i++) {
        update[i] = (float)((double)global[i] + scale * ech_random_normal(noise));
    }
}

void ech_attack(const ech_attack_options *options, uint64_t seed, uint64_t round, uint64_t worker,
                const ech_layout *layout, const float *global, float *update)
{
    ech_random noise = ech_random_stream(seed, ECH_RANDOM_ATTACK, round, worker, 1);
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        if (tensor->kind != ECH_TENSOR_PARAMETER) {
            continue;
        }
        const float *base = global + tensor->offset;
        if (options->kind == ECH_ATTACK_REVERSE) {
            reverse(base, options->scale, tensor->count, update + tensor->offset);
        } else {
            add_noise(base, options->scale, tensor->count, &noise, update + tensor->offset);
        }
    }
}
