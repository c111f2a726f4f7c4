/* ECH_STRESS_SEEDS and ECH_STRESS_TASKS make a soak of it. */
#include <criterion/criterion.h>

#include "tests/support.h"
#include "tests/task/stress.h"

enum { SEEDS = 6, TASKS = 3000, TEAM_RANKS = 2 };

TestSuite(stress, .fini = ech_test_expect_no_leak);

static uint64_t digest_on(uint64_t seed, const ech_executor_options *options)
{
    stress graph = {
        .seed = seed, .tasks = stress_setting("ECH_STRESS_TASKS", TASKS), .team_ranks = TEAM_RANKS};
    cr_assert_eq(stress_run(&graph, options), ECH_OK, "seed %llu: %s", (unsigned long long)seed,
                 ech_status_message());
    return graph.digest;
}

static void compare(const ech_executor_options *other)
{
    const ech_executor_options serial = {.kind = ECH_EXECUTOR_SERIAL};
    const uint32_t seeds = stress_setting("ECH_STRESS_SEEDS", SEEDS);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        cr_expect_eq(digest_on(seed, &serial), digest_on(seed, other), "seed %llu",
                     (unsigned long long)seed);
    }
}

Test(stress, different_seeds_give_different_digests)
{
    const ech_executor_options serial = {.kind = ECH_EXECUTOR_SERIAL};
    cr_expect_neq(digest_on(1, &serial), digest_on(2, &serial));
}

Test(stress, two_threads_give_the_serial_results)
{
    compare(&(ech_executor_options){.kind = ECH_EXECUTOR_THREADS, .ranks = 2});
}

Test(stress, four_threads_give_the_serial_results)
{
    compare(&(ech_executor_options){.kind = ECH_EXECUTOR_THREADS, .ranks = 4});
}

Test(stress, a_small_pool_gives_the_serial_results)
{
    compare(&(ech_executor_options){.kind = ECH_EXECUTOR_THREADS,
                                    .ranks = 3,
                                    .pending_max = 5000,
                                    .released_max = 64,
                                    .arena_bytes = 1 << 16});
}
