#include <math.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"

/*
 * Weights of workers as a tree of sums: drawing and changing one take log2(workers) steps. A parent
 * is always computed from its children, never by differences, so a weight of zero leaves an exact
 * zero and can never be drawn. Leaf w is sums[size + w], the root sums[1].
 */
typedef struct {
    uint32_t size; /* a power of two */
    double *sums;
} weight_tree;

/* One tree a class, and one of ones for workers whose quota is not full. */
typedef struct {
    uint32_t class_count;
    weight_tree open;
    weight_tree *classes;
    double *sums; /* of all the trees */
    uint32_t *quotas;
} dealer;

void ech_split_draw_dirichlet(ech_random *stream, double alpha, uint32_t count, double *shares)
{
    double total = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        shares[i] = ech_random_gamma(stream, alpha);
        total += shares[i];
    }
    if (total == 0.0) {
        shares[ech_random_below(stream, count)] = 1.0;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        shares[i] /= total;
    }
}

static void tree_build(weight_tree *tree)
{
    for (uint32_t i = tree->size - 1; i > 0; i--) {
        tree->sums[i] = tree->sums[2 * i] + tree->sums[2 * i + 1];
    }
}

static void tree_clear_leaf(weight_tree *tree, uint32_t leaf)
{
    uint32_t at = tree->size + leaf;
    tree->sums[at] = 0.0;
    for (at /= 2; at > 0; at /= 2) {
        tree->sums[at] = tree->sums[2 * at] + tree->sums[2 * at + 1];
    }
}

/* A leaf drawn in proportion to its weight; the sum of all is not zero. */
static uint32_t tree_draw(const weight_tree *tree, double uniform)
{
    double rest = uniform * tree->sums[1];
    uint32_t at = 1;
    while (at < tree->size) {
        at *= 2;
        if (rest >= tree->sums[at] && tree->sums[at + 1] > 0.0) {
            rest -= tree->sums[at];
            at++;
        }
    }
    return at - tree->size;
}

static ech_status dealer_allocate(dealer *d, uint32_t worker_count, uint32_t class_count)
{
    uint32_t size = 1;
    while (size < worker_count) {
        size *= 2;
    }
    const size_t tree_sums = 2 * (size_t)size;
    d->class_count = class_count;
    d->sums = ech_calloc((class_count + (size_t)1) * tree_sums, sizeof *d->sums);
    d->classes = ech_calloc(class_count, sizeof *d->classes);
    d->quotas = ech_calloc(worker_count, sizeof *d->quotas);
    if (d->sums == NULL || d->classes == NULL || d->quotas == NULL) {
        return ECH_ERR_MEMORY;
    }
    d->open = (weight_tree){.size = size, .sums = d->sums};
    for (uint32_t c = 0; c < class_count; c++) {
        d->classes[c] = (weight_tree){.size = size, .sums = d->sums + (c + 1) * tree_sums};
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
        d->open.sums[d->open.size + w] = d->quotas[w] > 0 ? 1.0 : 0.0;
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
            d->classes[c].sums[d->classes[c].size + w] = shares[c];
        }
    }
    ech_free(shares);
    tree_build(&d->open);
    for (uint32_t c = 0; c < d->class_count; c++) {
        tree_build(&d->classes[c]);
    }
    return ECH_OK;
}

static void close_worker(dealer *d, uint32_t worker)
{
    tree_clear_leaf(&d->open, worker);
    for (uint32_t c = 0; c < d->class_count; c++) {
        tree_clear_leaf(&d->classes[c], worker);
    }
}

/* The samples in order, until all quotas are full. */
static void deal(dealer *d, const ech_split_data *data, uint64_t seed, uint32_t *owners)
{
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_DEAL, 0, 0);
    memset(owners, 0xff, data->sample_count * sizeof *owners);
    for (uint32_t i = 0; i < data->sample_count && d->open.sums[1] > 0.0; i++) {
        const weight_tree *tree = &d->classes[data->labels[i]];
        const weight_tree *source = tree->sums[1] > 0.0 ? tree : &d->open;
        const uint32_t worker = tree_draw(source, ech_random_uniform(&stream));
        owners[i] = worker;
        if (--d->quotas[worker] == 0) {
            close_worker(d, worker);
        }
    }
}

static ech_status check_alpha(const char *name, double alpha)
{
    if (!(alpha > 0.0) || isinf(alpha)) {
        return ech_fail(ECH_ERR_ARGUMENT, "split: %s is %g: expected a number above 0", name,
                        alpha);
    }
    return ECH_OK;
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
        status = check_alpha("samples_alpha", samples_alpha);
    }
    if (status == ECH_OK) {
        status = check_alpha("labels_alpha", labels_alpha);
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
