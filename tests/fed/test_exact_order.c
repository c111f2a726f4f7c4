/* The same bits, whatever the order, the grouping, the tree, the pieces or the processes. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { UPDATES = 24, WEIGHT_BOUND = UPDATES * 100 };

static ech_layout *layout;
static ech_state updates[UPDATES];
static uint64_t weights[UPDATES];
static ech_hash128 expected;

static void add_one(ech_exact_sum *sum, uint32_t k)
{
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(updates[k]), weights[k]), ECH_OK);
}

/* Magnitudes over nine powers of ten, so that tensors use several bins. */
static void make_updates(void)
{
    layout = ech_test_layout();
    ech_random stream = ech_random_stream(11, ECH_RANDOM_TEST, 0, 0, 0);
    static const double magnitudes[] = {1.0, 1e-5, 0.1, 1e3, 1e-2};
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    for (uint32_t k = 0; k < UPDATES; k++) {
        updates[k] = ech_test_state(layout, magnitudes[k % 5], &stream);
        weights[k] = 1 + ech_random_below(&stream, 100);
        add_one(sum, k);
    }
    expected = ech_test_sum_hash(sum, layout);
    ech_exact_sum_destroy(&sum);
}

static void free_updates(void)
{
    for (uint32_t k = 0; k < UPDATES; k++) {
        ech_test_state_free(&updates[k]);
    }
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(exact_order, .init = make_updates, .fini = free_updates);

static void expect_same(ech_exact_sum *sum)
{
    cr_expect_eq(ech_exact_sum_update_count(sum), UPDATES);
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), expected));
}

Test(exact_order, any_order)
{
    ech_random stream = ech_random_stream(12, ECH_RANDOM_TEST, 0, 0, 0);
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    for (int repeat = 0; repeat < 5; repeat++) {
        uint32_t order[UPDATES];
        for (uint32_t k = 0; k < UPDATES; k++) {
            order[k] = k;
        }
        ech_random_shuffle_u32(&stream, order, UPDATES);
        cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
        for (uint32_t k = 0; k < UPDATES; k++) {
            add_one(sum, order[k]);
        }
        expect_same(sum);
    }
    ech_exact_sum_destroy(&sum);
}

/* Aggregate updates [first, first + count) through a tree of the given branching. */
static ech_exact_sum *aggregate(uint32_t first, uint32_t count, uint32_t branching)
{
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    const uint32_t share = (count + branching - 1) / branching;
    for (uint32_t at = 0; at < count; at += share) {
        const uint32_t size = count - at < share ? count - at : share;
        if (size == 1) {
            add_one(sum, first + at);
            continue;
        }
        ech_exact_sum *child = aggregate(first + at, size, branching);
        cr_assert_eq(ech_exact_sum_merge(sum, child), ECH_OK);
        ech_exact_sum_destroy(&child);
    }
    return sum;
}

Test(exact_order, any_tree)
{
    for (uint32_t branching = 2; branching <= UPDATES; branching += 5) {
        ech_exact_sum *sum = aggregate(0, UPDATES, branching);
        expect_same(sum);
        ech_exact_sum_destroy(&sum);
    }
}

static void send_pieces(ech_exact_sum *from, ech_exact_sum *into, size_t capacity)
{
    void *piece = ech_alloc(capacity);
    ech_exact_sum_cursor cursor = {0};
    for (;;) {
        size_t bytes = 0;
        cr_assert_eq(ech_exact_sum_export(from, &cursor, piece, capacity, &bytes), ECH_OK);
        cr_assert_leq(bytes, capacity);
        if (bytes == 0) {
            break;
        }
        cr_assert_eq(ech_exact_sum_import(into, piece, bytes), ECH_OK);
    }
    ech_free(piece);
}

Test(exact_order, pieces_of_any_size)
{
    static const size_t capacities[] = {ECH_SUM_PIECE_BYTES_MIN, 10008, 65536, 1 << 22};
    ech_exact_sum *halves[2] = {ech_test_sum(layout, WEIGHT_BOUND),
                                ech_test_sum(layout, WEIGHT_BOUND)};
    for (uint32_t k = 0; k < UPDATES; k++) {
        add_one(halves[k % 2], k);
    }
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
        send_pieces(halves[1], sum, capacities[i]);
        send_pieces(halves[0], sum, capacities[i]);
        expect_same(sum);
    }
    ech_exact_sum_destroy(&sum);
    ech_exact_sum_destroy(&halves[0]);
    ech_exact_sum_destroy(&halves[1]);
}

Test(exact_order, a_sum_without_updates_changes_nothing)
{
    ech_exact_sum *empty = ech_test_sum(layout, WEIGHT_BOUND);
    ech_exact_sum *sum = aggregate(0, UPDATES, 4);
    send_pieces(empty, sum, ECH_SUM_PIECE_BYTES_MIN);
    cr_assert_eq(ech_exact_sum_merge(sum, empty), ECH_OK);
    expect_same(sum);
    ech_exact_sum_destroy(&sum);
    ech_exact_sum_destroy(&empty);
}

Test(exact_order, slices_have_the_bits_of_the_whole)
{
    ech_exact_sum *sum = aggregate(0, UPDATES, 4);
    float *whole = ech_calloc(layout->value_count, sizeof *whole);
    float *sliced = ech_calloc(layout->value_count, sizeof *sliced);
    cr_assert_eq(ech_exact_sum_finish(sum, 0, layout->value_count, whole), ECH_OK);
    const uint64_t step = 777;
    for (uint64_t first = 0; first < layout->value_count; first += step) {
        const uint64_t left = layout->value_count - first;
        cr_assert_eq(ech_exact_sum_finish(sum, first, left < step ? left : step, sliced), ECH_OK);
    }
    cr_expect_arr_eq(whole, sliced, layout->value_count * sizeof *whole);
    ech_free(whole);
    ech_free(sliced);
    ech_exact_sum_destroy(&sum);
}

Test(exact_order, a_slice_writes_nothing_else)
{
    ech_exact_sum *sum = aggregate(0, UPDATES, 4);
    float *values = ech_calloc(layout->value_count, sizeof *values);
    const uint64_t first = 8100;
    const uint64_t count = 1000;
    for (uint64_t i = 0; i < layout->value_count; i++) {
        values[i] = 12345.0F;
    }
    cr_assert_eq(ech_exact_sum_finish(sum, first, count, values), ECH_OK);
    for (uint64_t i = 0; i < layout->value_count; i++) {
        cr_assert_eq(values[i] == 12345.0F, i < first || i >= first + count);
    }
    ech_free(values);
    ech_exact_sum_destroy(&sum);
}

static void *map_sum(int file, uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    cr_assert_neq(memory, MAP_FAILED);
    return memory;
}

/* A rank: maps the sum at an address of its own and adds every `stride`th update. */
static void add_in_child(int file, uint64_t bytes, uint32_t first, uint32_t stride)
{
    ech_exact_sum *sum = NULL;
    ech_status status = ech_exact_sum_attach(map_sum(file, bytes), layout, &sum);
    for (uint32_t k = first; k < UPDATES && status == ECH_OK; k += stride) {
        status = ech_exact_sum_add(sum, ech_test_view(updates[k]), weights[k]);
    }
    ech_exact_sum_destroy(&sum);
    _exit(status == ECH_OK ? 0 : 1);
}

static void add_in_children(int file, uint64_t bytes, uint32_t children)
{
    for (uint32_t child = 0; child < children; child++) {
        const pid_t process = fork();
        cr_assert_geq(process, 0);
        if (process == 0) {
            add_in_child(file, bytes, child, children);
        }
    }
    for (uint32_t child = 0; child < children; child++) {
        int status = 0;
        cr_assert_gt(wait(&status), 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

Test(exact_order, processes_that_share_one_sum, .timeout = 60)
{
    const uint64_t bytes = ech_exact_sum_bytes(layout);
    const int file = memfd_create("sum", MFD_CLOEXEC);
    cr_assert_geq(file, 0);
    cr_assert_eq(ftruncate(file, (off_t)bytes), 0);
    void *memory = map_sum(file, bytes);
    ech_exact_sum *sum = NULL;
    cr_assert_eq(ech_exact_sum_format(memory, bytes, layout), ECH_OK);
    cr_assert_eq(ech_exact_sum_attach(memory, layout, &sum), ECH_OK);
    for (int repeat = 0; repeat < 20; repeat++) {
        cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
        add_in_children(file, bytes, 4);
        expect_same(sum);
    }
    ech_exact_sum_destroy(&sum);
    munmap(memory, bytes);
    close(file);
}

typedef struct {
    void *memory;
    uint32_t first, stride;
    ech_status status;
} thread_work;

static void *add_in_thread(void *argument)
{
    thread_work *work = argument;
    ech_exact_sum *sum = NULL;
    work->status = ech_exact_sum_attach(work->memory, layout, &sum);
    for (uint32_t k = work->first; k < UPDATES && work->status == ECH_OK; k += work->stride) {
        work->status = ech_exact_sum_add(sum, ech_test_view(updates[k]), weights[k]);
    }
    ech_exact_sum_destroy(&sum);
    return NULL;
}

/* The same with threads, for ThreadSanitizer's eyes. */
Test(exact_order, threads_with_a_handle_each, .timeout = 60)
{
    enum { THREADS = 4 };
    const uint64_t bytes = ech_exact_sum_bytes(layout);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ech_exact_sum *sum = NULL;
    cr_assert_eq(ech_exact_sum_format(memory, bytes, layout), ECH_OK);
    cr_assert_eq(ech_exact_sum_attach(memory, layout, &sum), ECH_OK);
    cr_assert_eq(ech_exact_sum_begin(sum, WEIGHT_BOUND), ECH_OK);
    pthread_t threads[THREADS];
    thread_work work[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        work[i] = (thread_work){.memory = memory, .first = i, .stride = THREADS};
        cr_assert_eq(pthread_create(&threads[i], NULL, add_in_thread, &work[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(work[i].status, ECH_OK);
    }
    expect_same(sum);
    ech_exact_sum_destroy(&sum);
    munmap(memory, bytes);
}
