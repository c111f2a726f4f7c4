/* What the exact sum refuses, and that a refusal leaves the sum as it was. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { WEIGHT_BOUND = 1000 };

static ech_layout *layout;
static ech_state update;
static ech_exact_sum *sum;
static ech_hash128 before;

static void make_sum(void)
{
    layout = ech_test_layout();
    ech_random stream = ech_random_stream(21, ECH_RANDOM_TEST, 0, 0, 0);
    update = ech_test_state(layout, 1.0, &stream);
    sum = ech_test_sum(layout, WEIGHT_BOUND);
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), 600), ECH_OK);
    before = ech_test_sum_hash(sum, layout);
}

static void free_sum(void)
{
    ech_exact_sum_destroy(&sum);
    ech_test_state_free(&update);
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(exact_refusal, .init = make_sum, .fini = free_sum);

static void expect_unchanged(void)
{
    cr_expect_eq(ech_exact_sum_weight(sum), 600);
    cr_expect_eq(ech_exact_sum_update_count(sum), 1);
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), before));
}

Test(exact_refusal, an_update_with_one_bad_value_by_the_tensors_name)
{
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        if (tensor->kind == ECH_TENSOR_COUNTER) {
            continue;
        }
        float *last = &update.values[tensor->offset + tensor->count - 1];
        const float kept = *last;
        *last = bad[t % 4];
        cr_expect_eq(ech_exact_sum_add(sum, ech_test_view(update), 7), ECH_ERR_NUMERIC);
        cr_expect_not_null(strstr(ech_status_message(), tensor->name));
        *last = kept;
    }
    expect_unchanged();
}

Test(exact_refusal, more_weight_than_bound_or_none)
{
    cr_expect_eq(ech_exact_sum_add(sum, ech_test_view(update), 401), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_add(sum, ech_test_view(update), UINT64_MAX), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_add(sum, ech_test_view(update), 0), ECH_ERR_ARGUMENT);
    expect_unchanged();
    cr_expect_eq(ech_exact_sum_add(sum, ech_test_view(update), 400), ECH_OK);
}

Test(exact_refusal, weight_bounds_out_of_range)
{
    cr_expect_eq(ech_exact_sum_begin(sum, 0), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_begin(sum, (UINT64_C(1) << 35) + 1), ECH_ERR_ARGUMENT);
    expect_unchanged();
    cr_expect_eq(ech_exact_sum_begin(sum, UINT64_C(1) << 35), ECH_OK);
}

Test(exact_refusal, the_mean_of_nothing)
{
    float value = 0.0F;
    int64_t counters[2];
    cr_assert_eq(ech_exact_sum_begin(sum, 1), ECH_OK);
    cr_expect_eq(ech_exact_sum_finish(sum, 0, 1, &value), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_finish_counters(sum, counters), ECH_ERR_ARGUMENT);
}

Test(exact_refusal, a_sum_of_another_model_or_bound)
{
    ech_layout *other_layout = ech_test_layout_of(100);
    ech_exact_sum *other_model = ech_test_sum(other_layout, WEIGHT_BOUND);
    ech_exact_sum *other_bound = ech_test_sum(layout, WEIGHT_BOUND + 1);
    ech_exact_sum *view = NULL;
    cr_expect_eq(ech_exact_sum_merge(sum, other_model), ECH_ERR_FORMAT);
    cr_expect_eq(ech_exact_sum_merge(sum, other_bound), ECH_ERR_FORMAT);
    expect_unchanged();

    const uint64_t bytes = ech_exact_sum_bytes(layout);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_expect_eq(ech_exact_sum_attach(memory, layout, &view), ECH_ERR_FORMAT);
    cr_assert_eq(ech_exact_sum_format(memory, bytes, layout), ECH_OK);
    cr_expect_eq(ech_exact_sum_attach(memory, other_layout, &view), ECH_ERR_FORMAT);
    cr_expect_null(view);
    munmap(memory, bytes);
    ech_exact_sum_destroy(&other_model);
    ech_exact_sum_destroy(&other_bound);
    ech_layout_destroy(&other_layout);
}

Test(exact_refusal, memory_too_small_or_misaligned)
{
    const uint64_t bytes = ech_exact_sum_bytes(layout);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_expect_eq(ech_exact_sum_format(memory, bytes - 1, layout), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_format(memory + 64, bytes, layout), ECH_ERR_ARGUMENT);
    munmap(memory, bytes);
}

/* A file that ends early stands for a full /dev/shm: touching its pages would be a SIGBUS. */
Test(exact_refusal, a_new_bin_without_memory)
{
    const uint64_t bytes = ech_exact_sum_bytes(layout);
    const int file = memfd_create("sum", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(file, 300000), 0);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    ech_exact_sum *small = NULL;
    cr_assert_eq(ech_exact_sum_format(memory, bytes, layout), ECH_OK);
    cr_assert_eq(ech_exact_sum_attach(memory, layout, &small), ECH_OK);
    cr_assert_eq(ech_exact_sum_begin(small, WEIGHT_BOUND), ECH_OK);
    cr_assert_eq(ech_exact_sum_add(small, ech_test_view(update), 600), ECH_OK);

    for (uint64_t i = 0; i < layout->value_count; i++) {
        update.values[i] *= 1000.0F;
    }
    cr_expect_eq(ech_exact_sum_add(small, ech_test_view(update), 1), ECH_ERR_MEMORY);
    cr_expect_eq(ech_exact_sum_weight(small), 600);
    cr_expect(ech_hash_equal(ech_test_sum_hash(small, layout), before));
    ech_exact_sum_destroy(&small);
    munmap(memory, bytes);
    close(file);
}

static size_t export_first(void *piece, size_t capacity)
{
    ech_exact_sum_cursor cursor = {0};
    size_t bytes = 0;
    cr_assert_eq(ech_exact_sum_export(sum, &cursor, piece, capacity, &bytes), ECH_OK);
    return bytes;
}

Test(exact_refusal, a_damaged_piece)
{
    enum { CAPACITY = 8192, HEADERS = 72 + 2 * 8 + 32 };
    _Alignas(8) static char piece[CAPACITY];
    const size_t bytes = export_first(piece, CAPACITY);
    cr_expect_eq(ech_exact_sum_import(sum, piece, bytes - 8), ECH_ERR_FORMAT);
    cr_expect_eq(ech_exact_sum_import(sum, piece, 8), ECH_ERR_FORMAT);
    static const size_t fields[] = {0, 8, 16, 24, 32, 64, 88, 96, 104, 112};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        piece[fields[i] + 7] ^= 0x40;
        cr_expect_eq(ech_exact_sum_import(sum, piece, bytes), ECH_ERR_FORMAT, "field at %zu",
                     fields[i]);
        piece[fields[i] + 7] ^= 0x40;
    }
    expect_unchanged();
}

/* Words of a piece: 9 of its header, 2 counters, then the first segment's tensor, bin, first,
 * count.
 */
enum { WORD_SEGMENT_COUNT = 8, WORD_FIRST = 13, WORD_COUNT = 14 };

Test(exact_refusal, a_segment_beyond_its_tensor)
{
    static uint64_t piece[1024];
    const size_t bytes = export_first(piece, sizeof piece);
    const uint64_t elements = layout->tensors[0].count;
    cr_assert_eq(piece[WORD_FIRST], 0);
    piece[WORD_FIRST] = elements - piece[WORD_COUNT] + 1;
    cr_expect_eq(ech_exact_sum_import(sum, piece, bytes), ECH_ERR_FORMAT);
    piece[WORD_FIRST] = elements + 1;
    cr_expect_eq(ech_exact_sum_import(sum, piece, bytes), ECH_ERR_FORMAT);
    expect_unchanged();
}

Test(exact_refusal, a_piece_with_more_in_it_than_it_says)
{
    static uint64_t piece[65536];
    const size_t bytes = export_first(piece, sizeof piece);
    cr_assert_gt(piece[WORD_SEGMENT_COUNT], 1);
    piece[WORD_SEGMENT_COUNT]--;
    cr_expect_eq(ech_exact_sum_import(sum, piece, bytes), ECH_ERR_FORMAT);
    piece[WORD_SEGMENT_COUNT] += 2;
    cr_expect_eq(ech_exact_sum_import(sum, piece, bytes), ECH_ERR_FORMAT);
    expect_unchanged();
}

Test(exact_refusal, room_too_small_for_a_piece)
{
    _Alignas(8) static char piece[ECH_SUM_PIECE_BYTES_MIN];
    ech_exact_sum_cursor cursor = {0};
    size_t bytes = 0;
    cr_expect_eq(ech_exact_sum_export(sum, &cursor, piece, sizeof piece - 1, &bytes),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_exact_sum_export(sum, &cursor, piece + 4, sizeof piece, &bytes),
                 ECH_ERR_ARGUMENT);
}

#if defined(__x86_64__)
/* Kernels may run with denormals flushed to zero; the sum keeps them, and the caller's setting. */
Test(exact_refusal, a_caller_that_flushes_denormals_changes_nothing)
{
    for (uint64_t i = 0; i < layout->value_count; i++) {
        update.values[i] = (float)(i % 100) * 0x1p-149F;
    }
    cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), 3), ECH_OK);
    const ech_hash128 kept = ech_test_sum_hash(sum, layout);

    const unsigned flush = __builtin_ia32_stmxcsr() | 0x8040U;
    __builtin_ia32_ldmxcsr(flush);
    cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), 3), ECH_OK);
    const ech_hash128 flushed = ech_test_sum_hash(sum, layout);
    const unsigned after = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80U);
    cr_expect(ech_hash_equal(kept, flushed));
    cr_expect_eq(after & 0x8040U, 0x8040U);
}
#endif
