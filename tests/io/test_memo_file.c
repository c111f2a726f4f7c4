/* Kept results: what was put comes back, however the process ended. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "io/memo_file.h"
#include "runtime/base/log.h"
#include "tests/io/fixture.h"

enum { RESULTS = 3000, VALUE_BYTES_MAX = 1 << 21 };

TestSuite(memo_file, .init = fixture_start, .fini = fixture_stop);

static ech_hash128 key_of(uint64_t number)
{
    return ech_hash_bytes(&number, sizeof number);
}

/* Most are small, some empty, one larger than a piece of the reader. */
static size_t bytes_of(uint64_t number)
{
    return number == 77 ? VALUE_BYTES_MAX : number % 41;
}

static unsigned char *make_value(uint64_t number)
{
    unsigned char *value = malloc(bytes_of(number) + 1);
    memset(value, (int)(number % 251), bytes_of(number));
    return value;
}

static ech_status put(ech_memo_file *file, uint64_t number)
{
    unsigned char *value = make_value(number);
    const ech_status status = ech_memo_file_put(file, key_of(number), value, bytes_of(number));
    free(value);
    return status;
}

/* What `load` finds must be exactly the results 0 to count - 1, each once. */
typedef struct {
    uint64_t count;
    bool *seen;
} expected;

static ech_status visit(void *visitor, ech_hash128 key, const void *value, size_t value_bytes)
{
    expected *results = visitor;
    for (uint64_t number = 0; number < results->count; number++) {
        if (!results->seen[number] && ech_hash_equal(key, key_of(number))) {
            unsigned char *wanted = make_value(number);
            const bool same =
                value_bytes == bytes_of(number) && memcmp(value, wanted, value_bytes) == 0;
            free(wanted);
            results->seen[number] = true;
            return same ? ECH_OK : ech_fail(ECH_ERR_NUMERIC, "value %d differs", (int)number);
        }
    }
    return ech_fail(ECH_ERR_NOT_FOUND, "a result that was not put, or twice");
}

static void expect_results(ech_memo_file *file, uint64_t count)
{
    expected results = {count, calloc(count + 1, sizeof(bool))};
    cr_expect_eq(ech_memo_file_load(file, visit, &results), ECH_OK, "%s", ech_status_message());
    for (uint64_t i = 0; i < count; i++) {
        cr_expect(results.seen[i], "result %d is not there", (int)i);
    }
    cr_expect_eq(ech_memo_file_describe(file).results, count);
    free(results.seen);
}

static ech_memo_file *open_file(void)
{
    ech_memo_file *file = NULL;
    cr_assert_eq(ech_memo_file_open(fixture_io, fixture_path("memo.h5"), &file), ECH_OK, "%s",
                 ech_status_message());
    return file;
}

static void put_many(ech_memo_file *file, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i < last; i++) {
        cr_assert_eq(put(file, i), ECH_OK, "%s", ech_status_message());
    }
}

Test(memo_file, an_absent_file_holds_nothing)
{
    ech_memo_file *file = open_file();
    expect_results(file, 0);
    ech_memo_file_close(&file);
}

Test(memo_file, results_come_back_from_the_journal_and_from_the_file)
{
    ech_memo_file *file = open_file();
    put_many(file, 0, RESULTS / 3);
    ech_memo_file_close(&file);
    file = open_file();
    expect_results(file, RESULTS / 3);
    cr_assert_eq(ech_memo_file_flush(file), ECH_OK, "%s", ech_status_message());
    expect_results(file, RESULTS / 3);
    put_many(file, RESULTS / 3, RESULTS / 2);
    ech_memo_file_close(&file);
    file = open_file();
    expect_results(file, RESULTS / 2);
    cr_assert_eq(ech_memo_file_flush(file), ECH_OK);
    put_many(file, RESULTS / 2, RESULTS);
    cr_assert_eq(ech_memo_file_flush(file), ECH_OK);
    ech_memo_file_close(&file);
    file = open_file();
    expect_results(file, RESULTS);
    ech_memo_file_close(&file);
    ech_memo_file_info info = {0};
    cr_expect_eq(ech_memo_file_read_info(fixture_io, fixture_path("memo.h5"), &info), ECH_OK);
    cr_expect_eq(info.results, RESULTS);
}

Test(memo_file, a_journal_is_cut_at_any_byte)
{
    ech_log_set_level(ECH_LOG_ERROR);
    ech_memo_file *file = open_file();
    put_many(file, 0, 20);
    ech_memo_file_close(&file);
    size_t bytes = 0;
    unsigned char *journal = fixture_load(fixture_path("memo.h5.journal"), &bytes);
    uint64_t before = 0;
    for (size_t length = 0; length <= bytes; length++) {
        fixture_store(fixture_path("memo.h5.journal"), journal, length);
        file = open_file();
        const uint64_t count = ech_memo_file_describe(file).results;
        cr_assert(count == before || count == before + 1, "%zu bytes hold %d", length, (int)count);
        before = count;
        ech_memo_file_close(&file);
    }
    cr_expect_eq(before, 20);
    free(journal);
}

Test(memo_file, a_flipped_bit_in_the_journal_costs_what_is_behind_it)
{
    ech_memo_file *file = open_file();
    put_many(file, 0, 20);
    ech_memo_file_close(&file);
    size_t bytes = 0;
    unsigned char *journal = fixture_load(fixture_path("memo.h5.journal"), &bytes);
    journal[bytes - 1] ^= 4;
    fixture_store(fixture_path("memo.h5.journal"), journal, bytes);
    file = open_file();
    expect_results(file, 19);
    put_many(file, 19, 25);
    ech_memo_file_close(&file);
    file = open_file();
    expect_results(file, 25);
    ech_memo_file_close(&file);
    free(journal);
}

/* Killed between the two steps of a flush: the file is new, the journal still the old one. */
Test(memo_file, a_flush_that_was_cut_short_doubles_nothing)
{
    ech_memo_file *file = open_file();
    put_many(file, 0, 20);
    size_t bytes = 0;
    unsigned char *journal = fixture_load(fixture_path("memo.h5.journal"), &bytes);
    cr_assert_eq(ech_memo_file_flush(file), ECH_OK);
    ech_memo_file_close(&file);
    fixture_store(fixture_path("memo.h5.journal"), journal, bytes);
    file = open_file();
    expect_results(file, 20);
    ech_memo_file_close(&file);
    free(journal);
}

Test(memo_file, two_processes_cannot_share_it)
{
    ech_memo_file *file = open_file();
    ech_memo_file *second = NULL;
    cr_expect_eq(ech_memo_file_open(fixture_io, fixture_path("memo.h5"), &second), ECH_ERR_FILE);
    fixture_expect_message("another process");
    cr_expect_null(second);
    ech_memo_file_close(&file);
}

Test(memo_file, a_damaged_file_is_refused)
{
    ech_memo_file *file = open_file();
    put_many(file, 0, 20);
    cr_assert_eq(ech_memo_file_flush(file), ECH_OK);
    ech_memo_file_close(&file);
    fixture_flip(fixture_path("memo.h5"), 3000, 2);
    cr_expect_eq(ech_memo_file_open(fixture_io, fixture_path("memo.h5"), &file), ECH_ERR_FORMAT);
    fixture_expect_message("memo.h5");
    cr_expect_null(file);
}
