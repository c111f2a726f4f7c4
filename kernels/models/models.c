#include "kernels/models.h"

#include <stdio.h>
#include <string.h>

#include "kernels/models/models_priv.h"

static const ech_model *const models[] = {
    &ech_model_tinynet,    &ech_model_smallnet, &ech_model_smallconv,  &ech_model_pflcnn,
    &ech_model_mcmahancnn, &ech_model_leafcnn,  &ech_model_squeezenet, &ech_model_resnet18,
    &ech_model_resnet34,   &ech_model_resnet50, &ech_model_resnet101,  &ech_model_resnet152,
};

enum { MODEL_COUNT = sizeof models / sizeof models[0] };

const ech_model *ech_model_at(size_t number)
{
    return number < MODEL_COUNT ? models[number] : NULL;
}

const ech_model *ech_model_find(const char *name)
{
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (strcmp(models[i]->name, name) == 0) {
            return models[i];
        }
    }
    return NULL;
}

static ech_status fail_unknown(const char *name)
{
    char known[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < MODEL_COUNT && length < sizeof known; i++) {
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s",
                                   i == 0 ? "" : ", ", models[i]->name);
    }
    return ech_fail(ECH_ERR_CONFIG, "unknown model '%s'; known are %s", name, known);
}

ech_status ech_model_create(const char *name, const ech_shape *input, uint32_t classes,
                            ech_network **out)
{
    *out = NULL;
    const ech_model *model = ech_model_find(name);
    if (model == NULL) {
        return fail_unknown(name);
    }
    ech_network *network = NULL;
    ech_status status = ech_network_create(name, input != NULL ? *input : model->input,
                                           classes != 0 ? classes : model->classes, &network);
    if (status == ECH_OK) {
        status = model->build(network);
    }
    if (status != ECH_OK) {
        ech_network_destroy(&network);
    }
    *out = network;
    return status;
}
