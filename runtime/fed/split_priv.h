/**
 * @file split_priv.h
 * What the split rules share.
 */
#ifndef ECH_FED_SPLIT_PRIV_H
#define ECH_FED_SPLIT_PRIV_H

#include "runtime/base/random.h"
#include "runtime/fed/split.h"

/* The `round` of a split's random streams: what a stream is drawn for. Never renumber. */
enum { ECH_SPLIT_STREAM_DEAL, ECH_SPLIT_STREAM_SIZES, ECH_SPLIT_STREAM_LABELS };

/** Check sizes and labels, which every rule needs. */
ech_status ech_split_check(const ech_split_data *data, uint32_t worker_count);

/**
 * Draw `shares` ~ Dirichlet(alpha, ..., alpha): `count` numbers with sum 1. Where alpha is so small
 * that all of them underflow, the limit: one of them, drawn evenly, is 1.
 */
void ech_split_draw_dirichlet(ech_random *stream, double alpha, uint32_t count, double *shares);

#endif
