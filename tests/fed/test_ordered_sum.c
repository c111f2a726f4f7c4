/* The float32 sum in a fixed order against a plain recursion over the leaves: whoever adds what,
 * when, and on whichever host, the same bits; and near the exact sum. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/memory.h"
#include "runtime/fed/ordered_sum_priv.h"
#include "runtime/fed/sum.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { LEAVES = 23, THREADS = 4, SPARE = 5 /* leaves more than the rounds have */ };

static ech_layout *layout;
static ech_state updates[LEAVES];
static uint64_t weights[LEAVES];
static uint64_t weight_bound;

static void make_updates(void)
{
    layout = ech_test_layout();
    ech_random stream = ech_random_stream(5, ECH_RANDOM_TEST, 0, 0, 0);
    weight_bound = 0;
    for (uint32_t k = 0; k < LEAVES; k++) {
        updates[k] = ech_test_state(layout, ldexp(1.0, (int)(k % 5) - 2), &stream);
        weights[k] = 1 + ech_random_below(&stream, 1000);
        weight_bound += weights[k];
    }
}

static void free_updates(void)
{
    for (uint32_t k = 0; k < LEAVES; k++) {
        ech_test_state_free(&updates[k]);
    }
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(ordered_sum, .init = make_updates, .fini = free_updates);

/* ---- sums of their own memory ---- */

typedef struct {
    ech_sum_options options;
    void *memory;
    uint64_t bytes;
    ech_sum *sum;
} owned;

static owned make_sum(ech_sum_kind kind, uint32_t leaf_count)
{
    owned made = {.options = {.kind = kind, .leaves_max = LEAVES + SPARE}};
    made.bytes = ech_sum_bytes(&made.options, layout);
    made.memory = mmap(NULL, made.bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(made.memory, MAP_FAILED);
    cr_assert_eq(ech_sum_format(&made.options, made.memory, made.bytes, layout), ECH_OK);
    cr_assert_eq(ech_sum_attach(&made.options, made.memory, layout, &made.sum), ECH_OK);
    cr_assert_eq(ech_sum_populate(made.sum), ECH_OK);
    cr_assert_eq(ech_sum_begin(made.sum, weight_bound, leaf_count), ECH_OK);
    return made;
}

static void free_sum(owned *made)
{
    ech_sum_destroy(&made->sum);
    munmap(made->memory, made->bytes);
}

static void add_leaf(ech_sum *sum, uint32_t k)
{
    cr_assert_eq(ech_sum_add(sum, ech_test_view(updates[k]), weights[k], k), ECH_OK, "%s",
                 ech_status_message());
}

static ech_state mean_of(ech_sum *sum)
{
    ech_state mean = {.values = ech_calloc(layout->value_count, sizeof(float)),
                      .counters = ech_calloc(layout->counter_count, sizeof(int64_t))};
    ech_sum_settle(sum);
    cr_assert_eq(ech_sum_finish(sum, 0, layout->value_count, mean.values), ECH_OK);
    cr_assert_eq(ech_sum_finish_counters(sum, mean.counters), ECH_OK);
    return mean;
}

/* ---- the definition, word by word ---- */

/* The sum of one element over leaves [first, end) of those that came; false if none did. */
// NOLINTNEXTLINE(misc-no-recursion)
static bool plain_sum(const bool *came, uint32_t first, uint32_t end, uint64_t i, float *out)
{
    if (end - first == 1) {
        const double share = (double)weights[first] / (double)weight_bound;
        *out = (float)(share * (double)updates[first].values[i]);
        return came[first];
    }
    const uint32_t middle = first + (end - first + 1) / 2;
    float left = 0.0F;
    float right = 0.0F;
    const bool has_left = plain_sum(came, first, middle, i, &left);
    const bool has_right = plain_sum(came, middle, end, i, &right);
    *out = has_left && has_right ? left + right : has_left ? left : right;
    return has_left || has_right;
}

static void expect_definition(ech_sum *sum, const bool *came)
{
    uint64_t weight = 0;
    int64_t counter = INT64_MIN;
    for (uint32_t k = 0; k < LEAVES; k++) {
        weight += came[k] ? weights[k] : 0;
        counter = came[k] && updates[k].counters[1] > counter ? updates[k].counters[1] : counter;
    }
    cr_expect_eq(ech_sum_weight(sum), weight);
    ech_state mean = mean_of(sum);
    uint64_t different = 0;
    for (uint64_t i = 0; i < layout->value_count; i++) {
        float whole = 0.0F;
        plain_sum(came, 0, LEAVES, i, &whole);
        const float expected = (float)((double)weight_bound / (double)weight * (double)whole);
        different +=
            memcmp((const char *)&expected, (const char *)&mean.values[i], sizeof expected) != 0;
    }
    cr_expect_eq(different, 0, "%llu values differ", (unsigned long long)different);
    cr_expect_eq(mean.counters[1], counter);
    ech_test_state_free(&mean);
}

static void all_came(bool *came)
{
    memset(came, true, LEAVES * sizeof *came);
}

Test(ordered_sum, any_order_of_arrival)
{
    bool came[LEAVES];
    all_came(came);
    owned made = make_sum(ECH_SUM_FLOAT32, LEAVES);
    static const uint32_t strides[] = {1, 22, 7, 12}; /* no factor of 23 */
    for (size_t s = 0; s < sizeof strides / sizeof *strides; s++) {
        cr_assert_eq(ech_sum_begin(made.sum, weight_bound, LEAVES), ECH_OK);
        for (uint32_t k = 0; k < LEAVES; k++) {
            add_leaf(made.sum, (k + 1) * strides[s] % LEAVES);
        }
        expect_definition(made.sum, came);
    }
    free_sum(&made);
}

Test(ordered_sum, leaves_that_never_come)
{
    ech_random stream = ech_random_stream(6, ECH_RANDOM_TEST, 0, 0, 0);
    owned made = make_sum(ECH_SUM_FLOAT32, LEAVES);
    for (int turn = 0; turn < 20; turn++) {
        bool came[LEAVES] = {false};
        came[turn] = true;
        cr_assert_eq(ech_sum_begin(made.sum, weight_bound, LEAVES), ECH_OK);
        for (uint32_t k = 0; k < LEAVES; k++) {
            came[k] |= ech_random_below(&stream, (uint32_t)turn + 1) > 0;
            if (came[k]) {
                add_leaf(made.sum, k);
            }
        }
        expect_definition(made.sum, came);
    }
    free_sum(&made);
}

static void send_sum(ech_sum *from, ech_sum *into, uint32_t leaf, size_t capacity)
{
    void *piece = ech_alloc(capacity);
    ech_sum_cursor cursor = {0};
    size_t bytes = 1;
    while (bytes > 0) {
        cr_assert_eq(ech_sum_export(from, &cursor, piece, capacity, &bytes), ECH_OK);
        if (bytes > 0) {
            cr_assert_eq(ech_sum_import(into, piece, bytes, leaf), ECH_OK, "%s",
                         ech_status_message());
        }
    }
    ech_free(piece);
}

/* Three hosts' sums of the same leaves, one of them of nothing. */
Test(ordered_sum, any_cut_into_hosts)
{
    bool came[LEAVES];
    all_came(came);
    static const size_t capacities[] = {ECH_SUM_PIECE_BYTES_MIN, 10008, 1 << 20};
    for (uint32_t cut = 0; cut <= LEAVES; cut++) {
        owned parts[3];
        for (int p = 0; p < 3; p++) {
            parts[p] = make_sum(ECH_SUM_FLOAT32, LEAVES);
        }
        for (uint32_t k = 0; k < LEAVES; k++) {
            add_leaf(parts[k < cut ? 0 : 1].sum, k);
        }
        send_sum(parts[2].sum, parts[1].sum, ECH_LEAF_OWN, capacities[cut % 3]);
        send_sum(parts[1].sum, parts[0].sum, ECH_LEAF_OWN, capacities[cut % 3]);
        expect_definition(parts[0].sum, came);
        for (int p = 0; p < 3; p++) {
            free_sum(&parts[p]);
        }
    }
}

static uint32_t count_cells(const ech_ordered_sum *sum)
{
    return (uint32_t)__builtin_popcountll(atomic_load(&sum->in_use[0]));
}

/* In order: a cell for each halving at most. Every other leaf first: half of them all. */
Test(ordered_sum, few_cells_are_held_where_leaves_come_in_order)
{
    owned made = make_sum(ECH_SUM_FLOAT32, LEAVES);
    ech_ordered_sum *sum = NULL;
    cr_assert_eq(ech_ordered_sum_attach(made.memory, layout, &sum), ECH_OK);
    for (uint32_t k = 0; k < LEAVES; k++) {
        add_leaf(made.sum, k);
        cr_expect_leq(count_cells(sum), 5);
    }
    cr_expect_eq(count_cells(sum), 1);
    const uint64_t cells =
        ech_ordered_sum_held_bytes(layout, LEAVES, 0, false) / sum->header->cell_bytes;
    cr_expect_eq(cells, 5);
    cr_assert_eq(ech_sum_begin(made.sum, weight_bound, 16), ECH_OK);
    for (uint32_t k = 0; k < 16; k += 2) {
        add_leaf(made.sum, k);
    }
    cr_expect_eq(count_cells(sum), 8);
    ech_ordered_sum_destroy(&sum);
    free_sum(&made);
}

/* Four ranks side by side, each through four leaves of its own. */
Test(ordered_sum, ranks_apart_hold_cells_for_the_halvings_of_each)
{
    enum { RANKS = 4, OWN = 4 };
    owned made = make_sum(ECH_SUM_FLOAT32, RANKS * OWN);
    ech_ordered_sum *sum = NULL;
    cr_assert_eq(ech_ordered_sum_attach(made.memory, layout, &sum), ECH_OK);
    uint32_t most = 0;
    for (uint32_t k = 0; k < OWN; k++) {
        for (uint32_t rank = 0; rank < RANKS; rank++) {
            add_leaf(made.sum, rank * OWN + k);
            const uint32_t held = count_cells(sum);
            most = held > most ? held : most;
        }
    }
    cr_expect_eq(most * sum->header->cell_bytes,
                 ech_ordered_sum_held_bytes(layout, RANKS * OWN, RANKS, true));
    ech_ordered_sum_destroy(&sum);
    free_sum(&made);
}

/* A host with a part of the halvings sends one model in float32, half of what an exact sum sends;
 * two hosts that deal the leaves alternately send one for each. */
Test(ordered_sum, a_part_of_the_halvings_is_half_of_an_exact_sums_bytes)
{
    const uint64_t model = layout->value_count * sizeof(float);
    const ech_sum_kind kinds[] = {ECH_SUM_EXACT, ECH_SUM_FLOAT32};
    uint64_t sent[2] = {0};
    for (int kind = 0; kind < 2; kind++) {
        owned made = make_sum(kinds[kind], LEAVES);
        for (uint32_t k = 0; k < LEAVES; k++) {
            if (ech_ordered_sum_part(LEAVES, k, 1) == 1) {
                add_leaf(made.sum, k);
            }
        }
        static _Alignas(8) char piece[1 << 22];
        ech_sum_cursor cursor = {0};
        size_t bytes = 1;
        while (bytes > 0) {
            cr_assert_eq(ech_sum_export(made.sum, &cursor, piece, sizeof piece, &bytes), ECH_OK);
            sent[kind] += bytes;
        }
        free_sum(&made);
    }
    cr_expect_lt(sent[1] - model, 512);
    cr_expect_geq(sent[0], 2 * model);
}

/* Aggregators: each a sum of its own leaves, and one leaf of its parent's. */
Test(ordered_sum, settled_sums_are_leaves)
{
    enum { CHILDREN = 5 };
    owned root = make_sum(ECH_SUM_FLOAT32, CHILDREN);
    owned again = make_sum(ECH_SUM_FLOAT32, CHILDREN);
    for (uint32_t child = 0; child < CHILDREN; child++) {
        const uint32_t first = child * 5;
        const uint32_t count = LEAVES - first < 5 ? LEAVES - first : 5;
        owned made = make_sum(ECH_SUM_FLOAT32, count);
        for (uint32_t k = count; k-- > 0;) {
            const ech_state_view view = ech_test_view(updates[first + k]);
            if (k != 1) {
                cr_assert_eq(ech_sum_add(made.sum, view, weights[first + k], k), ECH_OK);
            }
        }
        ech_sum_settle(made.sum);
        cr_assert_eq(ech_sum_merge(root.sum, made.sum, child), ECH_OK);
        send_sum(made.sum, again.sum, child, ECH_SUM_PIECE_BYTES_MIN);
        free_sum(&made);
    }
    ech_state merged = mean_of(root.sum);
    ech_state sent = mean_of(again.sum);
    cr_expect_arr_eq(merged.values, sent.values, layout->value_count * sizeof(float));
    cr_expect_arr_eq(merged.counters, sent.counters, layout->counter_count * sizeof(int64_t));
    cr_expect_eq(ech_sum_weight(root.sum), ech_sum_weight(again.sum));
    ech_test_state_free(&merged);
    ech_test_state_free(&sent);
    free_sum(&root);
    free_sum(&again);
}

typedef struct {
    const owned *made;
    uint32_t first;
} work;

static void *add_some(void *argument)
{
    const work *mine = argument;
    ech_sum *sum = NULL;
    ech_status status = ech_sum_attach(&mine->made->options, mine->made->memory, layout, &sum);
    for (uint32_t k = mine->first; k < LEAVES && status == ECH_OK; k += THREADS) {
        status = ech_sum_add(sum, ech_test_view(updates[k]), weights[k], k);
    }
    ech_sum_destroy(&sum);
    return status == ECH_OK ? NULL : argument;
}

Test(ordered_sum, many_at_once)
{
    bool came[LEAVES];
    all_came(came);
    owned made = make_sum(ECH_SUM_FLOAT32, LEAVES);
    for (int turn = 0; turn < 20; turn++) {
        cr_assert_eq(ech_sum_begin(made.sum, weight_bound, LEAVES), ECH_OK);
        pthread_t threads[THREADS];
        work works[THREADS];
        for (uint32_t t = 0; t < THREADS; t++) {
            works[t] = (work){&made, t};
            cr_assert_eq(pthread_create(&threads[t], NULL, add_some, &works[t]), 0);
        }
        for (uint32_t t = 0; t < THREADS; t++) {
            void *failed = NULL;
            pthread_join(threads[t], &failed);
            cr_assert_null(failed);
        }
        expect_definition(made.sum, came);
    }
    free_sum(&made);
}

/* Pairwise: log2(23) units in the last place of the largest update, at most, and then some. */
Test(ordered_sum, near_the_exact_sum)
{
    owned exact = make_sum(ECH_SUM_EXACT, LEAVES);
    owned ordered = make_sum(ECH_SUM_FLOAT32, LEAVES);
    for (uint32_t k = 0; k < LEAVES; k++) {
        add_leaf(exact.sum, k);
        add_leaf(ordered.sum, k);
    }
    ech_state a = mean_of(exact.sum);
    ech_state b = mean_of(ordered.sum);
    double largest = 0.0;
    for (uint64_t i = 0; i < layout->value_count; i++) {
        double magnitude = 0.0;
        for (uint32_t k = 0; k < LEAVES; k++) {
            magnitude = fmax(magnitude, fabs((double)updates[k].values[i]));
        }
        const double error = fabs((double)a.values[i] - (double)b.values[i]);
        largest = fmax(largest, error / ech_test_unit_in_last_place(magnitude));
    }
    cr_expect_lt(largest, 8.0, "%g units in the last place", largest);
    cr_expect_arr_eq(a.counters, b.counters, layout->counter_count * sizeof(int64_t));
    ech_test_state_free(&a);
    ech_test_state_free(&b);
    free_sum(&exact);
    free_sum(&ordered);
}

Test(ordered_sum, what_is_refused_leaves_the_sum_as_it_was)
{
    bool came[LEAVES] = {false};
    owned made = make_sum(ECH_SUM_FLOAT32, LEAVES);
    add_leaf(made.sum, 3);
    came[3] = true;
    ech_state bad = updates[2];
    const float kept = bad.values[20003];
    bad.values[20003] = NAN;
    cr_expect_eq(ech_sum_add(made.sum, ech_test_view(bad), weights[2], 2), ECH_ERR_NUMERIC);
    cr_expect_not_null(strstr(ech_status_message(), "bias"));
    bad.values[20003] = kept;
    cr_expect_eq(ech_sum_add(made.sum, ech_test_view(bad), weight_bound, 2), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_sum_add(made.sum, ech_test_view(bad), 0, 2), ECH_ERR_ARGUMENT);
    static _Alignas(8) char piece[8192];
    ech_sum_cursor cursor = {0};
    size_t bytes = 0;
    cr_assert_eq(ech_sum_export(made.sum, &cursor, piece, sizeof piece, &bytes), ECH_OK);
    cr_expect_eq(ech_sum_import(made.sum, piece, bytes - 4, ECH_LEAF_OWN), ECH_ERR_FORMAT);
    cr_expect_eq(ech_sum_import(made.sum, piece, 16, ECH_LEAF_OWN), ECH_ERR_FORMAT);
    static const size_t fields[] = {0, 8, 24, 32, 56, 64, 72, 80};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        piece[fields[i] + 6] ^= 0x40;
        cr_expect_eq(ech_sum_import(made.sum, piece, bytes, ECH_LEAF_OWN), ECH_ERR_FORMAT,
                     "field at %zu", fields[i]);
        piece[fields[i] + 6] ^= 0x40;
    }
    expect_definition(made.sum, came);
    cr_expect_eq(ech_sum_begin(made.sum, 0, LEAVES), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_sum_begin(made.sum, 1, LEAVES + SPARE + 1), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_sum_begin(made.sum, 1, 0), ECH_ERR_ARGUMENT);
    free_sum(&made);
}
