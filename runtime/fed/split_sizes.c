/* Splits that differ in size, not in labels. */
#include <math.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"

/* Cut a shuffled order of all samples at the sums of the workers' shares. */
static void deal(const uint32_t *order, uint32_t count, const double *shares, uint32_t worker_count,
                 uint32_t *owners)
{
    double before = 0.0;
    uint32_t at = 0;
    for (uint32_t w = 0; w < worker_count; w++) {
        before += shares[w];
        const uint32_t cut = (uint32_t)(before * (double)count);
        const uint32_t end = w + 1 == worker_count || cut > count ? count : cut;
        for (; at < end; at++) {
            owners[order[at]] = w;
        }
    }
}

static void draw_sizes(double sigma, uint64_t seed, uint32_t worker_count, double *shares)
{
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_SIZES, 0, 0);
    double total = 0.0;
    for (uint32_t w = 0; w < worker_count; w++) {
        shares[w] = ech_random_log_normal(&stream, sigma);
        total += shares[w];
    }
    for (uint32_t w = 0; w < worker_count; w++) {
        shares[w] /= total;
    }
}

ech_status ech_split_log_normal(const ech_split_data *data, uint32_t worker_count, double sigma,
                                uint64_t seed, ech_split **out)
{
    *out = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status != ECH_OK) {
        return status;
    }
    if (!(sigma >= 0.0 && sigma <= ECH_SPLIT_SIGMA_MAX)) {
        return ech_fail(ECH_ERR_ARGUMENT, "split: sigma is %g: expected 0 to %d", sigma,
                        ECH_SPLIT_SIGMA_MAX);
    }
    double *shares = ech_alloc(worker_count * sizeof *shares);
    uint32_t *owners = ech_alloc(data->sample_count * sizeof *owners);
    uint32_t *order = ech_alloc(data->sample_count * sizeof *order);
    status = shares != NULL && owners != NULL && order != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        ech_split_shuffle(data->sample_count, seed, order);
        draw_sizes(sigma, seed, worker_count, shares);
        deal(order, data->sample_count, shares, worker_count, owners);
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
    }
    ech_free(shares);
    ech_free(owners);
    ech_free(order);
    return status;
}
