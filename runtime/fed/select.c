#include "runtime/fed/select.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"

struct ech_population {
    const uint64_t *samples; /* borrowed; NULL: no data at all */
    uint32_t *workers;       /* eligible, ascending */
    uint32_t count;
};

ech_status ech_population_create(const uint64_t *samples, uint32_t worker_count,
                                 ech_population **out)
{
    *out = NULL;
    ech_population *population = ech_calloc(1, sizeof *population);
    if (population == NULL) {
        return ECH_ERR_MEMORY;
    }
    population->samples = samples;
    population->workers = ech_calloc(worker_count, sizeof *population->workers);
    if (population->workers == NULL) {
        ech_free(population);
        return ECH_ERR_MEMORY;
    }
    for (uint32_t w = 0; w < worker_count; w++) {
        if (samples == NULL || samples[w] > 0) {
            population->workers[population->count++] = w;
        }
    }
    if (population->count == 0) {
        ech_population_destroy(&population);
        return ech_fail(ECH_ERR_CONFIG, "none of the %u workers has a sample to train on",
                        worker_count);
    }
    *out = population;
    return ECH_OK;
}

void ech_population_destroy(ech_population **population)
{
    if (population == NULL || *population == NULL) {
        return;
    }
    ech_free((*population)->workers);
    ech_free(*population);
    *population = NULL;
}

uint32_t ech_population_count(const ech_population *population)
{
    return population->count;
}

uint32_t ech_population_worker(const ech_population *population, uint32_t index)
{
    return population->workers[index];
}

uint64_t ech_population_samples(const ech_population *population, uint32_t worker)
{
    return population->samples != NULL ? population->samples[worker] : 1;
}

void ech_selection_clear(ech_selection *selection)
{
    ech_free(selection->workers);
    *selection = (ech_selection){0};
}

static ech_status reserve(ech_selection *selection, uint32_t count)
{
    if (count <= selection->capacity) {
        return ECH_OK;
    }
    uint32_t *workers = ech_realloc(selection->workers, count, sizeof *workers);
    if (workers == NULL) {
        return ECH_ERR_MEMORY;
    }
    selection->workers = workers;
    selection->capacity = count;
    return ECH_OK;
}

static bool set_bit(uint64_t *bits, uint32_t index)
{
    const uint64_t mask = UINT64_C(1) << (index % 64);
    const bool was_set = (bits[index / 64] & mask) != 0;
    bits[index / 64] |= mask;
    return was_set;
}

/*
 * `chosen` of `count` without replacement, one random number each (Floyd's method, in Bentley,
 * "Programming Pearls: a sample of brilliance", CACM 1987): a bit an item says which.
 */
static void draw_bits(ech_random *stream, uint32_t count, uint32_t chosen, uint64_t *bits)
{
    for (uint32_t last = count - chosen; last < count; last++) {
        const uint32_t drawn = (uint32_t)ech_random_below(stream, (uint64_t)last + 1);
        if (set_bit(bits, drawn)) {
            set_bit(bits, last);
        }
    }
}

ech_status ech_select_share(const ech_population *population, double share, uint64_t seed,
                            uint64_t round, ech_selection *out)
{
    if (!(share > 0.0 && share <= 1.0)) {
        return ech_fail(ECH_ERR_ARGUMENT, "participation is %g: expected above 0 and up to 1",
                        share);
    }
    const uint32_t count = population->count;
    const uint32_t rounded = (uint32_t)llround(share * (double)count);
    const uint32_t chosen = rounded > 0 ? rounded : 1;
    const size_t words = (size_t)count / 64 + 1;
    uint64_t *bits = ech_calloc(words, sizeof *bits);
    ech_status status = bits != NULL ? reserve(out, chosen) : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        ech_random stream = ech_random_stream(seed, ECH_RANDOM_SELECT, round, 0, 0);
        draw_bits(&stream, count, chosen, bits);
        out->count = 0;
        for (size_t i = 0; i < words; i++) {
            for (uint64_t left = bits[i]; left != 0; left &= left - 1) {
                const size_t index = i * 64 + (size_t)__builtin_ctzll(left);
                out->workers[out->count++] = population->workers[index];
            }
        }
    }
    ech_free(bits);
    return status;
}
