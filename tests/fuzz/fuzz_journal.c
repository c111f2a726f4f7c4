#include "io/memo_journal_priv.h"
#include "tests/fuzz/fuzz.h"

static ech_status look_at(void *visitor, ech_hash128 key, const void *value, size_t value_bytes)
{
    size_t *sum = visitor;
    (void)key;
    for (size_t i = 0; i < value_bytes; i++) {
        *sum += ((const unsigned char *)value)[i];
    }
    return ECH_OK;
}

/* The journal beside a file of results, of generation 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    size_t sum = 0;
    ech_memo_journal *journal = NULL;
    if (ech_memo_journal_open(fuzz_store("journal", data, bytes), 0, &journal) == ECH_OK) {
        (void)ech_memo_journal_visit(journal, look_at, &sum);
    }
    ech_memo_journal_close(&journal);
    fuzz_remove("journal");
    fuzz_expect_balance(before);
    return 0;
}
