/**
 * @file split_priv.h
 * What the split rules share.
 */
#ifndef ECH_FED_SPLIT_PRIV_H
#define ECH_FED_SPLIT_PRIV_H

#include <stdbool.h>

#include "runtime/base/random.h"
#include "runtime/fed/split.h"

/* The `round` of a split's random streams: what a stream is drawn for. Never renumber. */
enum {
    ECH_SPLIT_STREAM_DEAL,
    ECH_SPLIT_STREAM_SIZES,
    ECH_SPLIT_STREAM_LABELS,
    ECH_SPLIT_STREAM_SHUFFLE, /* of one class' samples; `worker` is the class */
};

/** Check sizes and labels, which every rule needs. */
ech_status ech_split_check(const ech_split_data *data, uint32_t worker_count);

/** All sample numbers in random order. */
void ech_split_shuffle(uint32_t sample_count, uint64_t seed, uint32_t *order);

/** ECH_ERR_ARGUMENT unless `alpha` is a finite number above 0. */
ech_status ech_split_check_alpha(const char *name, double alpha);

/**
 * The samples of each class, shuffled: class c holds items[begins[c]] to items[begins[c + 1] - 1].
 * The arrays are the caller's, for ech_free.
 *
 * @param attempt  part of the stream's name: another one shuffles anew.
 */
ech_status ech_split_shuffle_classes(const ech_split_data *data, uint64_t seed, uint64_t attempt,
                                     uint32_t **begins, uint32_t **items);

/**
 * Draw `shares` ~ Dirichlet(alpha, ..., alpha): `count` numbers with sum 1. Where alpha is so small
 * that all of them underflow, the limit: one of them, drawn evenly, is 1.
 */
void ech_split_draw_dirichlet(ech_random *stream, double alpha, uint32_t count, double *shares);

#endif
