/* A selection of one's own: the workers with the most samples, and one of the others in turn, so
 * that nobody is left out for good.
 *
 *     strategy: {plugin: build/examples/plugin_selection.so, plugin_options: "3"}
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/fed/plugin.h"

static bool create(const char *options, void **self, char reason[ECH_PLUGIN_REASON_BYTES])
{
    uint32_t *largest = malloc(sizeof *largest);
    char rest = 0;
    if (largest == NULL || sscanf(options, "%u%c", largest, &rest) != 1 || *largest == 0) {
        snprintf(reason, ECH_PLUGIN_REASON_BYTES, "expected how many of the largest workers");
        free(largest);
        return false;
    }
    *self = largest;
    return true;
}

/* Is a worker larger than another, or as large and of a lower number? */
static bool is_before(const ech_plugin_candidates *all, uint32_t a, uint32_t b)
{
    return all->samples[a] != all->samples[b] ? all->samples[a] > all->samples[b] : a < b;
}

static uint32_t choose(void *self, const ech_plugin_candidates *all, uint32_t *chosen)
{
    const uint32_t *most = self;
    uint32_t largest = 0; /* the first of `chosen`, in order of size */
    if (all->count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        uint32_t at = largest;
        while (at > 0 && is_before(all, i, chosen[at - 1])) {
            at--;
        }
        if (at >= *most) {
            continue;
        }
        largest += largest < *most ? 1 : 0;
        for (uint32_t j = largest - 1; j > at; j--) {
            chosen[j] = chosen[j - 1];
        }
        chosen[at] = i;
    }
    const uint32_t in_turn = (uint32_t)((all->round - 1) % all->count);
    for (uint32_t i = 0; i < largest; i++) {
        if (chosen[i] == in_turn) {
            return largest;
        }
    }
    chosen[largest] = in_turn;
    return largest + 1;
}

static const ech_plugin_selection selection = {.name = "largest", .select = choose};

ECH_PLUGIN_EXPORT const ech_plugin ECH_PLUGIN_SYMBOL = {
    .version = ECH_PLUGIN_VERSION,
    .create = create,
    .destroy = free,
    .selection = &selection,
};
