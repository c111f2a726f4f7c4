/* Dirichlet by label: Hsu, Qi and Brown (2019), as NIID-Bench (Li et al., ICDE 2022) deals. */
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"

enum { ATTEMPTS_MAX = 1000 };

typedef struct {
    const ech_split_data *data;
    uint32_t worker_count;
    double alpha;
    uint64_t seed;
    double *shares;   /* of one class */
    uint32_t *counts; /* of each worker so far */
    uint32_t *owners;
} label_dealer;

/* Shares of one class; who has an even part of all the data already gets none of it. */
static bool draw_shares(label_dealer *d, uint32_t class_number, uint64_t attempt)
{
    ech_random stream = ech_random_stream(d->seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_LABELS,
                                          class_number, attempt);
    ech_split_draw_dirichlet(&stream, d->alpha, d->worker_count, d->shares);
    double total = 0.0;
    for (uint32_t w = 0; w < d->worker_count; w++) {
        if ((uint64_t)d->counts[w] * d->worker_count >= d->data->sample_count) {
            d->shares[w] = 0.0;
        }
        total += d->shares[w];
    }
    for (uint32_t w = 0; w < d->worker_count && total > 0.0; w++) {
        d->shares[w] /= total;
    }
    return total > 0.0;
}

static void deal_class(label_dealer *d, const uint32_t *items, uint32_t count)
{
    double before = 0.0;
    uint32_t at = 0;
    for (uint32_t w = 0; w < d->worker_count; w++) {
        before += d->shares[w];
        const uint32_t cut = (uint32_t)(before * (double)count);
        const uint32_t end = w + 1 == d->worker_count || cut > count ? count : cut;
        for (; at < end; at++) {
            d->owners[items[at]] = w;
            d->counts[w]++;
        }
    }
}

/* One deal; false if a class has nobody left to go to. */
static bool deal_classes(label_dealer *d, const uint32_t *begins, const uint32_t *items,
                         uint64_t attempt)
{
    memset(d->counts, 0, d->worker_count * sizeof *d->counts);
    for (uint32_t c = 0; c < d->data->class_count; c++) {
        if (begins[c + 1] > begins[c]) {
            if (!draw_shares(d, c, attempt)) {
                return false;
            }
            deal_class(d, items + begins[c], begins[c + 1] - begins[c]);
        }
    }
    return true;
}

static uint32_t least_count(const label_dealer *d)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t w = 0; w < d->worker_count; w++) {
        least = d->counts[w] < least ? d->counts[w] : least;
    }
    return least;
}

/* Deal until nobody has fewer than `least` samples. */
static ech_status deal_until(label_dealer *d, uint32_t least)
{
    for (uint64_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        uint32_t *begins = NULL;
        uint32_t *items = NULL;
        const ech_status status =
            ech_split_shuffle_classes(d->data, d->seed, attempt, &begins, &items);
        if (status != ECH_OK) {
            return status;
        }
        const bool dealt = deal_classes(d, begins, items, attempt);
        ech_free(begins);
        ech_free(items);
        if (dealt && least_count(d) >= least) {
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_CONFIG,
                    "split: %d draws left one of %u workers with fewer than %u samples; a larger "
                    "labels_alpha or a smaller least number helps",
                    ATTEMPTS_MAX, d->worker_count, least);
}

ech_status ech_split_label(const ech_split_data *data, uint32_t worker_count, double labels_alpha,
                           uint32_t least, uint64_t seed, ech_split **out)
{
    *out = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status == ECH_OK) {
        status = ech_split_check_alpha("labels_alpha", labels_alpha);
    }
    if (status != ECH_OK) {
        return status;
    }
    label_dealer d = {
        .data = data,
        .worker_count = worker_count,
        .alpha = labels_alpha,
        .seed = seed,
        .shares = ech_calloc(worker_count, sizeof *d.shares),
        .counts = ech_calloc(worker_count, sizeof *d.counts),
        .owners = ech_calloc(data->sample_count, sizeof *d.owners),
    };
    status = d.shares != NULL && d.counts != NULL && d.owners != NULL ? deal_until(&d, least)
                                                                      : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_split_from_owners(d.owners, data->sample_count, worker_count, out);
    }
    ech_free(d.shares);
    ech_free(d.counts);
    ech_free(d.owners);
    return status;
}
