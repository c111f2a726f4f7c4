#include "tests/fed/split_support.h"

#include <criterion/criterion.h>
#include <string.h>

#include "runtime/base/random.h"

uint8_t split_labels[SAMPLES];
const ech_split_data split_data = {
    .labels = split_labels, .sample_count = SAMPLES, .class_count = CLASSES};

void ech_test_make_labels(void)
{
    ech_random stream = ech_random_stream(51, ECH_RANDOM_TEST, 0, 0, 0);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        split_labels[i] = (uint8_t)ech_random_below(&stream, CLASSES);
    }
}

void ech_test_expect_split_sound(const ech_split *split)
{
    static uint8_t dealt[SAMPLES];
    memset(dealt, 0, sizeof dealt);
    cr_assert_eq(split->offsets[0], 0);
    cr_assert_eq(split->offsets[split->worker_count], split->sample_count);
    for (uint32_t w = 0; w < split->worker_count; w++) {
        cr_assert_leq(split->offsets[w], split->offsets[w + 1]);
        for (uint64_t i = split->offsets[w]; i < split->offsets[w + 1]; i++) {
            cr_assert_eq(dealt[split->indices[i]]++, 0);
            cr_assert(i == split->offsets[w] || split->indices[i - 1] < split->indices[i]);
        }
    }
}

ech_hash128 ech_test_split_hash(const ech_split *split)
{
    const ech_hash128 parts[] = {
        ech_hash_bytes(split->offsets, (split->worker_count + 1) * sizeof *split->offsets),
        ech_hash_bytes(split->indices, split->sample_count * sizeof *split->indices),
    };
    return ech_hash_bytes(parts, sizeof parts);
}

void ech_test_split_count(const ech_split *split, uint32_t worker, uint32_t counts[CLASSES])
{
    memset(counts, 0, CLASSES * sizeof *counts);
    for (uint64_t i = split->offsets[worker]; i < split->offsets[worker + 1]; i++) {
        counts[split_labels[split->indices[i]]]++;
    }
}
