#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

enum { DRAWS = 200000, COUNTER_WORDS = 4 };

static ech_random test_stream(uint64_t seed)
{
    return ech_random_stream(seed, ECH_RANDOM_TEST, 0, 0, 0);
}

typedef struct {
    uint64_t key[2];
    uint64_t counter[COUNTER_WORDS];
    uint64_t block[COUNTER_WORDS];
} known_answer;

/* From the known answers that Random123 publishes for philox4x64, 10 rounds. */
Test(random, blocks_equal_the_published_answers)
{
    static const known_answer answers[] = {
        {{0, 0},
         {0, 0, 0, 0},
         {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}},
        {{UINT64_MAX, UINT64_MAX},
         {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}},
        {{0x452821e638d01377, 0xbe5466cf34e90c6c},
         {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
         {0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6}},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ech_random stream = test_stream(0);
        memcpy(stream.key, answers[i].key, sizeof stream.key);
        memcpy(stream.counter, answers[i].counter, sizeof stream.counter);
        for (size_t word = 0; word < COUNTER_WORDS; word++) {
            cr_expect_eq(ech_random_u64(&stream), answers[i].block[word], "answer %zu, word %zu", i,
                         word);
        }
    }
}

Test(random, each_part_of_a_name_makes_another_stream)
{
    ech_random streams[] = {
        ech_random_stream(1, ECH_RANDOM_SHUFFLE, 1, 1, 1),
        ech_random_stream(2, ECH_RANDOM_SHUFFLE, 1, 1, 1),
        ech_random_stream(1, ECH_RANDOM_DROPOUT, 1, 1, 1),
        ech_random_stream(1, ECH_RANDOM_SHUFFLE, 2, 1, 1),
        ech_random_stream(1, ECH_RANDOM_SHUFFLE, 1, 2, 1),
        ech_random_stream(1, ECH_RANDOM_SHUFFLE, 1, 1, 2),
    };
    enum { STREAMS = sizeof streams / sizeof *streams };
    uint64_t first[STREAMS];
    for (size_t i = 0; i < STREAMS; i++) {
        first[i] = ech_random_u64(&streams[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect_neq(first[i], first[j], "streams %zu and %zu begin alike", i, j);
        }
    }
}

Test(random, a_stream_repeats_and_a_copy_goes_on_alike)
{
    ech_random a = test_stream(3);
    ech_random b = test_stream(3);
    for (int i = 0; i < 7; i++) {
        cr_expect_eq(ech_random_u64(&a), ech_random_u64(&b));
    }
    ech_random copy = a;
    cr_expect_eq(ech_random_u64(&a), ech_random_u64(&copy));
}

typedef double (*draw)(ech_random *stream);

static void expect_moments(draw next, double mean, double variance)
{
    ech_random stream = test_stream(11);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double value = next(&stream);
        sum += value;
        squares += (value - mean) * (value - mean);
    }
    const double mean_error = 5 * sqrt(variance / DRAWS);
    cr_expect_float_eq(sum / DRAWS, mean, mean_error);
    cr_expect_float_eq(squares / DRAWS / variance, 1.0, 0.05);
}

static double gamma_small(ech_random *stream)
{
    return ech_random_gamma(stream, 0.3);
}

static double gamma_large(ech_random *stream)
{
    return ech_random_gamma(stream, 7.5);
}

static double uniform_float(ech_random *stream)
{
    return (double)ech_random_uniform_float(stream);
}

Test(random, distributions_have_their_mean_and_variance)
{
    expect_moments(ech_random_uniform, 0.5, 1.0 / 12);
    expect_moments(uniform_float, 0.5, 1.0 / 12);
    expect_moments(ech_random_normal, 0.0, 1.0);
    expect_moments(gamma_small, 0.3, 0.3);
    expect_moments(gamma_large, 7.5, 7.5);
}

/* Kolmogorov and Smirnov's distance of the draws to the normal distribution. */
static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

Test(random, normals_follow_the_normal_distribution)
{
    enum { COUNT = 20000 };
    static double values[COUNT];
    ech_random stream = test_stream(12);
    for (int i = 0; i < COUNT; i++) {
        values[i] = ech_random_normal(&stream);
    }
    qsort(values, COUNT, sizeof *values, ascending);
    double distance = 0;
    for (int i = 0; i < COUNT; i++) {
        const double expected = 0.5 * erfc(-values[i] / sqrt(2));
        distance = fmax(distance, fabs(expected - (i + 0.5) / COUNT));
    }
    cr_expect_lt(distance, 1.95 / sqrt(COUNT), "distance %g", distance);
}

Test(random, log_normals_are_exponentials_of_normals)
{
    ech_random stream = test_stream(14);
    for (double sigma = 0.0; sigma <= 20.0; sigma += 0.25) {
        ech_random same = stream;
        const double expected = exp(sigma * ech_random_normal(&same));
        const double ratio = ech_random_log_normal(&stream, sigma) / expected;
        cr_expect_float_eq(ratio, 1.0, 1e-13);
    }
}

Test(random, a_bound_is_kept_and_every_number_below_it_is_as_likely)
{
    enum { BOUND = 7 };
    size_t counts[BOUND] = {0};
    ech_random stream = test_stream(13);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t value = ech_random_below(&stream, BOUND);
        cr_assert_lt(value, BOUND);
        counts[value]++;
    }
    double chi_square = 0;
    for (int i = 0; i < BOUND; i++) {
        const double expected = (double)DRAWS / BOUND;
        chi_square += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    }
    cr_expect_lt(chi_square, 22.5, "chi square %g of 6 degrees of freedom", chi_square);
    cr_expect_eq(ech_random_below(&stream, 1), 0);
    cr_expect_lt(ech_random_below(&stream, UINT64_MAX), UINT64_MAX);
}

/* Half of all 64-bit numbers is the bound at which a draw without rejection is most biased: the
 * lower half of the results would come twice as often as the upper. */
Test(random, below_rejects_where_the_bound_is_large)
{
    const uint64_t bound = (uint64_t)3 << 62;
    ech_random stream = test_stream(15);
    int low = 0;
    for (int i = 0; i < 30000; i++) {
        const uint64_t drawn = ech_random_below(&stream, bound);
        cr_assert_lt(drawn, bound);
        low += drawn < bound / 3;
    }
    cr_expect_lt(abs(low - 10000), 420, "%d of 30000 in the lowest third", low);
}

Test(random, uniform_float_is_below_one_and_a_multiple_of_2_to_minus_24)
{
    ech_random stream = test_stream(16);
    for (int i = 0; i < 100000; i++) {
        const float u = ech_random_uniform_float(&stream);
        cr_assert(u >= 0.0F && u < 1.0F);
        cr_assert_eq(u * 0x1p24F, floorf(u * 0x1p24F));
    }
}

Test(random, a_shuffle_keeps_every_item)
{
    enum { COUNT = 1000 };
    uint32_t items[COUNT];
    bool seen[COUNT] = {false};
    for (uint32_t i = 0; i < COUNT; i++) {
        items[i] = i;
    }
    ech_random stream = test_stream(14);
    ech_random_shuffle_u32(&stream, items, COUNT);
    size_t in_place = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert_lt(items[i], COUNT);
        cr_expect_not(seen[items[i]]);
        seen[items[i]] = true;
        in_place += items[i] == i;
    }
    cr_expect_lt(in_place, 10);
    ech_random_shuffle_u32(&stream, items, 0);
}

/* Every result of Echelon hangs on these bits: a change of them is a new version of all results. */
Test(random, derived_numbers_keep_their_bits)
{
    enum { COUNT = 4096 };
    static double values[COUNT];
    char text[ECH_HASH_TEXT_BYTES];
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 2, 3, 4);
    for (int i = 0; i < COUNT; i += 4) {
        values[i] = ech_random_uniform(&stream);
        values[i + 1] = ech_random_normal(&stream);
        values[i + 2] = ech_random_gamma(&stream, 0.1);
        values[i + 3] = ech_random_gamma(&stream, 3.0);
    }
    ech_hash_text(ech_hash_bytes(values, sizeof values), text);
    cr_expect_str_eq(text, "a4179ab6bf9a1bd49a42939b5c008728", "%s", text);
}
