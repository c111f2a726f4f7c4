/**
 * @file models_priv.h
 * The models' descriptions, one source file a model or family. Private to kernels/models.
 */
#ifndef ECH_KERNELS_MODELS_PRIV_H
#define ECH_KERNELS_MODELS_PRIV_H

#include "kernels/models.h"

extern const ech_model ech_model_tinynet;
extern const ech_model ech_model_smallnet;
extern const ech_model ech_model_smallconv;
extern const ech_model ech_model_pflcnn;
extern const ech_model ech_model_mcmahancnn;
extern const ech_model ech_model_leafcnn;
extern const ech_model ech_model_squeezenet;
extern const ech_model ech_model_resnet18;
extern const ech_model ech_model_resnet34;
extern const ech_model ech_model_resnet50;
extern const ech_model ech_model_resnet101;
extern const ech_model ech_model_resnet152;

#endif
