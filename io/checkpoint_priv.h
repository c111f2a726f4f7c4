/**
 * @file checkpoint_priv.h
 * What writer and reader of checkpoints share. Private to `io`.
 */
#ifndef ECH_IO_CHECKPOINT_PRIV_H
#define ECH_IO_CHECKPOINT_PRIV_H

#include "runtime/base/layout.h"

enum { ECH_CHECKPOINT_VERSION = 1, ECH_CHECKPOINT_PATH_BYTES = 96 };

/** "parameter", "statistic" or "counter". */
const char *ech_checkpoint_kind_text(ech_tensor_kind kind);

#endif
