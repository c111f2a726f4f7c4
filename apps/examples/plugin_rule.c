/* A rule of one's own: the mean difference drives Nesterov's momentum at the server.
 *
 *     strategy: {plugin: build/examples/plugin_rule.so, plugin_options: "rate=1 momentum=0.9"}
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/fed/plugin.h"

enum { MOMENTUM };

typedef struct {
    double rate, momentum;
} nesterov;

static bool create(const char *options, void **self, char reason[ECH_PLUGIN_REASON_BYTES])
{
    nesterov *made = malloc(sizeof *made);
    if (made == NULL) {
        snprintf(reason, ECH_PLUGIN_REASON_BYTES, "no memory");
        return false;
    }
    *made = (nesterov){.rate = 1.0, .momentum = 0.9};
    char rest = 0;
    const bool is_given = options[0] != '\0';
    if (is_given &&
        (sscanf(options, "rate=%lf momentum=%lf%c", &made->rate, &made->momentum, &rest) != 2 ||
         !(made->rate > 0.0) || !(made->momentum >= 0.0 && made->momentum < 1.0))) {
        snprintf(reason, ECH_PLUGIN_REASON_BYTES, "expected \"rate=R momentum=M\"");
        free(made);
        return false;
    }
    *self = made;
    return true;
}

static void step(void *self, const ech_plugin_step *part, float *global)
{
    const nesterov *rule = self;
    float *momentum = part->vectors[MOMENTUM];
    for (uint64_t i = part->first; i < part->first + part->count; i++) {
        const double difference = (double)part->mean[i];
        const double moved = rule->momentum * (double)momentum[i] + difference;
        momentum[i] = (float)moved;
        global[i] = (float)((double)global[i] + rule->rate * (difference + rule->momentum * moved));
    }
}

static const ech_plugin_strategy strategy = {
    .name = "nesterov",
    .of_difference = true,
    .vector_names = {[MOMENTUM] = "momentum"},
    .step = step,
};

ECH_PLUGIN_EXPORT const ech_plugin ECH_PLUGIN_SYMBOL = {
    .version = ECH_PLUGIN_VERSION,
    .create = create,
    .destroy = free,
    .strategy = &strategy,
};
