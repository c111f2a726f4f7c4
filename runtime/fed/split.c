#include "runtime/fed/split.h"

#include <math.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/split_priv.h"

void ech_split_destroy(ech_split **split)
{
    if (split == NULL || *split == NULL) {
        return;
    }
    ech_free((*split)->offsets);
    ech_free((*split)->indices);
    ech_free(*split);
    *split = NULL;
}

static ech_status check_owners(const uint32_t *owners, uint32_t sample_count, uint32_t worker_count)
{
    for (uint32_t i = 0; i < sample_count; i++) {
        if (owners[i] >= worker_count && owners[i] != ECH_SPLIT_NOBODY) {
            return ech_fail(ECH_ERR_ARGUMENT,
                            "split: sample %u belongs to worker %u, but there are %u workers", i,
                            owners[i], worker_count);
        }
    }
    return ECH_OK;
}

/* Counting sort: a worker's samples stay in ascending order. */
static void fill_split(ech_split *split, const uint32_t *owners, uint32_t sample_count)
{
    uint64_t *ends = split->offsets + 1;
    for (uint32_t i = 0; i < sample_count; i++) {
        if (owners[i] != ECH_SPLIT_NOBODY) {
            ends[owners[i]]++;
        }
    }
    uint64_t begin = 0;
    for (uint32_t w = 0; w < split->worker_count; w++) {
        const uint64_t count = ends[w];
        ends[w] = begin;
        begin += count;
    }
    for (uint32_t i = 0; i < sample_count; i++) {
        if (owners[i] != ECH_SPLIT_NOBODY) {
            split->indices[ends[owners[i]]++] = i;
        }
    }
}

ech_status ech_split_from_owners(const uint32_t *owners, uint32_t sample_count,
                                 uint32_t worker_count, ech_split **out)
{
    *out = NULL;
    const ech_status status = check_owners(owners, sample_count, worker_count);
    if (status != ECH_OK) {
        return status;
    }
    ech_split *split = ech_calloc(1, sizeof *split);
    if (split == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < sample_count; i++) {
        split->sample_count += owners[i] != ECH_SPLIT_NOBODY;
    }
    split->worker_count = worker_count;
    split->offsets = ech_calloc((size_t)worker_count + 1, sizeof *split->offsets);
    split->indices = ech_alloc(split->sample_count * sizeof *split->indices);
    if (split->offsets == NULL || split->indices == NULL) {
        ech_split_destroy(&split);
        return ECH_ERR_MEMORY;
    }
    fill_split(split, owners, sample_count);
    *out = split;
    return ECH_OK;
}

ech_status ech_split_check(const ech_split_data *data, uint32_t worker_count)
{
    if (worker_count == 0 || worker_count > data->sample_count) {
        return ech_fail(ECH_ERR_CONFIG, "split: %u samples cannot be dealt to %u workers",
                        data->sample_count, worker_count);
    }
    for (uint32_t i = 0; i < data->sample_count; i++) {
        if (data->labels[i] >= data->class_count) {
            return ech_fail(ECH_ERR_ARGUMENT, "split: sample %u has label %u of %u classes", i,
                            data->labels[i], data->class_count);
        }
    }
    return ECH_OK;
}

void ech_split_shuffle(uint32_t sample_count, uint64_t seed, uint32_t *order)
{
    for (uint32_t i = 0; i < sample_count; i++) {
        order[i] = i;
    }
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_DEAL, 0, 0);
    ech_random_shuffle_u32(&stream, order, sample_count);
}

ech_status ech_split_check_alpha(const char *name, double alpha)
{
    if (!(alpha > 0.0) || isinf(alpha)) {
        return ech_fail(ECH_ERR_ARGUMENT, "split: %s is %g: expected a number above 0", name,
                        alpha);
    }
    return ECH_OK;
}

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

ech_status ech_split_iid(const ech_split_data *data, uint32_t worker_count, uint64_t seed,
                         ech_split **out)
{
    *out = NULL;
    ech_status status = ech_split_check(data, worker_count);
    if (status != ECH_OK) {
        return status;
    }
    uint32_t *order = ech_alloc(data->sample_count * sizeof *order);
    uint32_t *owners = ech_alloc(data->sample_count * sizeof *owners);
    status = order != NULL && owners != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        ech_split_shuffle(data->sample_count, seed, order);
        for (uint32_t i = 0; i < data->sample_count; i++) {
            owners[order[i]] = (uint32_t)((uint64_t)i * worker_count / data->sample_count);
        }
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
    }
    ech_free(order);
    ech_free(owners);
    return status;
}

ech_status ech_split_deal(const ech_split_data *data, uint32_t worker_count,
                          const ech_split_rule *rule, uint64_t seed, ech_split **out)
{
    switch (rule->kind) {
    case ECH_SPLIT_IID:
        return ech_split_iid(data, worker_count, seed, out);
    case ECH_SPLIT_DIRICHLET:
        return ech_split_dirichlet(data, worker_count, rule->samples_alpha, rule->labels_alpha,
                                   seed, out);
    case ECH_SPLIT_LABEL:
        return ech_split_label(data, worker_count, rule->labels_alpha, rule->least, seed, out);
    case ECH_SPLIT_CLASSES:
        return ech_split_classes(data, worker_count, rule->classes_each, seed, out);
    case ECH_SPLIT_SHARDS:
        return ech_split_shards(data, worker_count, rule->shards_each, seed, out);
    case ECH_SPLIT_LOG_NORMAL:
        return ech_split_log_normal(data, worker_count, rule->sigma, seed, out);
    case ECH_SPLIT_KIND_COUNT:
        break;
    }
    *out = NULL;
    return ech_fail(ECH_ERR_ARGUMENT, "split: no rule of number %d", (int)rule->kind);
}
