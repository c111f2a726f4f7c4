#include "runtime/fed/select.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/weight_tree.h"

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

ech_status ech_population_subset(const ech_population *population,
                                 bool (*holds)(uint32_t worker, void *user), void *user,
                                 ech_population **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->samples = population->samples;
    (*out)->workers = ech_calloc(population->count, sizeof *(*out)->workers);
    if ((*out)->workers == NULL) {
        ech_population_destroy(out);
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < population->count; i++) {
        if (holds(population->workers[i], user)) {
            (*out)->workers[(*out)->count++] = population->workers[i];
        }
    }
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

bool ech_population_holds(const ech_population *population, uint32_t worker)
{
    uint32_t low = 0;
    uint32_t high = population->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (population->workers[middle] < worker) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < population->count && population->workers[low] == worker;
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

ech_status ech_selection_reserve(ech_selection *selection, uint32_t count)
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

static void draw_bernoulli(ech_random *stream, uint32_t count, double probability, uint64_t *bits)
{
    bool nobody = true;
    for (uint32_t i = 0; i < count; i++) {
        if (ech_random_uniform(stream) < probability) {
            set_bit(bits, i);
            nobody = false;
        }
    }
    if (nobody) {
        set_bit(bits, (uint32_t)ech_random_below(stream, count));
    }
}

static ech_status draw_by_size(ech_random *stream, const ech_population *population,
                               uint32_t chosen, uint64_t *bits)
{
    ech_weight_tree tree = {.size = ech_weight_tree_size(population->count)};
    tree.sums = ech_calloc(2 * (size_t)tree.size, sizeof *tree.sums);
    if (tree.sums == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < population->count; i++) {
        const uint64_t samples = ech_population_samples(population, population->workers[i]);
        ech_weight_tree_put(&tree, i, (double)samples);
    }
    ech_weight_tree_build(&tree);
    for (uint32_t k = 0; k < chosen; k++) {
        const uint32_t drawn = ech_weight_tree_draw(&tree, ech_random_uniform(stream));
        ech_weight_tree_clear(&tree, drawn);
        set_bit(bits, drawn);
    }
    ech_free(tree.sums);
    return ECH_OK;
}

static void take_turns(uint32_t count, uint32_t chosen, uint64_t round, uint64_t *bits)
{
    const uint64_t start = (round - 1) % count * chosen % count;
    for (uint32_t k = 0; k < chosen; k++) {
        set_bit(bits, (uint32_t)((start + k) % count));
    }
}

static ech_status draw(const ech_population *population, const ech_select_rule *rule,
                       uint32_t chosen, uint64_t seed, uint64_t round, uint64_t *bits)
{
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SELECT, round, 0, 0);
    switch (rule->policy) {
    case ECH_SELECT_UNIFORM:
        draw_bits(&stream, population->count, chosen, bits);
        return ECH_OK;
    case ECH_SELECT_BERNOULLI:
        draw_bernoulli(&stream, population->count, fmin(rule->share * (1.0 + rule->more), 1.0),
                       bits);
        return ECH_OK;
    case ECH_SELECT_SIZE:
        return draw_by_size(&stream, population, chosen, bits);
    case ECH_SELECT_ROUND_ROBIN:
        take_turns(population->count, chosen, round, bits);
        return ECH_OK;
    }
    return ech_fail(ECH_ERR_ARGUMENT, "no such policy of selection: %d", (int)rule->policy);
}

static ech_status check_rule(const ech_select_rule *rule)
{
    if (!(rule->share > 0.0 && rule->share <= 1.0)) {
        return ech_fail(ECH_ERR_ARGUMENT, "participation is %g: expected above 0 and up to 1",
                        rule->share);
    }
    if (!(rule->more >= 0.0 && isfinite(rule->more))) {
        return ech_fail(ECH_ERR_ARGUMENT, "over-selection is %g: expected at least 0", rule->more);
    }
    if (rule->policy == ECH_SELECT_BERNOULLI && rule->count > 0) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "a Bernoulli selection goes by participation, not by a count of %u",
                        rule->count);
    }
    return ECH_OK;
}

static double wanted(const ech_population *population, const ech_select_rule *rule)
{
    return rule->count > 0 ? (double)rule->count
                           : fmax(round(rule->share * (double)population->count), 1.0);
}

uint32_t ech_select_goal(const ech_population *population, const ech_select_rule *rule)
{
    return (uint32_t)fmin(wanted(population, rule), (double)population->count);
}

static uint32_t chosen_count(const ech_population *population, const ech_select_rule *rule)
{
    const double all = round(wanted(population, rule) * (1.0 + rule->more));
    return (uint32_t)fmin(all, (double)population->count);
}

uint32_t ech_select_most(const ech_population *population, const ech_select_rule *rule)
{
    return rule->policy == ECH_SELECT_BERNOULLI ? population->count
                                                : chosen_count(population, rule);
}

static ech_status list_bits(const ech_population *population, const uint64_t *bits, size_t words,
                            ech_selection *out)
{
    uint32_t count = 0;
    for (size_t i = 0; i < words; i++) {
        count += (uint32_t)__builtin_popcountll(bits[i]);
    }
    const ech_status status = ech_selection_reserve(out, count);
    if (status != ECH_OK) {
        return status;
    }
    out->count = 0;
    for (size_t i = 0; i < words; i++) {
        for (uint64_t left = bits[i]; left != 0; left &= left - 1) {
            const size_t index = i * 64 + (size_t)__builtin_ctzll(left);
            out->workers[out->count++] = population->workers[index];
        }
    }
    return ECH_OK;
}

ech_status ech_select(const ech_population *population, const ech_select_rule *rule, uint64_t seed,
                      uint64_t round, ech_selection *out)
{
    ech_status status = check_rule(rule);
    if (status != ECH_OK) {
        return status;
    }
    const size_t words = (size_t)population->count / 64 + 1;
    uint64_t *bits = ech_calloc(words, sizeof *bits);
    if (bits == NULL) {
        return ECH_ERR_MEMORY;
    }
    status = draw(population, rule, chosen_count(population, rule), seed, round, bits);
    if (status == ECH_OK) {
        status = list_bits(population, bits, words, out);
    }
    ech_free(bits);
    return status;
}
