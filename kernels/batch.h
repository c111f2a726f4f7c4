/**
 * @file batch.h
 * One batch of training images: gathered, varied, normalised, in the network input's format.
 * Private to kernels/.
 */
#ifndef ECH_KERNELS_BATCH_H
#define ECH_KERNELS_BATCH_H

#include "kernels/plan.h"
#include "kernels/train.h"
#include "runtime/base/random.h"

typedef struct ech_batch_maker ech_batch_maker;

/** @param batch  the largest. @return ECH_OK; ECH_ERR_ARGUMENT (too many channels, a deviation that
 *  is not positive); ECH_ERR_MEMORY. */
ech_status ech_batch_maker_create(const ech_network *network,
                                  const ech_normalisation *normalisation, uint32_t batch,
                                  ech_batch_maker **out);
void ech_batch_maker_destroy(ech_batch_maker **maker);

/**
 * Write samples to the plan's input and begin its batch.
 *
 * @param indices       `count` sample numbers; NULL: count samples from `first` on.
 * @param augmentation  NULL: none. Draws from `stream` in the samples' order.
 */
void ech_batch_make(ech_batch_maker *maker, ech_plan *plan, const ech_samples *samples,
                    const uint32_t *indices, uint64_t first, uint32_t count,
                    const ech_augmentation *augmentation, ech_random *stream);

/** The label of a sample. */
uint64_t ech_samples_label(const ech_samples *samples, uint64_t index);

#endif
