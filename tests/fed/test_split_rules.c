/* The splits of the literature beside Flight's. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/fed/split_support.h"
#include "tests/support.h"

TestSuite(split_rules, .init = ech_test_make_labels, .fini = ech_test_expect_no_leak);

Test(split_rules, by_label_nobody_is_left_with_too_few_or_takes_too_much)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        ech_split *split = NULL;
        cr_assert_eq(ech_split_label(&split_data, 10, 0.5, 10, seed, &split), ECH_OK);
        ech_test_expect_split_sound(split);
        cr_expect_eq(split->sample_count, SAMPLES);
        for (uint32_t w = 0; w < 10; w++) {
            uint32_t counts[CLASSES];
            uint32_t largest = 0;
            ech_test_split_count(split, w, counts);
            for (uint32_t c = 0; c < CLASSES; c++) {
                largest = counts[c] > largest ? counts[c] : largest;
            }
            cr_expect_geq(ech_split_count(split, w), 10);
            cr_expect_leq(ech_split_count(split, w), SAMPLES / 10 + largest,
                          "one class at most beyond an even part");
        }
        ech_split_destroy(&split);
    }
}

/* With a large alpha everybody has a tenth of each class; with a small one, few classes. */
Test(split_rules, by_label_alpha_sets_the_evenness)
{
    ech_split *split = NULL;
    uint32_t counts[CLASSES];
    cr_assert_eq(ech_split_label(&split_data, 10, 1e5, 10, 1, &split), ECH_OK);
    ech_test_split_count(split, 3, counts);
    for (uint32_t c = 0; c < CLASSES; c++) {
        cr_expect(counts[c] > 45 && counts[c] < 75, "%u", counts[c]);
    }
    ech_split_destroy(&split);
    cr_assert_eq(ech_split_label(&split_data, 10, 0.05, 1, 1, &split), ECH_OK);
    uint32_t empty = 0;
    for (uint32_t w = 0; w < 10; w++) {
        ech_test_split_count(split, w, counts);
        for (uint32_t c = 0; c < CLASSES; c++) {
            empty += counts[c] == 0;
        }
    }
    cr_expect_gt(empty, 50);
    ech_split_destroy(&split);
}

Test(split_rules, by_label_gives_up_in_the_end)
{
    ech_split *split = NULL;
    cr_expect_eq(ech_split_label(&split_data, 100, 0.001, 59, 1, &split), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "fewer than 59 samples"));
    cr_expect_null(split);
}

Test(split_rules, n_classes_each_in_equal_parts)
{
    for (uint32_t each = 1; each <= 3; each++) {
        ech_split *split = NULL;
        uint32_t holders[CLASSES] = {0};
        uint32_t least[CLASSES];
        uint32_t most[CLASSES] = {0};
        memset(least, 0xff, sizeof least);
        cr_assert_eq(ech_split_classes(&split_data, 12, each, 1, &split), ECH_OK);
        ech_test_expect_split_sound(split);
        cr_expect_eq(split->sample_count, SAMPLES, "12 workers hold all of 10 classes");
        for (uint32_t w = 0; w < 12; w++) {
            uint32_t counts[CLASSES];
            uint32_t held = 0;
            ech_test_split_count(split, w, counts);
            cr_expect_gt(counts[w % CLASSES], 0);
            for (uint32_t c = 0; c < CLASSES; c++) {
                if (counts[c] > 0) {
                    held++;
                    holders[c]++;
                    least[c] = counts[c] < least[c] ? counts[c] : least[c];
                    most[c] = counts[c] > most[c] ? counts[c] : most[c];
                }
            }
            cr_expect_eq(held, each);
        }
        for (uint32_t c = 0; c < CLASSES; c++) {
            cr_expect_leq(most[c] - least[c], 1);
            cr_expect_gt(holders[c], 0);
        }
        ech_split_destroy(&split);
    }
}

Test(split_rules, a_class_that_nobody_has_is_left_out)
{
    ech_split *split = NULL;
    cr_assert_eq(ech_split_classes(&split_data, 3, 1, 1, &split), ECH_OK);
    cr_expect_lt(split->sample_count, SAMPLES / 2);
    ech_test_expect_split_sound(split);
    ech_split_destroy(&split);
}

Test(split_rules, two_shards_each_hold_few_classes)
{
    ech_split *split = NULL;
    cr_assert_eq(ech_split_shards(&split_data, 100, 2, 1, &split), ECH_OK);
    ech_test_expect_split_sound(split);
    cr_expect_eq(split->sample_count, SAMPLES);
    for (uint32_t w = 0; w < 100; w++) {
        uint32_t counts[CLASSES];
        uint32_t held = 0;
        ech_test_split_count(split, w, counts);
        for (uint32_t c = 0; c < CLASSES; c++) {
            held += counts[c] > 0;
        }
        cr_expect_eq(ech_split_count(split, w), SAMPLES / 100);
        cr_expect_leq(held, 4, "a shard of 30 samples spans two classes at most");
    }
    ech_split_destroy(&split);
}

/* The logarithms of the sizes of 300 workers: their spread is sigma. */
Test(split_rules, log_normal_sizes_have_their_spread)
{
    enum { WORKERS = 300 };
    ech_split *split = NULL;
    cr_assert_eq(ech_split_log_normal(&split_data, WORKERS, 0.4, 1, &split), ECH_OK);
    ech_test_expect_split_sound(split);
    cr_expect_eq(split->sample_count, SAMPLES);
    double sum = 0.0;
    double squares = 0.0;
    for (uint32_t w = 0; w < WORKERS; w++) {
        const double size = log((double)ech_split_count(split, w));
        sum += size;
        squares += size * size;
    }
    const double spread = sqrt(squares / WORKERS - (sum / WORKERS) * (sum / WORKERS));
    cr_expect(spread > 0.35 && spread < 0.45, "%g", spread);
    ech_split_destroy(&split);

    cr_assert_eq(ech_split_log_normal(&split_data, 30, 0.0, 1, &split), ECH_OK);
    for (uint32_t w = 0; w < 30; w++) {
        cr_expect(ech_split_count(split, w) >= 199 && ech_split_count(split, w) <= 201);
    }
    ech_split_destroy(&split);
}

Test(split_rules, natural_ids_go_to_workers_in_runs)
{
    static const uint32_t ids[] = {70, 5, 900, 5, ECH_SPLIT_NOBODY, 31, 70, 31, 12};
    static const uint32_t owners[] = {1, 0, 1, 0, ECH_SPLIT_NOBODY, 0, 1, 0, 0};
    ech_split *split = NULL;
    ech_split *expected = NULL;
    cr_assert_eq(ech_split_from_ids(ids, 9, 2, &split), ECH_OK);
    cr_assert_eq(ech_split_from_owners(owners, 9, 2, &expected), ECH_OK);
    cr_expect(ech_hash_equal(ech_test_split_hash(split), ech_test_split_hash(expected)));
    ech_split_destroy(&split);
    ech_split_destroy(&expected);
    cr_expect_eq(ech_split_from_ids(ids, 9, 6, &split), ECH_ERR_CONFIG);
    cr_expect_null(split);
}

/* The bits of a split are part of every result that is built on it. */
Test(split_rules, splits_never_change)
{
    ech_split *splits[4] = {NULL};
    static const char *const expected[] = {
        "103eb763e91eddf6807cc1cf78de2868", "a0bf3fa32ae09f16f05968359067fe2d",
        "0df707ed3703c3546fdfd7d2d467d430", "c7f8b662e612a13a629cb5ad0f098d49"};
    cr_assert_eq(ech_split_label(&split_data, 10, 0.5, 10, 1, &splits[0]), ECH_OK);
    cr_assert_eq(ech_split_classes(&split_data, 10, 2, 1, &splits[1]), ECH_OK);
    cr_assert_eq(ech_split_shards(&split_data, 10, 2, 1, &splits[2]), ECH_OK);
    cr_assert_eq(ech_split_log_normal(&split_data, 10, 1.0, 1, &splits[3]), ECH_OK);
    for (int i = 0; i < 4; i++) {
        char text[ECH_HASH_TEXT_BYTES];
        ech_hash_text(ech_test_split_hash(splits[i]), text);
        cr_expect_str_eq(text, expected[i]);
        ech_split_destroy(&splits[i]);
    }
}

Test(split_rules, bad_parameters_are_refused)
{
    ech_split *split = NULL;
    cr_expect_eq(ech_split_label(&split_data, 10, 0.0, 10, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_split_label(&split_data, SAMPLES + 1, 1.0, 0, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_classes(&split_data, 10, 0, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_classes(&split_data, 10, CLASSES + 1, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_shards(&split_data, 10, 0, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_shards(&split_data, 10, SAMPLES / 10 + 1, 1, &split), ECH_ERR_CONFIG);
    cr_expect_eq(ech_split_log_normal(&split_data, 10, -1.0, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_split_log_normal(&split_data, 10, NAN, 1, &split), ECH_ERR_ARGUMENT);
    cr_expect_null(split);
}
