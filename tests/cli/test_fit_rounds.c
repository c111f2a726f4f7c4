/* Rounds in step with more than a sum in them: rules that look at every update, hostile workers,
 * tiers with rules and rounds of their own, rounds that end early. One configuration gives one
 * model whatever the ranks and hosts, and across a resume. */
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
    "strategy: {name: fedavg, participation: 0.75}\n"
    "rounds: 3\n"
    "train: {epochs: 1, batch: 4, lr: 0.02, momentum: 0.9}\n";

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";

static void start(void)
{
    fit_folder_start(config_text);
}

TestSuite(fit_rounds, .init = start, .fini = fit_folder_stop, .timeout = 300);

/* One rank, two hosts, and a run in two parts end alike. `hash` gets it. */
static void expect_one_model(const char *const sets[2], char hash[FIT_HASH_BYTES])
{
    char other[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.ranks = 1, .sets = {sets[0], sets[1]}}, hash);
    fit_folder_hash(
        &(fit_run){.ranks = 4, .environment = two_hosts, .sets = {"rounds=2", sets[0], sets[1]}},
        other);
    cr_expect_str_neq(other, hash, "%s: the last round changes nothing", sets[0]);
    fit_folder_hash(&(fit_run){.ranks = 3,
                               .resume = true,
                               .environment = two_hosts,
                               .sets = {"rounds=3", sets[0], sets[1]}},
                    other);
    cr_expect_str_eq(other, hash, "%s: resumed on two hosts to another model", sets[0]);
}

enum { SETTINGS_MAX = 8 };

/* Each pair of settings gives one model, another than the pairs before it. */
static void expect_models(const char *const (*sets)[2], size_t count)
{
    char hashes[SETTINGS_MAX][FIT_HASH_BYTES];
    cr_assert_leq(count, SETTINGS_MAX);
    for (size_t i = 0; i < count; i++) {
        expect_one_model(sets[i], hashes[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(hashes[i], hashes[j], "%s changes nothing", sets[i][0]);
        }
    }
}

Test(fit_rounds, rules_that_look_at_every_update_give_one_model_through_any_tree)
{
    static const char *const rules[][2] = {
        {"strategy.name=median", NULL},
        {"strategy.name=multi-krum", "strategy.hostile=2"},
        {"strategy.name=geometric-median", "attack={kind: noise, workers: 3}"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        char hash[FIT_HASH_BYTES];
        char star[FIT_HASH_BYTES];
        expect_one_model(rules[i], hash);
        fit_folder_hash(
            &(fit_run){.ranks = 2, .sets = {"topology.height=1", rules[i][0], rules[i][1]}}, star);
        cr_expect_str_eq(star, hash, "%s: the tree changes the model", rules[i][0]);
    }
}

Test(fit_rounds, tiers_with_rules_of_their_own_give_one_model)
{
    static const char *const tiers[][2] = {
        {"tiers=[{rounds: 2}]", NULL},
        {"tiers=[{rounds: 2, strategy: {name: fedadam}}]", "strategy.name=fedavgm"},
        {"tiers=[{strategy: {name: trimmed-mean, trim: 0.3}}]", "strategy.name=median"},
        {"tiers=[{rounds: 2}, {rounds: 2, strategy: {name: fedavgm}}]", "topology.height=3"},
    };
    expect_models(tiers, sizeof tiers / sizeof *tiers);
}

Test(fit_rounds, a_tier_that_no_node_is_in_changes_no_bit)
{
    char plain[FIT_HASH_BYTES];
    char tiers[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.ranks = 2, .sets = {"topology.height=1"}}, plain);
    fit_folder_hash(&(fit_run){.ranks = 2, .sets = {"topology.height=1", "tiers=[{rounds: 5}]"}},
                    tiers);
    cr_expect_str_eq(tiers, plain);
}

Test(fit_rounds, rounds_that_end_early_give_one_model)
{
    static const char *const cutoffs[][2] = {
        {"cutoff={quorum: 6}", "clock=virtual"},
        {"cutoff={quorum: 6, late: keep}", "clock=virtual"},
        {"strategy={name: median, over_selection: 0.5, participation: 0.5}", "clock=virtual"},
    };
    expect_models(cutoffs, sizeof cutoffs / sizeof *cutoffs);
}

Test(fit_rounds, a_quorum_on_the_real_clock_is_best_effort)
{
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.ranks = 2, .sets = {"cutoff.quorum=1"}}, hash);
    fit_folder_hash(&(fit_run){.ranks = 2, .sets = {"cutoff.deadline=1e-6"}}, hash);
}

Test(fit_rounds, every_aggregator_takes_part_if_asked)
{
    char with[FIT_HASH_BYTES];
    char without[FIT_HASH_BYTES];
    static const char few[] = "strategy.participation=0.0625";
    fit_folder_hash(&(fit_run){.ranks = 2, .sets = {few}}, without);
    fit_folder_hash(
        &(fit_run){.ranks = 2, .sets = {few, "strategy.always_include_aggregators=true"}}, with);
    cr_expect_str_neq(with, without);
}

Test(fit_rounds, what_does_not_go_together_is_refused_by_its_key)
{
    static const char *const refused[][3] = {
        {"tiers=[{strategy: {name: scaffold}}]", NULL, "tiers: expected tiers and a leader"},
        {"tiers=[{rounds: 0}]", NULL, "rounds"},
        {"tiers=[{strategy: {participation: 0.5}}]", NULL, "the leader selects"},
        {"cutoff.late=keep", NULL, "cutoff.late: expected drop, or clock: virtual"},
        {"strategy.name=median", "cutoff.quorum=3", "clock: expected virtual"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fit_folder_expect_refused(&(fit_run){.sets = {refused[i][0], refused[i][1]}},
                                  refused[i][2]);
    }
}

Test(fit_rounds, a_rule_that_hears_from_too_few_ends_the_job)
{
    const fit_run run = {.sets = {"strategy={name: krum, hostile: 9}"}};
    ech_child_result result = fit_folder_run(&run);
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.errors, "krum with 9 hostile workers needs 21 updates"), "%s",
                       result.errors);
    ech_child_result_free(&result);
}
