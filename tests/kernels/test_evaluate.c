/* Evaluation: any partition of the samples adds up to the same numbers. */
#include <criterion/criterion.h>

#include "tests/kernels/kernels_support.h"
#include "tests/support.h"

TestSuite(kernels_evaluate, .fini = ech_test_expect_no_leak);

enum { SAMPLES = 203 };

static ech_evaluation_sums evaluate_in_parts(ech_learner *learner, ech_state state,
                                             const ech_samples *samples, uint64_t part)
{
    ech_evaluation_sums total = {0};
    for (uint64_t first = 0; first < samples->count; first += part) {
        ech_evaluation_sums sums;
        const uint64_t left = samples->count - first;
        cr_assert_eq(ech_learner_evaluate(learner, ech_test_view_of(state), samples, first,
                                          left < part ? left : part, &sums),
                     ECH_OK);
        total.samples += sums.samples;
        total.correct += sums.correct;
        total.loss_fixed += sums.loss_fixed;
    }
    return total;
}

static void expect_any_partition_agrees(const char *model, ech_engine_choice engine)
{
    ech_network *network = ech_test_model(model);
    ech_test_data data = ech_test_make_data(network, SAMPLES);
    ech_learner *learner = ech_test_learner(network, 32, 1, engine);
    ech_state state = ech_test_state_of(network);
    ech_network_initialise(network, 4, state);
    const ech_evaluation_sums whole = evaluate_in_parts(learner, state, &data.samples, SAMPLES);
    cr_expect_eq(whole.samples, SAMPLES);
    cr_expect_gt(whole.loss_fixed, 0);
    static const uint64_t parts[] = {1, 7, 16, 50, 64, 101};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const ech_evaluation_sums sums = evaluate_in_parts(learner, state, &data.samples, parts[i]);
        cr_expect_eq(sums.samples, whole.samples);
        cr_expect_eq(sums.correct, whole.correct, "parts of %llu", (unsigned long long)parts[i]);
        cr_expect_eq(sums.loss_fixed, whole.loss_fixed, "parts of %llu",
                     (unsigned long long)parts[i]);
    }
    ech_test_free_state(&state);
    ech_learner_destroy(&learner);
    ech_test_free_data(&data);
    ech_network_destroy(&network);
}

Test(kernels_evaluate, any_partition_gives_the_same_bits_in_lanes)
{
    expect_any_partition_agrees("smallconv", ECH_ENGINE_LANES);
}

Test(kernels_evaluate, any_partition_gives_the_same_bits_in_the_reference)
{
    expect_any_partition_agrees("smallconv", ECH_ENGINE_REFERENCE);
}

Test(kernels_evaluate, a_range_beyond_the_samples_is_refused)
{
    ech_network *network = ech_test_model("smallconv");
    ech_test_data data = ech_test_make_data(network, 8);
    ech_learner *learner = ech_test_learner(network, 8, 1, ECH_ENGINE_LANES);
    ech_state state = ech_test_state_of(network);
    ech_evaluation_sums sums;
    cr_expect_eq(ech_learner_evaluate(learner, ech_test_view_of(state), &data.samples, 5, 4, &sums),
                 ECH_ERR_ARGUMENT);
    ech_test_free_state(&state);
    ech_learner_destroy(&learner);
    ech_test_free_data(&data);
    ech_network_destroy(&network);
}
