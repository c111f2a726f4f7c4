/**
 * @file engines.h
 * The engines that exist. Private to kernels/.
 */
#ifndef ECH_KERNELS_ENGINES_H
#define ECH_KERNELS_ENGINES_H

#include "kernels/engine.h"

/**
 * Which engine runs the step that begins with `layer`, and how many layers it takes.
 *
 * @return ECH_OK; ECH_ERR_UNSUPPORTED with a message that names the layer: an engine asked for by
 *         name is taken or refused, never replaced.
 */
ech_status ech_choose_engine(const ech_network *network, uint32_t layer, const ech_target *target,
                             ech_engine_choice choice, const ech_engine **engine,
                             uint32_t *layer_count);

extern const ech_engine ech_engine_reference_float;
extern const ech_engine ech_engine_reference_double;
extern const ech_engine ech_engine_lanes;
extern const ech_engine ech_engine_blas;
extern const ech_engine ech_engine_blocked; /* with ECH_HAVE_LIBXSMM only */

#endif
