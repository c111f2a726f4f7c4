#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/plugin_library.h"

/* The rule comes first: a strategy's pointer to its rule is a pointer to this. */
typedef struct {
    ech_strategy_rule rule;
    const ech_plugin_library *library;
} plugin_rule;

static const plugin_rule *rule_of(const ech_strategy *strategy)
{
    return (const plugin_rule *)strategy->rule;
}

static const ech_plugin *content_of(const ech_strategy *strategy)
{
    return ech_plugin_library_content(rule_of(strategy)->library);
}

static void *self_of(const ech_strategy *strategy)
{
    return ech_plugin_library_self(rule_of(strategy)->library);
}

static uint64_t weigh(const ech_strategy *strategy, uint64_t samples)
{
    const ech_plugin_strategy *own = content_of(strategy)->strategy;
    return own->weight != NULL ? own->weight(self_of(strategy), samples) : samples;
}

static void step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count)
{
    const ech_plugin_step part = {
        .mean = aggregate->mean,
        .vectors = strategy->vectors,
        .weight = aggregate->weight,
        .weight_all = aggregate->weight_all,
        .first = first,
        .count = count,
    };
    content_of(strategy)->strategy->step(self_of(strategy), &part, global);
}

/* ---- selection ---- */

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static ech_status refuse_choice(const ech_strategy *strategy, uint64_t round, const char *what)
{
    return ech_fail(ECH_ERR_CONFIG, "round %llu: the selection of the plug-in '%s' %s",
                    (unsigned long long)round, content_of(strategy)->selection->name, what);
}

/* Ascending places, each once, become workers. */
static ech_status accept_choice(const ech_strategy *strategy, uint64_t round,
                                const uint32_t *workers, uint32_t candidate_count,
                                ech_selection *out)
{
    if (out->count == 0 || out->count > candidate_count) {
        return refuse_choice(strategy, round, "chose nobody, or more than there are");
    }
    qsort(out->workers, out->count, sizeof *out->workers, by_number);
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->workers[i] >= candidate_count) {
            return refuse_choice(strategy, round, "chose a place that there is not");
        }
        if (i > 0 && out->workers[i] == out->workers[i - 1]) {
            return refuse_choice(strategy, round, "chose a place twice");
        }
    }
    for (uint32_t i = 0; i < out->count; i++) {
        out->workers[i] = workers[out->workers[i]];
    }
    return ECH_OK;
}

static ech_status choose(const ech_strategy *strategy, ech_plugin_candidates *candidates,
                         uint32_t *workers, uint64_t *samples, const ech_population *population,
                         ech_selection *out)
{
    for (uint32_t i = 0; i < candidates->count; i++) {
        workers[i] = ech_population_worker(population, i);
        samples[i] = ech_population_samples(population, workers[i]);
    }
    candidates->workers = workers;
    candidates->samples = samples;
    const ech_plugin_selection *own = content_of(strategy)->selection;
    out->count = own->select(self_of(strategy), candidates, out->workers);
    return accept_choice(strategy, candidates->round, workers, candidates->count, out);
}

static ech_status select_workers(const ech_strategy *strategy, const ech_population *population,
                                 uint64_t seed, uint64_t round, ech_selection *out)
{
    ech_plugin_candidates candidates = {
        .seed = seed, .round = round, .count = ech_population_count(population)};
    uint32_t *workers = ech_calloc(candidates.count, sizeof *workers);
    uint64_t *samples = ech_calloc(candidates.count, sizeof *samples);
    ech_status status = ech_selection_reserve(out, candidates.count);
    if (workers == NULL || samples == NULL) {
        status = ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        status = choose(strategy, &candidates, workers, samples, population, out);
    }
    ech_free(workers);
    ech_free(samples);
    return status;
}

/* ---- the rule ---- */

ech_status ech_plugin_rule_create(const ech_plugin_library *library, const ech_strategy_rule *base,
                                  ech_strategy_rule **out)
{
    const ech_plugin *content = ech_plugin_library_content(library);
    plugin_rule *made = ech_calloc(1, sizeof *made);
    *out = NULL;
    if (made == NULL) {
        return ECH_ERR_MEMORY;
    }
    *made = (plugin_rule){.rule = *base, .library = library};
    if (content->strategy != NULL) {
        made->rule = (ech_strategy_rule){
            .name = content->strategy->name,
            .form =
                content->strategy->of_difference ? ECH_AGGREGATE_DIFFERENCE : ECH_AGGREGATE_STATE,
            .defaults = base->defaults,
            .select = base->select,
            .weight = weigh,
            .step = step,
        };
        memcpy(made->rule.vector_names, content->strategy->vector_names,
               sizeof content->strategy->vector_names);
    }
    if (content->selection != NULL) {
        made->rule.select = select_workers;
    }
    *out = &made->rule;
    return ECH_OK;
}
