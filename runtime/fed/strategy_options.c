/* What the options that a rule reads may be. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/fed/strategy.h"

typedef struct {
    ech_strategy_reads option;
    const char *name; /* as in messages */
    size_t offset;
    bool is_number; /* a uint32_t; else a double */
    double least;
    bool above;  /* `least` itself is out */
    double most; /* out itself, but for `reaches` */
    bool reaches;
    const char *expected;
} bounds;

#define REAL(field) offsetof(ech_strategy_options, field), false
#define NUMBER(field) offsetof(ech_strategy_options, field), true

static const bounds table[] = {
    {ECH_READS_PROXIMAL, "proximal", REAL(proximal), 0.0, false, INFINITY, false, "at least 0"},
    {ECH_READS_DYNAMIC, "alpha", REAL(dynamic), 0.0, true, INFINITY, false, "above 0"},
    {ECH_READS_SERVER_LR, "server_lr", REAL(server_lr), 0.0, true, INFINITY, false, "above 0"},
    {ECH_READS_SERVER_MOMENTUM, "server_momentum", REAL(server_momentum), 0.0, false, 1.0, false,
     "from 0 up to below 1"},
    {ECH_READS_SERVER_BETA2, "server_beta2", REAL(server_beta2), 0.0, false, 1.0, false,
     "from 0 up to below 1"},
    {ECH_READS_SERVER_TAU, "server_tau", REAL(server_tau), 0.0, true, INFINITY, false, "above 0"},
    {ECH_READS_ALPHA, "alpha", REAL(async.alpha), 0.0, true, 1.0, true, "above 0 and up to 1"},
    {ECH_READS_STALENESS, "staleness_a", REAL(async.staleness_a), 0.0, false, INFINITY, false,
     "at least 0"},
    {ECH_READS_STALENESS, "staleness_b", REAL(async.staleness_b), 0.0, false, INFINITY, false,
     "at least 0"},
    {ECH_READS_BUFFER, "buffer", NUMBER(async.buffer), 1.0, false, INFINITY, false,
     "at least one update"},
    {ECH_READS_TRIM, "trim", REAL(collect.trim), 0.0, false, 0.5, false, "from 0 up to below 0.5"},
    {ECH_READS_SMOOTHING, "smoothing", REAL(collect.smoothing), 0.0, true, INFINITY, false,
     "above 0"},
    {ECH_READS_ITERATIONS, "iterations", NUMBER(collect.iterations), 1.0, false, INFINITY, false,
     "at least one"},
};

static double value_of(const bounds *option, const ech_strategy_options *options)
{
    const char *at = (const char *)options + option->offset;
    return option->is_number ? (double)*(const uint32_t *)(const void *)at
                             : *(const double *)(const void *)at;
}

static bool is_within(const bounds *option, double value)
{
    const bool low = option->above ? value > option->least : value >= option->least;
    return low && (option->reaches ? value <= option->most : value < option->most);
}

ech_status ech_strategy_check(const ech_strategy_rule *rule, const ech_strategy_options *options)
{
    const double share = options->selection.share;
    if (!(share > 0.0 && share <= 1.0)) {
        return ech_fail(ECH_ERR_ARGUMENT, "participation is %g: expected above 0 and up to 1",
                        share);
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const double value = value_of(&table[i], options);
        if ((rule->reads & (uint32_t)table[i].option) != 0 && !is_within(&table[i], value)) {
            return ech_fail(ECH_ERR_ARGUMENT, "%s is %g: expected %s", table[i].name, value,
                            table[i].expected);
        }
    }
    return ECH_OK;
}
