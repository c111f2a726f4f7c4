#include <math.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"
#include "runtime/fed/weight_tree.h"

/* One tree a class, and one of ones for workers whose quota is not full. */
typedef struct {
    uint32_t class_count;
    ech_weight_tree open;
    ech_weight_tree *classes;
    double *sums; /* of all the trees */
    uint32_t *quotas;
} dealer;

static ech_status dealer_allocate(dealer *d, uint32_t worker_count, uint32_t class_count)
{
    const uint32_t size = ech_weight_tree_size(worker_count);
    const size_t tree_sums = 2 * (size_t)size;
    d->class_count = class_count;
    d->sums = ech_calloc((class_count + (size_t)1) * tree_sums, sizeof *d->sums);
    d->classes = ech_calloc(class_count, sizeof *d->classes);
    d->quotas = ech_calloc(worker_count, sizeof *d->quotas);
    if (d->sums == NULL || d->classes == NULL || d->quotas == NULL) {
        return ECH_ERR_MEMORY;
    }
    d->open = (ech_weight_tree){.size = size, .sums = d->sums};
    for (uint32_t c = 0; c < class_count; c++) {
        d->classes[c] = (ech_weight_tree){.size = size, .sums = d->sums + (c + 1) * tree_sums};
    }
    return ECH_OK;
}

static void dealer_free(dealer *d)
{
    ech_free(d->sums);
    ech_free(d->classes);
    ech_free(d->quotas);
}

/* Quotas from the shares of the data. A worker whose quota is 0 keeps weight 0 everywhere. */
static ech_status draw_quotas(dealer *d, uint32_t worker_count, uint32_t sample_count, double alpha,
                              uint64_t seed)
{
    double *shares = ech_alloc(worker_count * sizeof *shares);
    if (shares == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_SIZES, 0, 0);
    ech_split_draw_dirichlet(&stream, alpha, worker_count, shares);
    for (uint32_t w = 0; w < worker_count; w++) {
        d->quotas[w] = (uint32_t)floor(shares[w] * (double)sample_count);
        ech_weight_tree_put(&d->open, w, d->quotas[w] > 0 ? 1.0 : 0.0);
    }
    ech_free(shares);
    return ECH_OK;
}

static ech_status draw_labels(dealer *d, uint32_t worker_count, double alpha, uint64_t seed)
{
    double *shares = ech_alloc(d->class_count * sizeof *shares);
    if (shares == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t w = 0; w < worker_count; w++) {
        ech_random stream =
            ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_LABELS, w, 0);
        ech_split_draw_dirichlet(&stream, alpha, d->class_count, shares);
        for (uint32_t c = 0; c < d->class_count && d->quotas[w] > 0; c++) {
            ech_weight_tree_put(&d->classes[c], w, shares[c]);
        }
    }
    ech_free(shares);
    ech_weight_tree_build(&d->open);
    for (uint32_t c = 0; c < d->class_count; c++) {
        ech_weight_tree_build(&d->classes[c]);
    }
    return ECH_OK;
}

static void close_worker(dealer *d, uint32_t worker)
{
    ech_weight_tree_clear(&d->open, worker);
    for (uint32_t c = 0; c < d->class_count; c++) {
        ech_weight_tree_clear(&d->classes[c], worker);
    }
}

/* The samples in order, until all quotas are full. */
static void deal(dealer *d, const ech_split_data *data, uint64_t seed, uint32_t *owners)
{
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_DEAL, 0, 0);
    memset(owners, 0xff, data->sample_count * sizeof *owners);
    for (uint32_t i = 0; i < data->sample_count && ech_weight_tree_total(&d->open) > 0.0; i++) {
        const ech_weight_tree *tree = &d->classes[data->labels[i]];
        const ech_weight_tree *source = ech_weight_tree_total(tree) > 0.0 ? tree : &d->open;
        const uint32_t worker = ech_weight_tree_draw(source, ech_random_uniform(&stream));
        owners[i] = worker;
        if (--d->quotas[worker] == 0) {
            close_worker(d, worker);
        }
    }
}

ech_status ech_split_dirichlet(const ech_split_data *data, uint32_t worker_count,
                               double samples_alpha, double labels_alpha, uint64_t seed,
                               ech_split **out)
{
    *out = NULL;
    dealer d = {0};
    uint32_t *owners = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status == ECH_OK) {
        status = ech_split_check_alpha("samples_alpha", samples_alpha);
    }
    if (status == ECH_OK) {
        status = ech_split_check_alpha("labels_alpha", labels_alpha);
    }
    if (status == ECH_OK) {
        status = dealer_allocate(&d, worker_count, data->class_count);
    }
    if (status == ECH_OK) {
        owners = ech_alloc(data->sample_count * sizeof *owners);
        status = owners != NULL
                     ? draw_quotas(&d, worker_count, data->sample_count, samples_alpha, seed)
                     : ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        status = draw_labels(&d, worker_count, labels_alpha, seed);
    }
    if (status == ECH_OK) {
        deal(&d, data, seed, owners);
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
    }
    ech_free(owners);
    dealer_free(&d);
    return status;
}
