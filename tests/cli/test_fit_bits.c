/* One configuration gives one model: whatever the ranks, the hosts, the threads, the instruction
 * set, the tree and its aggregators, and across an early stop and a resume. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/cli/fit_folder.h"

static const char config_text[] =
    "seed: 3\n"
    "data:\n"
    "  file: tiny.h5\n"
    "  normalize: {mean: [0.5], std: [0.5]}\n"
    "  split: {kind: dirichlet, samples_alpha: 3.0, labels_alpha: 1.0}\n"
    "model: {name: smallconv}\n"
    "topology: {kind: balanced, workers: 16, height: 2}\n"
    "strategy: {name: fedavg, participation: 0.5}\n"
    "rounds: 3\n"
    "train: {epochs: 1, batch: 4, lr: 0.02, momentum: 0.9}\n";

static void start(void)
{
    fit_folder_start(config_text);
}

TestSuite(fit_bits, .init = start, .fini = fit_folder_stop, .timeout = 600);

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";
static const char three_hosts[] = "MPIR_CVAR_NUM_CLIQUES=3";

Test(fit_bits, ranks_hosts_threads_and_trees_give_one_model)
{
    const fit_run runs[] = {
        {.ranks = 1},
        {.ranks = 2},
        {.ranks = 3},
        {.ranks = 5},
        {.ranks = 4, .environment = two_hosts},
        {.ranks = 2, .sets = {"topology.height=1"}},
        {.ranks = 2, .sets = {"topology.height=4"}},
        {.ranks = 2, .sets = {"threads=2"}},
        {.ranks = 2, .sets = {"aggregators=materialised"}},
        {.ranks = 3,
         .environment = two_hosts,
         .sets = {"aggregators=materialised", "topology.height=4"}},
    };
    char hash[FIT_HASH_BYTES];
    fit_folder_expect_one_model(runs, sizeof runs / sizeof *runs, hash);
}

/* What travels beside the model, and what workers keep where they train, changes none of it. */
Test(fit_bits, rules_with_control_variates_give_one_model_and_resume_to_it)
{
    static const char *const rules[] = {"strategy.name=scaffold", "strategy.name=fednova",
                                        "strategy.name=feddyn"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *rule = rules[i];
        const fit_run runs[] = {
            {.ranks = 1, .sets = {rule}},
            {.ranks = 3, .sets = {rule, "topology.height=3"}},
            {.ranks = 4, .environment = two_hosts, .sets = {rule}},
            {.ranks = 3, .environment = three_hosts, .sets = {rule, "aggregators=materialised"}},
        };
        const fit_run part = {.ranks = 4, .environment = two_hosts, .sets = {rule, "rounds=2"}};
        const fit_run rest = {
            .ranks = 3, .environment = three_hosts, .resume = true, .sets = {rule, "rounds=3"}};
        char first[FIT_HASH_BYTES];
        char hash[FIT_HASH_BYTES];
        fit_folder_expect_one_model(runs, sizeof runs / sizeof *runs, first);
        fit_folder_hash(&part, hash);
        fit_folder_hash(&rest, hash);
        cr_expect_str_eq(hash, first, "%s resumed to another model", rule);
    }
}

#if defined(__x86_64__)
Test(fit_bits, a_lesser_instruction_set_with_fused_multiply_add_gives_the_same_model)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return; /* nothing lesser to compare with */
    }
    const fit_run runs[] = {{.ranks = 2}, {.ranks = 2, .environment = "ECH_ISA=avx2"}};
    char hash[FIT_HASH_BYTES];
    fit_folder_expect_one_model(runs, 2, hash);
}
#endif

Test(fit_bits, what_decides_the_model_changes_it)
{
    static const fit_run runs[] = {
        {.sets = {NULL}},
        {.sets = {"seed=4"}},
        {.sets = {"train.lr=0.021"}},
        {.sets = {"strategy.participation=0.6"}},
    };
    enum { RUNS = sizeof runs / sizeof *runs };
    char hashes[RUNS][FIT_HASH_BYTES];
    for (size_t i = 0; i < RUNS; i++) {
        fit_folder_hash(&runs[i], hashes[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(hashes[i], hashes[j], "runs %zu and %zu", i, j);
        }
    }
}

Test(fit_bits, a_resumed_run_ends_like_one_that_never_stopped)
{
    char undisturbed[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.out = "whole"}, undisturbed);
    fit_folder_hash(&(fit_run){.sets = {"rounds=1"}}, hash);
    fit_folder_hash(&(fit_run){.ranks = 3, .resume = true}, hash);
    cr_expect_str_eq(hash, undisturbed);
}

Test(fit_bits, a_resume_with_another_configuration_is_refused_by_its_keys)
{
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.sets = {"rounds=1"}}, hash);
    ech_child_result refused =
        fit_folder_run(&(fit_run){.resume = true, .sets = {"train.lr=0.5", "seed=9"}});
    cr_expect_eq(refused.exit_code, 2);
    cr_expect_not_null(strstr(refused.errors, "train.lr: was 0.02, is 0.5"), "%s", refused.errors);
    cr_expect_not_null(strstr(refused.errors, "seed: was 3, is 9"), "%s", refused.errors);
    ech_child_result_free(&refused);
}
