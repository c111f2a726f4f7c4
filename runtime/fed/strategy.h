/**
 * @file strategy.h
 * Strategies: the rule of a federation, in Flight's four parts. The *client* part selects the
 * workers of a round, the *worker* part gives an update its weight, the *trainer* part sets what
 * local training does beyond the task's own options, the *aggregator* part turns the mean of the
 * updates into the next global model.
 *
 * A rule is a constant table; a strategy is a rule with its options and the state that it carries
 * from round to round. Names and defaults follow the papers. Selection, weights and update run on
 * the leader; the trainer part on the rank that trains. Not collective.
 */
#ifndef ECH_FED_STRATEGY_H
#define ECH_FED_STRATEGY_H

#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/async_rule.h"
#include "runtime/fed/collect_rule.h"
#include "runtime/fed/select.h"
#include "runtime/fed/trainer.h"

enum { ECH_STRATEGY_VECTORS_MAX = 4 };

/** What is summed: an update's state itself, or its difference to the global model. */
typedef enum { ECH_AGGREGATE_STATE, ECH_AGGREGATE_DIFFERENCE } ech_aggregate_form;

/** What travels beside the model, behind its values. */
typedef enum {
    ECH_EXTRA_NONE,
    ECH_EXTRA_NUMBER, /* up: one number with each update */
    ECH_EXTRA_VECTOR, /* up: value_count numbers with each update; down: the strategy's vector 0 */
} ech_strategy_extra;

/** One worker's part in a round, on the rank that trains it. */
typedef struct {
    const ech_layout *layout; /* the model's */
    const float *global;      /* the model's values, then what travels down with them */
    float *update;            /* room for the update's values, then for what travels up with them */
    float *kept;              /* the worker's own vector, where the rule keeps one; else NULL */
} ech_worker_part;

/** What a round brought to the leader. */
typedef struct {
    const float *mean;   /* weighted, of the updates; then of what travelled with them */
    uint64_t weight;     /* of the updates that came */
    uint64_t weight_all; /* of all workers that may be selected, by the rule's own weights */
} ech_aggregate;

/** A rule reads what its paper names and leaves the rest alone; what is read is checked against the
 * bounds in strategy_options.c. */
typedef struct {
    ech_select_rule selection;
    double proximal;         /* fedprox, fedasync: mu */
    double dynamic;          /* feddyn: alpha */
    double server_lr;        /* fedavgm, fedadagrad, fedadam, fedyogi, scaffold, fedbuff */
    double server_momentum;  /* fedavgm: beta; the adaptive rules: beta_1 */
    double server_beta2;     /* fedadam, fedyogi */
    double server_tau;       /* the adaptive rules */
    ech_async_options async; /* fedasync, fedbuff */
    ech_collect_options collect;
} ech_strategy_options;

/** The options that a rule reads, beside its selection. */
typedef enum {
    ECH_READS_PROXIMAL = 1 << 0,
    ECH_READS_DYNAMIC = 1 << 1,
    ECH_READS_SERVER_LR = 1 << 2,
    ECH_READS_SERVER_MOMENTUM = 1 << 3,
    ECH_READS_SERVER_BETA2 = 1 << 4,
    ECH_READS_SERVER_TAU = 1 << 5,
    ECH_READS_ALPHA = 1 << 6,
    ECH_READS_STALENESS = 1 << 7,
    ECH_READS_BUFFER = 1 << 8,
    ECH_READS_TRIM = 1 << 9,
    ECH_READS_SMOOTHING = 1 << 10,
    ECH_READS_ITERATIONS = 1 << 11,
} ech_strategy_reads;

typedef struct ech_strategy ech_strategy;

typedef struct {
    const char *name; /* as in `strategy: {name: ...}` */
    ech_aggregate_form form;
    /* Vectors like the model's values that the leader carries from round to round (momenta),
     * zero before the first unless `start` says otherwise; their names in a checkpoint, ended by
     * NULL. */
    const char *vector_names[ECH_STRATEGY_VECTORS_MAX + 1];
    ech_strategy_extra extra;
    /* Name of the vector like the model's values that each worker keeps between its rounds, zero
     * before its first; NULL: none. A worker then always trains on one host. */
    const char *kept_name;
    uint32_t reads;                /* ech_strategy_reads */
    ech_strategy_options defaults; /* of what it reads */

    /** Client: fill `out` with the workers of a round. */
    ech_status (*select)(const ech_strategy *strategy, const ech_population *population,
                         uint64_t seed, uint64_t round, ech_selection *out);
    /** Worker: weight of an update, from the worker's samples (1 where there is no data). */
    uint64_t (*weight)(const ech_strategy *strategy, uint64_t samples);
    /** Trainer: what the rule adds to a request. May use the update's room for scratch. NULL:
     * nothing. */
    void (*prepare)(const ech_strategy *strategy, const ech_worker_part *part,
                    ech_train_request *request);
    /** Trainer: from the trained update (in the rule's form) to what is summed. NULL: as it is. */
    void (*finish)(const ech_strategy *strategy, const ech_worker_part *part,
                   const ech_train_result *trained);
    /** Trainer: the update is in; what the worker keeps of it. NULL where it keeps nothing. */
    void (*keep)(const ech_strategy *strategy, const ech_worker_part *part);
    /** Aggregator: fill the vectors where zeros are no start. NULL: zeros. */
    void (*start)(ech_strategy *strategy);
    /** Aggregator: the next global values of parameters [first, first + count), in place. NULL: the
     * mean itself (only for ECH_AGGREGATE_STATE without extra). */
    void (*step)(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count);
    /** Aggregator of a rule that looks at every update; NULL: its updates are summed. Such a rule
     * is of ECH_AGGREGATE_STATE, without extra, and has no `step`: what it makes is the model. */
    const ech_collect_rule *collect;
    /** Aggregator of the asynchronous process; NULL: a rule of rounds in step, as all others. */
    const ech_async_rule *async;
} ech_strategy_rule;

struct ech_strategy {
    const ech_strategy_rule *rule;
    ech_strategy_options options;
    uint64_t value_count;
    ech_layout *layout;                       /* of what is summed: the model, then the extra */
    float *vectors[ECH_STRATEGY_VECTORS_MAX]; /* value_count each; NULL beyond the rule's names */
};

/** The options that a rule has where nothing else is said; of an unknown name those of fedavg. */
ech_strategy_options ech_strategy_defaults(const char *name);

/** ECH_ERR_ARGUMENT, naming option, value and bounds, if one that the rule reads is out of range.
 */
ech_status ech_strategy_check(const ech_strategy_rule *rule, const ech_strategy_options *options);

/**
 * @return ECH_OK; ECH_ERR_NOT_FOUND (no such rule; the message lists the names); ECH_ERR_ARGUMENT
 *         (an option out of range); ECH_ERR_MEMORY.
 */
ech_status ech_strategy_create(const char *name, const ech_strategy_options *options,
                               const ech_layout *layout, ech_strategy **out);
/** The same of a rule that has no name here. @param rule  borrowed until the strategy is destroyed.
 */
ech_status ech_strategy_create_of(const ech_strategy_rule *rule,
                                  const ech_strategy_options *options, const ech_layout *layout,
                                  ech_strategy **out);
void ech_strategy_destroy(ech_strategy **strategy);

/** Bytes that a worker gets, and sends back, in a round: the model's state and the extra. */
uint64_t ech_strategy_down_bytes(const ech_strategy *strategy);
uint64_t ech_strategy_up_bytes(const ech_strategy *strategy);

/** The next global values by a rule that has a step: `step` for parameters; running statistics have
 * no gradient and move by the mean itself. Counters stay.
 * @param layout  the model's. */
void ech_strategy_update(ech_strategy *strategy, const ech_layout *layout,
                         const ech_aggregate *aggregate, float *global);

/** The next model, in place, from the mean of what came (values in the rule's form, counters as
 * they are to be): by the rule's step, or the mean itself. */
void ech_strategy_advance(ech_strategy *strategy, const ech_layout *layout, ech_state_view mean,
                          uint64_t weight, uint64_t weight_all, ech_state model);

/** Write what travels down behind the values of the global model. */
void ech_strategy_publish(const ech_strategy *strategy, float *global);

/** The rule of this name, or NULL. */
const ech_strategy_rule *ech_strategy_rule_find(const char *name);
/** Rule by number, for listing names; NULL past the last. */
const ech_strategy_rule *ech_strategy_rule_at(uint32_t index);

/** In place, what an ECH_AGGREGATE_DIFFERENCE rule adds to the sum: update - global. */
void ech_strategy_difference(ech_state update, ech_state_view global, uint64_t value_count);

#endif
