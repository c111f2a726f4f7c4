#include <criterion/criterion.h>

#include "runtime/base/hash.h"
#include "tests/support.h"

TestSuite(hash, .fini = ech_test_expect_no_leak);

/* Printed by xxhsum -H2 for these texts. */
Test(hash, texts_have_their_known_hashes)
{
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(ech_hash_bytes("", 0), text);
    cr_expect_str_eq(text, "99aa06d3014798d86001c324468d497f");
    ech_hash_text(ech_hash_bytes("echelon", 7), text);
    cr_expect_str_eq(text, "28b83a8d0186f222f759bcb1c977eda9", "%s", text);
}

Test(hash, pieces_give_the_hash_of_the_whole)
{
    enum { BYTES = 5000 };
    static unsigned char data[BYTES];
    for (size_t i = 0; i < BYTES; i++) {
        data[i] = (unsigned char)(i * i);
    }
    ech_hasher *hasher = NULL;
    cr_assert_eq(ech_hasher_create(&hasher), ECH_OK);
    size_t at = 0;
    for (size_t piece = 1; at < BYTES; piece *= 3) {
        const size_t bytes = piece < BYTES - at ? piece : BYTES - at;
        ech_hasher_add(hasher, data + at, bytes);
        at += bytes;
    }
    cr_expect(ech_hash_equal(ech_hasher_digest(hasher), ech_hash_bytes(data, BYTES)));
    ech_hasher_add(hasher, data, 1);
    cr_expect_not(ech_hash_equal(ech_hasher_digest(hasher), ech_hash_bytes(data, BYTES)));
    ech_hasher_destroy(&hasher);
    cr_expect_null(hasher);
    ech_hasher_destroy(&hasher);
}
