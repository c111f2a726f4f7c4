#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/memory.h"
#include "tests/support.h"

TestSuite(memory, .fini = ech_test_expect_no_leak);

Test(memory, blocks_are_aligned_and_counted)
{
    void *a = ech_alloc(100);
    void *b = ech_calloc(3, 7);
    void *empty = ech_alloc(0);
    cr_assert(a != NULL && b != NULL && empty != NULL);
    cr_expect_eq((uintptr_t)a % ECH_MEMORY_ALIGNMENT, 0);
    cr_expect_eq((uintptr_t)b % ECH_MEMORY_ALIGNMENT, 0);
    cr_expect_eq(ech_memory_live_count(), 3);
    cr_expect_eq(ech_memory_held_bytes(), 121);
    ech_free(a);
    ech_free(b);
    ech_free(empty);
    ech_free(NULL);
    cr_expect_eq(ech_memory_held_bytes(), 0);
}

Test(memory, zeroed_and_resized_blocks_hold_what_they_should)
{
    static const unsigned char zeros[64];
    unsigned char *block = ech_calloc(sizeof zeros, 1);
    cr_expect_arr_eq(block, zeros, sizeof zeros);
    memset(block, 7, sizeof zeros);
    block = ech_realloc(block, 1000, 1);
    cr_expect(block[0] == 7 && block[63] == 7);
    block = ech_realloc(block, 10, 1);
    cr_expect_eq(block[9], 7);
    cr_expect_eq(ech_memory_held_bytes(), 10);
    ech_free(block);
    block = ech_realloc(NULL, 4, 2);
    cr_expect_eq(ech_memory_held_bytes(), 8);
    ech_free(block);
}

Test(memory, sizes_that_cannot_be_are_refused)
{
    char *kept = ech_strdup("kept");
    cr_expect_null(ech_alloc(SIZE_MAX));
    cr_expect_null(ech_calloc(SIZE_MAX / 2, 3));
    cr_expect_null(ech_realloc(kept, SIZE_MAX / 2, 3));
    cr_expect_str_eq(kept, "kept");
    cr_expect_not_null(strstr(ech_status_message(), "cannot allocate"));
    ech_free(kept);
}

Test(memory, an_array_grows_by_doubling_and_keeps_its_elements)
{
    enum { COUNT = 1000 };
    uint32_t *numbers = NULL;
    size_t capacity = 0;
    size_t moves = 0;
    for (uint32_t n = 0; n < COUNT; n++) {
        const size_t before = capacity;
        numbers = ech_grow(numbers, n, &capacity, sizeof *numbers);
        cr_assert(numbers != NULL && capacity > n);
        moves += capacity != before;
        numbers[n] = n;
    }
    cr_expect_lt(moves, 10);
    for (uint32_t n = 0; n < COUNT; n++) {
        cr_expect_eq(numbers[n], n);
    }
    const size_t full = SIZE_MAX / 8;
    size_t refused = full;
    cr_expect_null(ech_grow(numbers, full, &refused, sizeof *numbers * 8));
    cr_expect_eq(refused, full);
    cr_expect_eq(numbers[COUNT - 1], COUNT - 1);
    ech_free(numbers);
}

Test(memory, populating_keeps_the_content)
{
    enum { BYTES = 1 << 20 };
    unsigned char *block = ech_alloc(BYTES);
    memset(block, 5, BYTES);
    ech_memory_populate(block, BYTES);
    ech_memory_populate(block, 1);
    cr_expect(block[0] == 5 && block[BYTES - 1] == 5);
    cr_expect_geq(ech_memory_peak_rss_bytes(), BYTES);
    ech_free(block);
}

Test(memory, an_arena_gives_zeroed_blocks_that_end_together)
{
    ech_arena arena = {0};
    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 2 + 1) {
        unsigned char *block = ech_arena_take(&arena, bytes);
        cr_assert_not_null(block);
        cr_expect_eq((uintptr_t)block % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++) {
            cr_assert_eq(block[i], 0);
        }
        memset(block, 0xff, bytes);
    }
    cr_expect_str_eq(ech_arena_copy(&arena, "abcdef", 3), "abc");
    ech_arena_clear(&arena);
    ech_arena_clear(&arena);
    cr_expect_null(arena.newest);
}

/* Large enough to go past the caches, from and to any address, and no byte more. */
Test(memory, a_copy_of_any_size_and_alignment_is_the_source_and_ends_there)
{
    enum { LARGE = (1 << 20) + 321, MARGIN = 80 };
    static const size_t sizes[] = {0, 1, 63, 4096, 1 << 20, LARGE};
    unsigned char *source = ech_alloc(LARGE + MARGIN);
    unsigned char *target = ech_alloc(LARGE + 2 * MARGIN);
    for (size_t i = 0; i < LARGE + MARGIN; i++) {
        source[i] = (unsigned char)(i * 7 + i / 251);
    }
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t shift = 0; shift < MARGIN; shift += 13) {
            memset(target, 0xee, LARGE + 2 * MARGIN);
            ech_memory_copy(target + shift, source + MARGIN - shift, sizes[s]);
            cr_expect_eq(memcmp(target + shift, source + MARGIN - shift, sizes[s]), 0);
            cr_expect(shift == 0 || target[shift - 1] == 0xee);
            cr_expect_eq(target[shift + sizes[s]], 0xee);
        }
    }
    ech_free(source);
    ech_free(target);
}

Test(memory, the_proportional_set_grows_by_what_is_touched)
{
    enum { BLOCK = 32 << 20 };
    const uint64_t before = ech_memory_pss_bytes();
    char *block = ech_alloc(BLOCK);
    ech_memory_populate(block, BLOCK);
    const uint64_t after = ech_memory_pss_bytes();
    cr_expect_gt(before, 0);
    cr_expect_geq(after, before + BLOCK - (1 << 20));
    ech_free(block);
}
