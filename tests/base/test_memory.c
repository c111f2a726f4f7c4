#include <criterion/criterion.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

Test(memory, blocks_are_aligned_counted_and_kept_when_they_grow)
{
    char *block = ech_alloc(100);
    cr_assert_not_null(block);
    cr_expect_eq((uintptr_t)block % ECH_MEMORY_ALIGNMENT, 0);
    cr_expect_eq(ech_memory_held_bytes(), 100);
    memcpy(block, "kept", 5);
    block = ech_realloc(block, 1000, 8);
    cr_expect_str_eq(block, "kept");
    cr_expect_eq(ech_memory_held_bytes(), 8000);
    cr_expect_eq(ech_memory_live_count(), 1);
    ech_free(block);
    ech_free(NULL);
    cr_expect_eq(ech_memory_live_count(), 0);
}

Test(memory, an_impossible_size_is_refused_with_a_message)
{
    cr_expect_null(ech_alloc(SIZE_MAX));
    cr_expect_null(ech_calloc(SIZE_MAX / 2, 3));
    cr_expect_not_null(strstr(ech_status_message(), "cannot allocate"));
    cr_expect_eq(ech_memory_live_count(), 0);
}

Test(memory, populating_keeps_the_content)
{
    enum { BYTES = 1 << 20 };
    char *block = ech_alloc(BYTES);
    memset(block, 7, BYTES);
    ech_memory_populate(block, BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        cr_assert_eq(block[i], 7);
    }
    ech_free(block);
}

/* The published hash of the empty input, seed 0: XXH3's 128-bit test vectors. */
Test(hash, pieces_do_not_matter_and_the_empty_input_has_its_published_hash)
{
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(ech_hash_bytes("", 0), text);
    cr_expect_str_eq(text, "99aa06d3014798d86001c324468d497f");

    unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 31);
    }
    ech_hasher *hasher = NULL;
    cr_assert_eq(ech_hasher_create(&hasher), ECH_OK);
    ech_hasher_add(hasher, data, 1);
    ech_hasher_add(hasher, data + 1, 2999);
    ech_hasher_add(hasher, data + 3000, 2000);
    cr_expect(ech_hash_equal(ech_hasher_digest(hasher), ech_hash_bytes(data, sizeof data)));
    ech_hasher_destroy(&hasher);
    ech_hasher_destroy(&hasher);
}
