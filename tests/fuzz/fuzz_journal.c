#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memo_journal_priv.h"
#include "tests/fuzz/fuzz.h"

enum { SOUND_ENTRIES = 2 };

static void expect(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, ech_status_message());
        abort();
    }
}

static ech_status look_at(void *visitor, ech_hash128 key, const void *value, size_t value_bytes)
{
    size_t *sum = visitor;
    (void)key;
    for (size_t i = 0; i < value_bytes; i++) {
        *sum += ((const unsigned char *)value)[i];
    }
    return ECH_OK;
}

/* @return results that were found, each of which can be visited. */
static uint64_t read_journal(const char *path)
{
    size_t sum = 0;
    uint64_t results = 0;
    ech_memo_journal *journal = NULL;
    if (ech_memo_journal_open(path, 0, &journal) == ECH_OK) {
        results = ech_memo_journal_describe(journal).results;
        expect(ech_memo_journal_visit(journal, look_at, &sum) == ECH_OK, "a result is gone");
    }
    ech_memo_journal_close(&journal);
    return results;
}

/* A journal of whole entries, the last of which is the input. @return its path. */
static const char *store_entries(const uint8_t *data, size_t bytes)
{
    ech_memo_journal *journal = NULL;
    const char *path = fuzz_store("journal", data, 0);
    expect(ech_memo_journal_open(path, 0, &journal) == ECH_OK, "cannot be made");
    for (uint64_t i = 0; i < SOUND_ENTRIES; i++) {
        const size_t value_bytes = i + 1 < SOUND_ENTRIES ? 0 : bytes;
        expect(ech_memo_journal_append(journal, (ech_hash128){.low = i}, data, value_bytes) ==
                   ECH_OK,
               "cannot be added to");
    }
    ech_memo_journal_close(&journal);
    return path;
}

/* What lies behind whole entries does not take them away. */
static void read_behind_entries(const uint8_t *data, size_t bytes)
{
    const char *path = store_entries(data, bytes);
    FILE *file = fopen(path, "ab");
    expect(file != NULL && fwrite(data, 1, bytes, file) == bytes, "cannot be added to");
    expect(fclose(file) == 0, "cannot be closed");
    expect(read_journal(path) >= SOUND_ENTRIES, "a whole entry is gone");
}

/* The writer died before it had written the last bytes: as many as the input's first says. */
static void read_cut_entry(const uint8_t *data, size_t bytes)
{
    struct stat whole;
    const char *path = store_entries(data, bytes);
    const off_t cut = bytes > 0 ? 1 + data[0] % (off_t)bytes : 1;
    expect(read_journal(path) == SOUND_ENTRIES, "a whole entry is left out");
    expect(stat(path, &whole) == 0 && truncate(path, whole.st_size - cut) == 0, "cannot be cut");
    expect(read_journal(path) == SOUND_ENTRIES - 1, "an entry that was cut is taken");
}

/* The journal beside a file of results, of generation 0: all of it, behind sound entries, which no
 * checksum keeps out, and as one that is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    (void)read_journal(fuzz_store("journal", data, bytes));
    read_behind_entries(data, bytes);
    read_cut_entry(data, bytes);
    fuzz_remove("journal");
    fuzz_expect_balance(before);
    return 0;
}
