/* Shared objects of a user's own: the examples give the bits of what they stand in for, on any
 * ranks and across a resume; what is no plug-in is refused by every rank alike. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/cli/fit_folder.h"
#include "tests/support.h"

enum { TEXT_BYTES = 2 * FIT_PATH_BYTES };

#define EXAMPLES ECH_BUILD_DIR "/examples/"
#define RULE "strategy.plugin=" EXAMPLES "plugin_rule.so"
#define SELECTION "strategy.plugin=" EXAMPLES "plugin_selection.so"

static const char kernels_text[] =
    "seed: 3\n"
    "data:\n"
    "  file: tiny.h5\n"
    "  split: {kind: dirichlet, samples_alpha: 3.0, labels_alpha: 1.0}\n"
    "model: {name: smallconv}\n"
    "topology: {kind: balanced, workers: 8, height: 2}\n"
    "rounds: 3\n"
    "train: {epochs: 1, batch: 8, lr: 0.02}\n";

static const char line_text[] = "seed: 3\n"
                                "topology: {kind: star, workers: 6}\n"
                                "rounds: 4\n"
                                "train: {plugin: " EXAMPLES "plugin_trainer.so, epochs: 3}\n";

static void start(void)
{
    fit_folder_start(kernels_text);
}

static void start_line(void)
{
    fit_folder_start(line_text);
}

TestSuite(fit_plugin, .init = start, .fini = fit_folder_stop, .timeout = 120);
TestSuite(fit_plugin_trainer, .init = start_line, .fini = fit_folder_stop, .timeout = 120);

static void expect_same(const fit_run *one, const fit_run *other)
{
    char first[FIT_HASH_BYTES];
    char second[FIT_HASH_BYTES];
    fit_folder_hash(one, first);
    fit_folder_hash(other, second);
    cr_expect_str_eq(second, first);
}

/* Without momentum it is FedAvgM without momentum. */
Test(fit_plugin, a_rule_gives_the_bits_of_the_same_rule_built_in)
{
    const fit_run plugin = {.ranks = 3,
                            .sets = {RULE, "strategy.plugin_options=rate=1 momentum=0"}};
    const fit_run built_in = {
        .sets = {"strategy.name=fedavgm", "strategy.server_momentum=0", "strategy.server_lr=1"}};
    expect_same(&plugin, &built_in);
}

Test(fit_plugin, a_rules_vectors_last_across_a_resume_on_other_ranks)
{
    char whole[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.ranks = 1, .out = "whole", .sets = {RULE}}, whole);
    fit_folder_hash(&(fit_run){.out = "parts", .sets = {RULE, "rounds=1"}}, hash);
    fit_folder_hash(&(fit_run){.ranks = 4,
                               .environment = "MPIR_CVAR_NUM_CLIQUES=2",
                               .out = "parts",
                               .resume = true,
                               .sets = {RULE}},
                    hash);
    cr_expect_str_eq(hash, whole);
}

Test(fit_plugin, a_selection_of_all_is_everyone_and_of_few_is_not)
{
    const fit_run all = {.sets = {SELECTION, "strategy.plugin_options=8"}};
    const fit_run everyone = {.ranks = 1, .sets = {NULL}};
    expect_same(&all, &everyone);
    char few[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.ranks = 3, .sets = {SELECTION, "strategy.plugin_options=2"}}, few);
    fit_folder_hash(&everyone, hash);
    cr_expect_str_neq(few, hash);
}

Test(fit_plugin, a_resume_with_another_object_is_refused_and_with_a_moved_one_is_not)
{
    char set[TEXT_BYTES];
    char hash[FIT_HASH_BYTES];
    snprintf(set, sizeof set, "strategy.plugin=%s/rule.so", fit_folder());
    ech_test_shell(fit_folder(), "cp " EXAMPLES "plugin_rule.so rule.so");
    fit_folder_hash(&(fit_run){.sets = {set, "rounds=1"}}, hash);
    ech_test_shell(fit_folder(), "echo another >>rule.so");
    fit_folder_expect_refused(&(fit_run){.resume = true, .sets = {set}}, "plug-in xxh128");
    fit_folder_hash(&(fit_run){.resume = true, .sets = {RULE}}, hash);
}

Test(fit_plugin, what_is_no_plugin_is_refused_by_all_ranks)
{
    char set[TEXT_BYTES];
    fit_folder_expect_refused(&(fit_run){.sets = {"strategy.plugin=rule.so"}},
                              "expected a path with a '/'");
    fit_folder_expect_refused(
        &(fit_run){.ranks = 3, .sets = {RULE, "strategy.plugin_options=rate=0"}},
        "expected \"rate=R momentum=M\"");
    fit_folder_expect_refused(&(fit_run){.sets = {"strategy.plugin_options=1"}},
                              "expected strategy.plugin");
    fit_folder_expect_refused(&(fit_run){.sets = {RULE, "process=async", "strategy.name=fedasync"}},
                              "expected process: sync");
    snprintf(set, sizeof set, "strategy.plugin=%s/none.so", fit_folder());
    fit_folder_expect_refused(&(fit_run){.ranks = 3, .sets = {set}}, "none.so");

    ech_test_shell(fit_folder(),
                   "printf '#include \"runtime/fed/plugin.h\"\\nECH_PLUGIN_EXPORT const ech_plugin "
                   "ECH_PLUGIN_SYMBOL = {.version = ECH_PLUGIN_VERSION + 1};\\n' >later.c && "
                   "cc -shared -fPIC -I" ECH_SOURCE_DIR " later.c -o later.so && "
                   "echo 'int nothing;' >other.c && cc -shared -fPIC other.c -o other.so");
    snprintf(set, sizeof set, "strategy.plugin=%s/later.so", fit_folder());
    fit_folder_expect_refused(&(fit_run){.ranks = 3, .sets = {set}},
                              "version 2 of the plug-in interface");
    snprintf(set, sizeof set, "strategy.plugin=%s/other.so", fit_folder());
    fit_folder_expect_refused(&(fit_run){.sets = {set}}, "exports no ech_plugin_exported");
    fit_folder_expect_refused(&(fit_run){.sets = {"strategy.plugin=" EXAMPLES "plugin_trainer.so"}},
                              "expected a plug-in with a strategy or a selection");
}

/* A parameter's only value in the checkpoint of one rank's run. */
static void expect_value(const char *name, const char *value)
{
    ech_test_shell(fit_folder(),
                   "h5dump -y -A 0 -d model/%s one/checkpoint-000004.h5 | awk -v value=%s '"
                   "NF == 1 && $1 + 0 == $1 { error = $1 - value; seen++ } "
                   "END { exit !(seen == 1 && error * error < 0.0025) }'",
                   name, value);
}

/* The line y = 2 x + 1, from nothing but the plug-in's own points. */
Test(fit_plugin_trainer, a_trainer_brings_model_and_data)
{
    const fit_run one = {.ranks = 1, .out = "one"};
    const fit_run hosts = {.ranks = 4, .environment = "MPIR_CVAR_NUM_CLIQUES=2"};
    expect_same(&one, &hosts);
    expect_value("slope", "2");
    expect_value("offset", "1");
    fit_folder_expect_refused(&(fit_run){.sets = {"model.name=smallconv"}},
                              "train.plugin brings its own");
    fit_folder_expect_refused(&(fit_run){.sets = {"train.plugin=" EXAMPLES "plugin_rule.so"}},
                              "expected a plug-in with a trainer");
}
