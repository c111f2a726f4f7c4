#include <criterion/criterion.h>
#include <math.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split.h"
#include "runtime/fed/split_priv.h"
#include "tests/fed/split_support.h"
#include "tests/support.h"

TestSuite(split, .init = ech_test_make_labels, .fini = ech_test_expect_no_leak);

static ech_split *dirichlet(uint32_t workers, double samples_alpha, double labels_alpha,
                            uint64_t seed)
{
    ech_split *split = NULL;
    cr_assert_eq(
        ech_split_dirichlet(&split_data, workers, samples_alpha, labels_alpha, seed, &split),
        ECH_OK);
    ech_test_expect_split_sound(split);
    return split;
}

Test(split, iid_deals_all_samples_evenly)
{
    ech_split *split = NULL;
    cr_assert_eq(ech_split_iid(&split_data, 7, 1, &split), ECH_OK);
    ech_test_expect_split_sound(split);
    cr_expect_eq(split->sample_count, SAMPLES);
    for (uint32_t w = 0; w < 7; w++) {
        cr_expect(ech_split_count(split, w) == SAMPLES / 7 ||
                  ech_split_count(split, w) == SAMPLES / 7 + 1);
    }
    ech_split_destroy(&split);
}

/* The rule in its plainest form: a search through all workers for each sample. */
static void deal_plainly(uint32_t workers, double samples_alpha, double labels_alpha, uint64_t seed,
                         uint32_t *owners)
{
    double *probability = ech_calloc(workers * (size_t)CLASSES, sizeof *probability);
    double *quota = ech_calloc(workers, sizeof *quota);
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_SIZES, 0, 0);
    ech_split_draw_dirichlet(&stream, samples_alpha, workers, quota);
    for (uint32_t w = 0; w < workers; w++) {
        quota[w] = floor(quota[w] * SAMPLES);
        stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_LABELS, w, 0);
        ech_split_draw_dirichlet(&stream, labels_alpha, CLASSES, probability + w * CLASSES);
    }
    stream = ech_random_stream(seed, ECH_RANDOM_SPLIT, ECH_SPLIT_STREAM_DEAL, 0, 0);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        double total = 0.0;
        for (uint32_t w = 0; w < workers; w++) {
            total += quota[w] > 0.0 ? probability[w * CLASSES + split_labels[i]] : 0.0;
        }
        double rest = total * ech_random_uniform(&stream);
        owners[i] = ECH_SPLIT_NOBODY;
        for (uint32_t w = 0; w < workers && total > 0.0; w++) {
            const double weight = quota[w] > 0.0 ? probability[w * CLASSES + split_labels[i]] : 0.0;
            if (rest < weight) {
                owners[i] = w;
                quota[w]--;
                break;
            }
            rest -= weight;
        }
    }
    ech_free(probability);
    ech_free(quota);
}

Test(split, dirichlet_is_the_rule_in_its_plainest_form)
{
    static const struct {
        uint32_t workers;
        double samples_alpha, labels_alpha;
    } cases[] = {{1, 1.0, 1.0}, {5, 3.0, 1.0}, {37, 0.7, 0.3}, {256, 3.0, 1.0}, {64, 10.0, 100.0}};
    static uint32_t owners[SAMPLES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ech_split *expected = NULL;
        deal_plainly(cases[i].workers, cases[i].samples_alpha, cases[i].labels_alpha, 3, owners);
        cr_assert_eq(ech_split_from_owners(owners, SAMPLES, cases[i].workers, &expected), ECH_OK);
        ech_split *split =
            dirichlet(cases[i].workers, cases[i].samples_alpha, cases[i].labels_alpha, 3);
        cr_expect(ech_hash_equal(ech_test_split_hash(split), ech_test_split_hash(expected)),
                  "case %zu", i);
        ech_split_destroy(&split);
        ech_split_destroy(&expected);
    }
}

Test(split, dirichlet_leaves_about_half_a_sample_a_worker)
{
    ech_split *split = dirichlet(256, 3.0, 1.0, 1);
    const uint64_t left = SAMPLES - split->sample_count;
    cr_expect(left > 256 / 4 && left < 3 * 256 / 4, "%llu are left", (unsigned long long)left);
    ech_split_destroy(&split);
}

/* Mean over the workers of the largest class' share. */
static double concentration(const ech_split *split)
{
    double sum = 0.0;
    for (uint32_t w = 0; w < split->worker_count; w++) {
        uint32_t counts[CLASSES] = {0};
        uint32_t largest = 0;
        for (uint64_t i = split->offsets[w]; i < split->offsets[w + 1]; i++) {
            const uint32_t count = ++counts[split_labels[split->indices[i]]];
            largest = count > largest ? count : largest;
        }
        sum += (double)largest / (double)(ech_split_count(split, w) + 1);
    }
    return sum / split->worker_count;
}

Test(split, a_larger_alpha_is_more_even)
{
    ech_split *even = dirichlet(20, 100.0, 100.0, 1);
    ech_split *uneven = dirichlet(20, 100.0, 0.1, 1);
    cr_expect_lt(concentration(even), 0.2);
    cr_expect_gt(concentration(uneven), 0.5);
    ech_split_destroy(&even);
    ech_split_destroy(&uneven);
}

Test(split, an_alpha_next_to_nothing_gives_all_to_one)
{
    ech_split *split = dirichlet(5, 1e-300, 1e-300, 4);
    uint32_t holders = 0;
    for (uint32_t w = 0; w < 5; w++) {
        holders += ech_split_count(split, w) > 0;
    }
    cr_expect_eq(holders, 1);
    cr_expect_eq(split->sample_count, SAMPLES);
    ech_split_destroy(&split);
}

/* The bits of a split are part of every result that is built on it. */
Test(split, splits_never_change)
{
    char text[ECH_HASH_TEXT_BYTES];
    ech_split *split = dirichlet(64, 3.0, 1.0, 1);
    ech_hash_text(ech_test_split_hash(split), text);
    cr_expect_str_eq(text, "6e8b9081ecd83bcc825e25363022d001");
    ech_split_destroy(&split);
    cr_assert_eq(ech_split_iid(&split_data, 64, 1, &split), ECH_OK);
    ech_hash_text(ech_test_split_hash(split), text);
    cr_expect_str_eq(text, "99cc26039448601491044009598913f7");
    ech_split_destroy(&split);
}

Test(split, owners_from_a_file)
{
    static const uint32_t owners[] = {2, ECH_SPLIT_NOBODY, 0, 2, 0, 0};
    static const uint32_t expected[] = {2, 4, 5, 0, 3};
    ech_split *split = NULL;
    cr_assert_eq(ech_split_from_owners(owners, 6, 3, &split), ECH_OK);
    cr_assert_eq(split->sample_count, 5);
    cr_expect_arr_eq(split->indices, expected, sizeof expected);
    cr_expect_eq(ech_split_count(split, 0), 3);
    cr_expect_eq(ech_split_count(split, 1), 0);
    cr_expect_eq(ech_split_count(split, 2), 2);
    ech_split_destroy(&split);
    cr_expect_eq(ech_split_from_owners(owners, 6, 2, &split), ECH_ERR_ARGUMENT);
    cr_expect_str_eq(ech_status_message(),
                     "split: sample 0 belongs to worker 2, but there are 2 workers");
    cr_expect_null(split);
}

Test(split, bad_parameters_are_refused)
{
    ech_split *split = NULL;
    cr_expect_eq(ech_split_iid(&split_data, SAMPLES + 1, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_iid(&split_data, 0, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_dirichlet(&split_data, 4, 0.0, 1.0, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_split_dirichlet(&split_data, 4, 1.0, -1.0, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_split_dirichlet(&split_data, 4, NAN, 1.0, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_split_dirichlet(&split_data, 4, INFINITY, 1.0, 1, &split), ECH_ERR_ARGUMENT);
    split_labels[17] = CLASSES;
    cr_expect_eq(ech_split_iid(&split_data, 4, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_null(split);
}
