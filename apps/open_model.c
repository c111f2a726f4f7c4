#include "apps/open_model.h"

#include <stdio.h>

#include "kernels/models.h"

static ech_status parse_shape(const char *text, ech_shape *shape)
{
    char rest = '\0';
    if (sscanf(text, "%u,%u,%u%c", &shape->channels, &shape->height, &shape->width, &rest) != 3) {
        return ech_fail(ECH_ERR_CONFIG, "--input %s: expected C,H,W, such as 3,32,32", text);
    }
    return ECH_OK;
}

ech_status ech_open_model(const char *model, const char *input, uint32_t classes, ech_network **out)
{
    ech_shape shape = {0};
    *out = NULL;
    if (input == NULL) {
        return ech_model_open(model, NULL, classes, out);
    }
    const ech_status status = parse_shape(input, &shape);
    return status == ECH_OK ? ech_model_open(model, &shape, classes, out) : status;
}
