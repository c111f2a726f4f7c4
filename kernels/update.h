/**
 * @file update.h
 * Optimizer steps over a plan's parameter arena, and learning-rate schedules. Private to kernels/.
 *
 * Element by element, products and sums rounded one by one: the same bits for every instruction set
 * and number of threads.
 */
#ifndef ECH_KERNELS_UPDATE_H
#define ECH_KERNELS_UPDATE_H

#include "kernels/train.h"

/** State of an optimizer over one call of training. */
typedef struct ech_updater ech_updater;

/** @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_updater_create(ech_plan *plan, uint32_t threads, ech_updater **out);
void ech_updater_destroy(ech_updater **updater);

/**
 * Forget the past, and take the plan's parameters as the start that `proximal` pulls to.
 *
 * @param correction, gradient_term  layout order, as in ech_training_job; may be NULL.
 * @return ECH_OK; ECH_ERR_MEMORY when an optimizer first needs an array.
 */
ech_status ech_updater_begin(ech_updater *updater, const ech_optimizer *optimizer,
                             const float *correction, const float *gradient_term);

/** Memory of the arrays that an optimizer alone needs. */
uint64_t ech_updater_bytes(const ech_updater *updater, const ech_optimizer *optimizer);

/** One step on the plan's gradients. */
void ech_updater_step(ech_updater *updater, double learning_rate);

/** @return ECH_OK; ECH_ERR_ARGUMENT (a span that is not above 0, or within the warm-up). */
ech_status ech_schedule_check(const ech_schedule *schedule);

/** What the learning rate is multiplied by in a round (from 1 on) at a step (from 0 on) of `total`:
 *  the same bits on every machine. */
double ech_schedule_factor(const ech_schedule *schedule, uint64_t round, uint64_t step,
                           uint64_t total);

/** How much the gradients of the steps so far count, as in ech_training_result. */
double ech_updater_gradient_weight(const ech_updater *updater);

#endif
