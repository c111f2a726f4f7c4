/**
 * @file memo_journal_priv.h
 * Results appended one by one, each with a checksum, to a file that one process has locked. Private
 * to `io`; no HDF5.
 *
 * The journal belongs to one generation of the HDF5 file beside it; flushing makes the next. One of
 * another generation is of no use: its results are in the HDF5 file, or that was taken away.
 */
#ifndef ECH_IO_MEMO_JOURNAL_PRIV_H
#define ECH_IO_MEMO_JOURNAL_PRIV_H

#include "io/memo_file.h"

/** Opaque. */
typedef struct ech_memo_journal ech_memo_journal;

/** Open or make the journal. Its results are kept if it is of this generation, up to the first that
 *  is not whole (its writer was killed). */
ech_status ech_memo_journal_open(const char *path, uint64_t generation, ech_memo_journal **out);
void ech_memo_journal_close(ech_memo_journal **journal);

ech_memo_file_info ech_memo_journal_describe(const ech_memo_journal *journal);
ech_status ech_memo_journal_append(ech_memo_journal *journal, ech_hash128 key, const void *value,
                                   size_t value_bytes);
ech_status ech_memo_journal_visit(ech_memo_journal *journal, ech_memo_file_visit visit,
                                  void *visitor);
/** Empty it. After a failure the next append tries again. */
ech_status ech_memo_journal_begin(ech_memo_journal *journal, uint64_t generation);

#endif
