/**
 * @file golden_priv.h
 * Golden files are not Echelon's: a child reads them, so that a bad one cannot take this process
 * down with HDF5. Private to `io`.
 */
#ifndef ECH_IO_GOLDEN_PRIV_H
#define ECH_IO_GOLDEN_PRIV_H

#include <stdint.h>

#include "io/golden.h"

enum { ECH_GOLDEN_LOGITS_MAX = 1 << 24, ECH_GOLDEN_DIGESTS_MAX = 1 << 16 };

/** ech_golden_read with a limit for its child. */
ech_status ech_golden_read_within(const char *path, uint64_t limit_ns, ech_golden **out);

/** ech_golden_read in this process. */
ech_status ech_golden_read_here(const char *path, ech_golden **out);

#endif
