/**
 * @file strategy_rules.h
 * The rules that come with Echelon, one file each, and what they share. Private to strategy.c.
 */
#ifndef ECH_FED_STRATEGY_RULES_H
#define ECH_FED_STRATEGY_RULES_H

#include "runtime/fed/strategy.h"

extern const ech_strategy_rule ech_strategy_fedavg;
extern const ech_strategy_rule ech_strategy_fedsgd;

/** Client part: a fixed share of the eligible workers. */
ech_status ech_strategy_select_share(const ech_strategy *strategy, const ech_population *population,
                                     uint64_t seed, uint64_t round, ech_selection *out);

/** Worker part: the weight of an update is its worker's number of samples. */
uint64_t ech_strategy_weight_samples(const ech_strategy *strategy, uint64_t samples);

#endif
