/**
 * @file fit_compare.h
 * Which keys of two configurations must be the same for the same bits: of a run and its resume, of
 * a leader and its remote sites. Not collective.
 */
#ifndef ECH_APPS_FIT_COMPARE_H
#define ECH_APPS_FIT_COMPARE_H

#include <stdbool.h>

#include "runtime/base/config.h"
#include "runtime/base/hash.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/topology.h"

/** Keys that change where, how fast or how long a model is made, but none of its bits. A plug-in
 * may lie elsewhere: its hash is what the bits come from, and is compared with the kernels. */
bool ech_fit_key_may_change(const char *key);

/** A key's value as text, "absent" without one; the caller's: free. NULL without memory. */
char *ech_fit_key_text(const ech_config *config, const char *key);

/** Fingerprint of what a leader and its sites must have in common, paths left out. */
ech_status ech_fit_digest(const ech_config *config, const ech_topology *topology, ech_hash128 *out);

/** Fingerprint of a model's tensors: names, kinds and shapes. */
ech_status ech_fit_layout_digest(const ech_layout *layout, ech_hash128 *out);

#endif
