#include <criterion/criterion.h>
#include <math.h>

#include "runtime/fed/select.h"
#include "tests/support.h"

enum { WORKERS = 40 };

TestSuite(select, .fini = ech_test_expect_no_leak);

/* Every fourth worker has nothing. */
static const uint64_t *sample_counts(void)
{
    static uint64_t samples[WORKERS];
    for (uint64_t w = 0; w < WORKERS; w++) {
        samples[w] = w % 4 == 0 ? 0 : w;
    }
    return samples;
}

static ech_population *population_of(const uint64_t *samples, uint32_t workers)
{
    ech_population *population = NULL;
    cr_assert_eq(ech_population_create(samples, workers, &population), ECH_OK);
    return population;
}

Test(select, the_share_is_of_workers_with_samples)
{
    static const struct {
        double share;
        uint32_t count;
    } cases[] = {{1.0, 30}, {0.5, 15}, {0.35, 11}, {0.349, 10}, {1e-9, 1}};
    ech_population *population = population_of(sample_counts(), WORKERS);
    ech_selection selection = {0};
    cr_expect_eq(ech_population_count(population), 30);
    cr_expect_eq(ech_population_samples(population, 7), 7);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(
            ech_select(population, &(ech_select_rule){.share = cases[i].share}, 1, 1, &selection),
            ECH_OK);
        cr_expect_eq(selection.count, cases[i].count);
        for (uint32_t k = 0; k < selection.count; k++) {
            cr_expect_neq(selection.workers[k] % 4, 0);
            cr_expect(k == 0 || selection.workers[k - 1] < selection.workers[k]);
        }
    }
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

Test(select, a_round_repeats_and_another_differs)
{
    ech_population *population = population_of(NULL, 1000);
    ech_selection first = {0};
    ech_selection again = {0};
    cr_assert_eq(ech_select(population, &(ech_select_rule){.share = 0.1}, 9, 5, &first), ECH_OK);
    cr_assert_eq(ech_select(population, &(ech_select_rule){.share = 0.1}, 9, 5, &again), ECH_OK);
    cr_expect_arr_eq(first.workers, again.workers, 100 * sizeof *first.workers);
    cr_assert_eq(ech_select(population, &(ech_select_rule){.share = 0.1}, 9, 6, &again), ECH_OK);
    cr_expect_arr_neq(first.workers, again.workers, 100 * sizeof *first.workers);
    cr_assert_eq(ech_select(population, &(ech_select_rule){.share = 0.1}, 8, 5, &again), ECH_OK);
    cr_expect_arr_neq(first.workers, again.workers, 100 * sizeof *first.workers);
    ech_selection_clear(&first);
    ech_selection_clear(&again);
    ech_population_destroy(&population);
}

/* 20,000 rounds of 5 of 20: each worker 5,000 times, six standard deviations (61) allowed. */
Test(select, everyone_is_as_likely)
{
    ech_population *population = population_of(NULL, 20);
    ech_selection selection = {0};
    uint32_t counts[20] = {0};
    for (uint64_t round = 1; round <= 20000; round++) {
        cr_assert_eq(
            ech_select(population, &(ech_select_rule){.share = 0.25}, 1, round, &selection),
            ECH_OK);
        for (uint32_t k = 0; k < selection.count; k++) {
            counts[selection.workers[k]]++;
        }
    }
    for (uint32_t w = 0; w < 20; w++) {
        cr_expect(counts[w] > 5000 - 367 && counts[w] < 5000 + 367, "worker %u: %u", w, counts[w]);
    }
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

Test(select, without_data_everybody_counts_one)
{
    ech_population *population = population_of(NULL, 3);
    cr_expect_eq(ech_population_count(population), 3);
    cr_expect_eq(ech_population_samples(population, 2), 1);
    cr_expect_eq(ech_population_worker(population, 2), 2);
    ech_population_destroy(&population);
}

Test(select, bad_input_is_refused)
{
    static const uint64_t nothing[3] = {0};
    ech_population *population = NULL;
    ech_selection selection = {0};
    cr_expect_eq(ech_population_create(nothing, 3, &population), ECH_ERR_CONFIG);
    cr_expect_null(population);
    population = population_of(NULL, 3);
    cr_expect_eq(ech_select(population, &(ech_select_rule){.share = 0.0}, 1, 1, &selection),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_select(population, &(ech_select_rule){.share = 1.01}, 1, 1, &selection),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_select(population, &(ech_select_rule){.share = NAN}, 1, 1, &selection),
                 ECH_ERR_ARGUMENT);
    ech_population_destroy(&population);
}

Test(select, a_count_is_taken_as_it_is_up_to_all)
{
    ech_population *population = population_of(sample_counts(), WORKERS);
    ech_selection selection = {0};
    const ech_select_rule seven = {.share = 1.0, .count = 7};
    const ech_select_rule many = {.share = 1.0, .count = 700};
    cr_assert_eq(ech_select(population, &seven, 1, 1, &selection), ECH_OK);
    cr_expect_eq(selection.count, 7);
    cr_assert_eq(ech_select(population, &many, 1, 1, &selection), ECH_OK);
    cr_expect_eq(selection.count, 30);
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

/* 2,000 rounds of 20 workers at 0.1: 4,000 on average, five standard deviations (60) allowed; and
 * never nobody, though that has probability 0.12. */
Test(select, bernoulli_selects_each_by_itself_but_never_nobody)
{
    ech_population *population = population_of(NULL, 20);
    ech_selection selection = {0};
    const ech_select_rule rule = {.policy = ECH_SELECT_BERNOULLI, .share = 0.1};
    uint32_t total = 0;
    uint32_t alone = 0;
    for (uint64_t round = 1; round <= 2000; round++) {
        cr_assert_eq(ech_select(population, &rule, 1, round, &selection), ECH_OK);
        cr_assert_gt(selection.count, 0);
        total += selection.count;
        alone += selection.count == 1;
    }
    const double nobody = 2000 * 0.1215767;
    cr_expect_float_eq(total, 4000 + nobody, 300);
    cr_expect_float_eq(alone, 2000 * 0.2701703 + nobody, 110);
    const ech_select_rule counted = {.policy = ECH_SELECT_BERNOULLI, .share = 0.1, .count = 3};
    cr_expect_eq(ech_select(population, &counted, 1, 1, &selection), ECH_ERR_ARGUMENT);
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

/* One of three workers with 1, 2 and 7 samples: 600, 1,200 and 4,200 of 6,000 rounds. */
Test(select, by_size_the_large_come_more_often)
{
    static const uint64_t samples[] = {1, 2, 7};
    ech_population *population = population_of(samples, 3);
    ech_selection selection = {0};
    const ech_select_rule one = {.policy = ECH_SELECT_SIZE, .share = 1.0, .count = 1};
    const ech_select_rule all = {.policy = ECH_SELECT_SIZE, .share = 1.0};
    uint32_t counts[3] = {0};
    for (uint64_t round = 1; round <= 6000; round++) {
        cr_assert_eq(ech_select(population, &one, 1, round, &selection), ECH_OK);
        counts[selection.workers[0]]++;
    }
    for (int w = 0; w < 3; w++) {
        const double expected = 600.0 * (double)samples[w];
        cr_expect_float_eq(counts[w], expected, 5 * sqrt(expected), "%u", counts[w]);
    }
    cr_assert_eq(ech_select(population, &all, 1, 1, &selection), ECH_OK);
    cr_expect_eq(selection.count, 3, "without replacement");
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

Test(select, turns_are_taken_in_order)
{
    ech_population *population = population_of(sample_counts(), WORKERS);
    ech_selection selection = {0};
    const ech_select_rule rule = {.policy = ECH_SELECT_ROUND_ROBIN, .share = 1.0, .count = 7};
    uint32_t counts[WORKERS] = {0};
    for (uint64_t round = 1; round <= 60; round++) {
        cr_assert_eq(ech_select(population, &rule, 1, round, &selection), ECH_OK);
        cr_expect_eq(selection.count, 7);
        for (uint32_t k = 0; k < 7; k++) {
            counts[selection.workers[k]]++;
        }
        for (uint32_t w = 1; w < WORKERS; w++) {
            const uint32_t turns = (uint32_t)round * 7 / 30;
            cr_assert(w % 4 == 0 || counts[w] == turns || counts[w] == turns + 1);
        }
    }
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}
