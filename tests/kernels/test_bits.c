/* The same bits on every instruction set with fused multiply-add, and for any number of threads. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/kernels/kernels_support.h"
#include "tests/support.h"

TestSuite(kernels_bits, .fini = ech_test_expect_no_leak);

/* 3 full batches of 20 (two lane blocks, one of them partial) and one of 7. */
enum { SAMPLES = 67, BATCH = 20 };

static const ech_training training = {
    .epochs = 2,
    .batch = BATCH,
    .optimizer = {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3, .clip_norm = 2.0},
};

static bool isa_exists(const char *name)
{
    ech_isa isa;
    setenv("ECH_ISA", name, 1);
    return ech_cpu_isa(&isa) == ECH_OK;
}

static ech_hash128 trained(const char *model, uint32_t threads)
{
    ech_network *network = ech_test_model(model);
    ech_test_data data = ech_test_make_data(network, SAMPLES);
    const ech_hash128 hash =
        ech_test_trained_hash(network, &data, &training, threads, ECH_ENGINE_LANES);
    ech_test_free_data(&data);
    ech_network_destroy(&network);
    return hash;
}

static void expect_equal_on_avx2_and_avx512(const char *model)
{
    if (!isa_exists("avx512")) {
        return;
    }
    const ech_hash128 wide = trained(model, 1);
    cr_assert(isa_exists("avx2"));
    cr_expect(ech_hash_equal(trained(model, 1), wide), "%s", model);
}

Test(kernels_bits, avx2_and_avx512_agree_on_smallconv)
{
    expect_equal_on_avx2_and_avx512("smallconv");
}

Test(kernels_bits, avx2_and_avx512_agree_on_smallnet)
{
    expect_equal_on_avx2_and_avx512("smallnet");
}

Test(kernels_bits, avx2_and_avx512_agree_with_padding)
{
    expect_equal_on_avx2_and_avx512("mcmahancnn");
}

Test(kernels_bits, threads_change_nothing)
{
    const ech_hash128 one = trained("smallconv", 1);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        cr_expect(ech_hash_equal(trained("smallconv", threads), one), "%u threads", threads);
    }
}

Test(kernels_bits, threads_change_nothing_in_the_reference)
{
    ech_network *network = ech_test_model("smallconv");
    ech_test_data data = ech_test_make_data(network, 9);
    const ech_hash128 one =
        ech_test_trained_hash(network, &data, &training, 1, ECH_ENGINE_REFERENCE);
    cr_expect(ech_hash_equal(
        ech_test_trained_hash(network, &data, &training, 3, ECH_ENGINE_REFERENCE), one));
    ech_test_free_data(&data);
    ech_network_destroy(&network);
}

/* What a learner did before must not matter: another worker, a larger batch. */
Test(kernels_bits, a_used_learner_gives_what_a_new_one_gives)
{
    ech_network *network = ech_test_model("smallconv");
    ech_test_data data = ech_test_make_data(network, SAMPLES);
    ech_learner *learner = ech_test_learner(network, 64, 1, ECH_ENGINE_LANES);
    ech_state update = ech_test_state_of(network);
    ech_training_result result;
    const ech_training other = {.epochs = 1, .batch = 64, .optimizer = {.lr = 1.0}};
    cr_assert_eq(ech_test_train(learner, network, &data, &other, update, &result), ECH_OK);
    cr_assert_eq(ech_test_train(learner, network, &data, &training, update, &result), ECH_OK);
    cr_expect(ech_hash_equal(ech_layout_hash_values(network->layout, update.values),
                             trained("smallconv", 1)));
    ech_test_free_state(&update);
    ech_learner_destroy(&learner);
    ech_test_free_data(&data);
    ech_network_destroy(&network);
}

Test(kernels_bits, an_instruction_set_that_does_not_exist_is_refused)
{
    ech_isa isa;
    setenv("ECH_ISA", "avx1024", 1);
    cr_expect_eq(ech_cpu_isa(&isa), ECH_ERR_CONFIG);
}
