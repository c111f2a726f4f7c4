/**
 * @file segment.h
 * Pages of a shared mapping: how many there are, making them, giving them back. Not collective.
 * Inside runtime/mpi only; windows call it.
 */
#ifndef ECH_MPI_SEGMENT_H
#define ECH_MPI_SEGMENT_H

#include <stdint.h>

#include "runtime/base/status.h"

/**
 * Back [base, base + bytes) of a shared mapping with memory.
 *
 * @param base       aligned to a page; `bytes` is rounded up to pages.
 * @param directory  file system that the mapping's file lies in, which has to have room as well;
 *                   NULL: an anonymous mapping.
 * @return ECH_OK, or ECH_ERR_MEMORY with the sizes (pages made so far stay).
 */
ech_status ech_segment_populate(void *base, uint64_t bytes, const char *directory);

/** Bytes of the range that are backed now. @return ECH_OK or ECH_ERR_SYSTEM or ECH_ERR_MEMORY. */
ech_status ech_segment_resident(void *base, uint64_t bytes, uint64_t *resident_bytes);

#endif
