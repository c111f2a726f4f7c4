/**
 * @file strategy_rules.h
 * The rules that come with Echelon, one file each, and what they share. Private to the layer.
 */
#ifndef ECH_FED_STRATEGY_RULES_H
#define ECH_FED_STRATEGY_RULES_H

#include "runtime/fed/strategy.h"

extern const ech_strategy_rule ech_strategy_fedavg;
extern const ech_strategy_rule ech_strategy_fedsgd;
extern const ech_strategy_rule ech_strategy_fedprox;
extern const ech_strategy_rule ech_strategy_fedavgm;
extern const ech_strategy_rule ech_strategy_fedadagrad;
extern const ech_strategy_rule ech_strategy_fedadam;
extern const ech_strategy_rule ech_strategy_fedyogi;
extern const ech_strategy_rule ech_strategy_scaffold;
extern const ech_strategy_rule ech_strategy_fednova;
extern const ech_strategy_rule ech_strategy_feddyn;
extern const ech_strategy_rule ech_strategy_fedasync;
extern const ech_strategy_rule ech_strategy_fedbuff;
extern const ech_strategy_rule ech_strategy_median;
extern const ech_strategy_rule ech_strategy_trimmed_mean;
extern const ech_strategy_rule ech_strategy_krum;
extern const ech_strategy_rule ech_strategy_multi_krum;
extern const ech_strategy_rule ech_strategy_geometric_median;

/** Client part: the workers that the options' selection draws. */
ech_status ech_strategy_select(const ech_strategy *strategy, const ech_population *population,
                               uint64_t seed, uint64_t round, ech_selection *out);

/** Worker part: the weight of an update is its worker's number of samples. */
uint64_t ech_strategy_weight_samples(const ech_strategy *strategy, uint64_t samples);
/** Worker part: all updates count the same. */
uint64_t ech_strategy_weight_equally(const ech_strategy *strategy, uint64_t samples);

#endif
