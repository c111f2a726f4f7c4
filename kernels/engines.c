#include "kernels/engines.h"

#include <string.h>

const ech_engine *const *ech_engines(ech_precision precision)
{
    static const ech_engine *const single[] = {
        &ech_engine_lanes,
#ifdef ECH_HAVE_LIBXSMM
        &ech_engine_blocked,
#endif
        &ech_engine_blas,    &ech_engine_reference_float, NULL,
    };
    static const ech_engine *const twice[] = {&ech_engine_reference_double, NULL};
    return precision == ECH_PRECISION_DOUBLE ? twice : single;
}

static const char *const choice_names[ECH_ENGINE_CHOICE_COUNT] = {
    [ECH_ENGINE_AUTO] = "auto",           [ECH_ENGINE_LANES] = "lanes",
    [ECH_ENGINE_BLOCKED] = "blocked",     [ECH_ENGINE_BLAS] = "blas",
    [ECH_ENGINE_REFERENCE] = "reference",
};

const char *ech_engine_choice_name(ech_engine_choice choice)
{
    return choice < ECH_ENGINE_CHOICE_COUNT ? choice_names[choice] : "unknown";
}

ech_engine_choice ech_engine_choice_find(const char *name)
{
    for (int i = 0; i < ECH_ENGINE_CHOICE_COUNT; i++) {
        if (strcmp(choice_names[i], name) == 0) {
            return (ech_engine_choice)i;
        }
    }
    return ECH_ENGINE_CHOICE_COUNT;
}

static const ech_engine *find_engine(const char *name, ech_precision precision)
{
    for (const ech_engine *const *e = ech_engines(precision); *e != NULL; e++) {
        if (strcmp((*e)->name, name) == 0) {
            return *e;
        }
    }
    return NULL;
}

/* The lanes engine pays where convolutions have few channels on a side and weights fit into the
 * cache; from 16 channels on both sides, blocks of channels fill the vectors without wasting any on
 * missing samples. Measured, not derived. */
enum { FEW_CHANNELS = 16, FEW_WEIGHTS = 1 << 18 };

static bool is_small(const ech_layer *layer)
{
    if (layer->kind == ECH_LAYER_CONV) {
        return layer->in.channels < FEW_CHANNELS || layer->out.channels < FEW_CHANNELS;
    }
    return layer->kind != ECH_LAYER_LINEAR ||
           ech_shape_count(layer->in) * layer->out.channels <= FEW_WEIGHTS;
}

/* Whether the whole network runs on lanes, and well: one format throughout. */
static bool suits_lanes(const ech_network *network, const ech_target *target)
{
    uint32_t taken = 0;
    for (uint32_t layer = 0; layer < network->layer_count; layer += taken) {
        taken = ech_engine_lanes.match(network, layer, target);
        if (taken == 0 || !is_small(&network->layers[layer])) {
            return false;
        }
    }
    return true;
}

static ech_status choose_best(const ech_network *network, uint32_t layer, const ech_target *target,
                              const ech_engine **engine, uint32_t *layer_count)
{
    const bool takes_lanes = suits_lanes(network, target);
    for (const ech_engine *const *e = ech_engines(target->precision); *e != NULL; e++) {
        if (*e == &ech_engine_lanes && !takes_lanes) {
            continue;
        }
        *layer_count = (*e)->match(network, layer, target);
        if (*layer_count > 0) {
            *engine = *e;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_UNSUPPORTED, "no engine runs layer %u of %s", layer, network->name);
}

ech_status ech_choose_engine(const ech_network *network, uint32_t layer, const ech_target *target,
                             ech_engine_choice choice, const ech_engine **engine,
                             uint32_t *layer_count)
{
    if (choice == ECH_ENGINE_AUTO) {
        return choose_best(network, layer, target, engine, layer_count);
    }
    const char *name = ech_engine_choice_name(choice);
    *engine = find_engine(name, target->precision);
    if (*engine == NULL) {
        return ech_fail(ECH_ERR_UNSUPPORTED, "engine %s %s", name,
                        target->precision == ECH_PRECISION_DOUBLE
                            ? "has no double values"
                            : "is not built in: this build is without libxsmm");
    }
    *layer_count = (*engine)->match(network, layer, target);
    if (*layer_count == 0) {
        return ech_fail(ECH_ERR_UNSUPPORTED, "engine %s cannot run layer %u of %s (%s %s)", name,
                        layer, network->name, ech_layer_kind_name(network->layers[layer].kind),
                        network->layers[layer].name);
    }
    return ECH_OK;
}
