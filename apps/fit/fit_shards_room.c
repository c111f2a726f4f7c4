#include "apps/fit/fit_shards_room.h"

/* A rank that reads test samples from their file reads at least so many at once. */
enum { STAGE_LEAST = 64 };

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The largest worker, and enough of the test samples to evaluate in one go. */
static uint64_t wanted_stage(const ech_shards *set)
{
    const uint64_t largest = ech_shards_largest(set);
    const uint64_t tests = least_of(set->info.samples[ECH_DATA_TEST], STAGE_LEAST);
    return largest > tests ? largest : tests;
}

uint64_t ech_fit_shards_least(const ech_shards *set, uint32_t batch)
{
    return least_of(wanted_stage(set), batch);
}

ech_fit_shards_room ech_fit_shards_room_of(const ech_shards *set, const ech_fit_shards_host *host)
{
    const uint64_t tests = set->info.samples[ECH_DATA_TEST];
    const uint64_t wanted = wanted_stage(set);
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&set->info) + 1;
    const uint64_t rank_bytes = host->ranks * sample_bytes; /* for a sample in each stage */
    const uint64_t kept_bytes = (host->samples + tests) * sample_bytes;
    if (host->memory_bytes >= kept_bytes) {
        const uint64_t left = (host->memory_bytes - kept_bytes) / rank_bytes;
        if (!host->has_strays || left >= ech_fit_shards_least(set, host->batch)) {
            const uint64_t stage = host->has_strays ? least_of(wanted, left) : 0;
            return (ech_fit_shards_room){host->samples, tests, stage};
        }
    }
    return (ech_fit_shards_room){.stage = least_of(wanted, host->memory_bytes / rank_bytes)};
}
