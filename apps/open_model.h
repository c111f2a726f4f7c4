/**
 * @file open_model.h
 * A model as the command line names it: `--model` with `--input` and `--classes`. Not collective.
 */
#ifndef ECH_APPS_OPEN_MODEL_H
#define ECH_APPS_OPEN_MODEL_H

#include <stdint.h>

#include "kernels/network.h"

/**
 * @param model    a name, or the path of a file that describes one.
 * @param input    "C,H,W"; NULL: the model's own.
 * @param classes  0: the model's own.
 * @return ECH_OK; ECH_ERR_CONFIG (an input that is not C,H,W), or what ech_model_open returns.
 */
ech_status ech_open_model(const char *model, const char *input, uint32_t classes,
                          ech_network **out);

#endif
