/**
 * @file split.h
 * How training samples are dealt to workers.
 *
 * Every rule gives one owner a sample (or none) and then the same two arrays: worker w holds
 * `indices[offsets[w]] ... indices[offsets[w + 1] - 1]`, ascending. Only integers leave this file;
 * random numbers come from the stream (seed, split), so a split repeats on every machine. Not
 * collective.
 */
#ifndef ECH_FED_SPLIT_H
#define ECH_FED_SPLIT_H

#include <stdint.h>

#include "runtime/base/status.h"

#define ECH_SPLIT_NOBODY UINT32_MAX

enum { ECH_SPLIT_SIGMA_MAX = 20 }; /* of log-normal sizes */

typedef struct {
    uint32_t worker_count;
    uint64_t sample_count; /* dealt out: offsets[worker_count] */
    uint64_t *offsets;     /* worker_count + 1 */
    uint32_t *indices;     /* sample numbers of the data set */
} ech_split;

/** The labels that a rule may look at. Borrowed during the call. */
typedef struct {
    const uint8_t *labels; /* one a sample, each below class_count */
    uint32_t sample_count;
    uint32_t class_count;
} ech_split_data;

/**
 * Every sample dealt at random, workers' sizes equal to within one.
 *
 * Each rule: ECH_OK; ECH_ERR_CONFIG (more workers than samples); ECH_ERR_ARGUMENT (a parameter or
 * label out of range); ECH_ERR_MEMORY. The caller owns the split.
 */
ech_status ech_split_iid(const ech_split_data *data, uint32_t worker_count, uint64_t seed,
                         ech_split **out);

/**
 * Flight's rule: shares of the data over workers ~ Dirichlet(samples_alpha), a label distribution
 * for each worker ~ Dirichlet(labels_alpha); the samples, in order, each go to a worker drawn among
 * those whose quota floor(share * N) is not full, in proportion to the workers' probabilities of
 * its label (equally, where all of these are zero). What is left when all quotas are full goes to
 * nobody.
 */
ech_status ech_split_dirichlet(const ech_split_data *data, uint32_t worker_count,
                               double samples_alpha, double labels_alpha, uint64_t seed,
                               ech_split **out);

/**
 * Hsu, Qi and Brown (2019), as NIID-Bench deals: class by class, shares ~ Dirichlet(labels_alpha)
 * over the workers, where the share of a worker that has N / workers samples already is set to
 * zero. Drawn again until each worker has `least`; ECH_ERR_CONFIG after a thousand draws in vain.
 */
ech_status ech_split_label(const ech_split_data *data, uint32_t worker_count, double labels_alpha,
                           uint32_t least, uint64_t seed, ech_split **out);

/**
 * Worker i has class i (modulo their number) and `classes_each` - 1 distinct others at random; a
 * class is shared equally between those who have it, and left to nobody if none has.
 */
ech_status ech_split_classes(const ech_split_data *data, uint32_t worker_count,
                             uint32_t classes_each, uint64_t seed, ech_split **out);

/** McMahan et al. (2017): the samples sorted by class in equal shards, `shards_each` at random for
 *  each worker. */
ech_status ech_split_shards(const ech_split_data *data, uint32_t worker_count, uint32_t shards_each,
                            uint64_t seed, ech_split **out);

/** All samples at random, in sizes that are log-normal: exp(sigma z) to one another, z normal. */
ech_status ech_split_log_normal(const ech_split_data *data, uint32_t worker_count, double sigma,
                                uint64_t seed, ech_split **out);

/** The rules that look at labels and random numbers alone, with the parameters of all of them. */
typedef enum {
    ECH_SPLIT_IID,
    ECH_SPLIT_DIRICHLET,
    ECH_SPLIT_LABEL,
    ECH_SPLIT_CLASSES,
    ECH_SPLIT_SHARDS,
    ECH_SPLIT_LOG_NORMAL,
    ECH_SPLIT_KIND_COUNT
} ech_split_kind;

typedef struct {
    ech_split_kind kind;
    double samples_alpha;  /* dirichlet */
    double labels_alpha;   /* dirichlet, label */
    uint32_t least;        /* label */
    uint32_t classes_each; /* classes */
    uint32_t shards_each;  /* shards */
    double sigma;          /* log-normal */
} ech_split_rule;

/** Deal by a rule. */
ech_status ech_split_deal(const ech_split_data *data, uint32_t worker_count,
                          const ech_split_rule *rule, uint64_t seed, ech_split **out);

/**
 * By natural ids: the distinct ids, ascending, are dealt to the workers in runs of even length; a
 * sample with ECH_SPLIT_NOBODY goes to nobody. ECH_ERR_CONFIG if there are more workers than ids.
 */
ech_status ech_split_from_ids(const uint32_t *ids, uint32_t sample_count, uint32_t worker_count,
                              ech_split **out);

/** From one owner a sample, ECH_SPLIT_NOBODY for none; an owner beyond the workers is refused. */
ech_status ech_split_from_owners(const uint32_t *owners, uint32_t sample_count,
                                 uint32_t worker_count, ech_split **out);

void ech_split_destroy(ech_split **split);

/** Samples of one worker. */
static inline uint64_t ech_split_count(const ech_split *split, uint32_t worker)
{
    return split->offsets[worker + 1] - split->offsets[worker];
}

#endif
