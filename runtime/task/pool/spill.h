/**
 * @file spill.h
 * Records that find no room in memory: a queue in a file without a name, of which nothing is left
 * however the process ends. One owner.
 */
#ifndef ECH_TASK_SPILL_H
#define ECH_TASK_SPILL_H

#include "runtime/base/status.h"
#include "runtime/task/record.h"

/** Opaque. */
typedef struct ech_spill ech_spill;

/**
 * Make an empty one.
 *
 * @param folder  where the file lies; where it takes none (another host's, say), and for NULL:
 * $TMPDIR, or /tmp.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_spill_create(const char *folder, ech_spill **out);
/** Drops what it holds. Accepts NULL. */
void ech_spill_destroy(ech_spill **spill);

/** All of them or, with ECH_ERR_FILE, none. */
ech_status ech_spill_put(ech_spill *spill, const ech_task_record *records, size_t count);
/** The oldest ones; at most as many as it holds. @return ECH_OK; ECH_ERR_FILE, none taken. */
ech_status ech_spill_take(ech_spill *spill, ech_task_record *records, size_t count);
/** Records inside; 0 for NULL. */
uint64_t ech_spill_count(const ech_spill *spill);

#endif
