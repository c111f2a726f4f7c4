/* Sums in float32: the same model on any ranks and hosts, half the bytes upwards, near the exact
 * sum's model, and refused where nothing is summed. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/cli/fit_folder.h"
#include "tests/cli/program.h"

static const char config_text[] =
    "seed: 3\n"
    "data:\n"
    "  file: tiny.h5\n"
    "  normalize: {mean: [0.5], std: [0.5]}\n"
    "  split: {kind: dirichlet, samples_alpha: 3.0, labels_alpha: 1.0}\n"
    "model: {name: smallconv}\n"
    "topology: {kind: balanced, workers: 16, height: 2}\n"
    "strategy: {name: fedavg, participation: 0.7, sum: float32}\n"
    "rounds: 3\n"
    "train: {epochs: 1, batch: 4, lr: 0.02, momentum: 0.9}\n";

static void start(void)
{
    fit_folder_start(config_text);
}

TestSuite(fit_float32, .init = start, .fini = fit_folder_stop, .timeout = 600);

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";
static const char three_hosts[] = "MPIR_CVAR_NUM_CLIQUES=3";

Test(fit_float32, ranks_and_hosts_give_one_model)
{
    static const char *const rules[] = {"strategy.name=fedavg", "strategy.name=fedprox",
                                        "strategy.name=scaffold"};
    char hashes[sizeof rules / sizeof *rules][FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *rule = rules[i];
        const fit_run runs[] = {
            {.ranks = 1, .sets = {rule}},
            {.ranks = 2, .sets = {rule, "topology.height=1"}},
            {.ranks = 3, .sets = {rule, "topology.height=4"}},
            {.ranks = 4, .environment = two_hosts, .sets = {rule}},
            {.ranks = 3, .environment = three_hosts, .sets = {rule, "workers_on=rank"}},
            {.ranks = 2, .sets = {rule, "transfer=rma"}},
        };
        const fit_run part = {.ranks = 4, .environment = two_hosts, .sets = {rule, "rounds=2"}};
        const fit_run rest = {.ranks = 3, .resume = true, .sets = {rule, "rounds=3"}};
        fit_folder_expect_one_model(runs, sizeof runs / sizeof *runs, hashes[i]);
        fit_folder_hash(&part, hash);
        fit_folder_hash(&rest, hash);
        cr_expect_str_eq(hash, hashes[i], "%s resumed to another model", rule);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(hashes[i], hashes[j], "%s changes nothing", rule);
        }
    }
}

Test(fit_float32, materialised_aggregators_give_one_model_of_their_tree)
{
    static const char *const heights[] = {"topology.height=2", "topology.height=3"};
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
        const fit_run runs[] = {
            {.ranks = 1, .sets = {heights[i], "aggregators=materialised"}},
            {.ranks = 3, .sets = {heights[i], "aggregators=materialised"}},
            {.ranks = 4,
             .environment = two_hosts,
             .sets = {heights[i], "aggregators=materialised"}},
        };
        char hash[FIT_HASH_BYTES];
        fit_folder_expect_one_model(runs, sizeof runs / sizeof *runs, hash);
    }
}

Test(fit_float32, tiers_and_cutoffs_give_one_model)
{
    static const char *const settings[][2] = {
        {"tiers=[{rounds: 2, strategy: {name: fedavgm}}]", "strategy.name=fedavgm"},
        {"cutoff={quorum: 6}", "clock=virtual"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const fit_run runs[] = {
            {.ranks = 1, .sets = {settings[i][0], settings[i][1]}},
            {.ranks = 3, .sets = {settings[i][0], settings[i][1]}},
            {.ranks = 4, .environment = two_hosts, .sets = {settings[i][0], settings[i][1]}},
        };
        char hash[FIT_HASH_BYTES];
        fit_folder_expect_one_model(runs, sizeof runs / sizeof *runs, hash);
    }
}

static ech_child_result run_json(const char *sum, const char *aggregators)
{
    char out[FIT_PATH_BYTES + 16];
    snprintf(out, sizeof out, "%s/%s", fit_folder(), sum);
    ech_child_result result = program_run_ranks(
        2, (const char *[]){"fit", fit_folder_config(), "--out", out, "--overwrite", "--json",
                            "--set", sum, "--set", aggregators, NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    return result;
}

/* Counters of batches and the header of a sum between hosts aside, each update and each sum is half
 * as wide; downwards nothing changes, and what the algorithm sends is the same. */
Test(fit_float32, half_the_bytes_and_nearly_the_same_loss)
{
    static const char *const kinds[] = {"aggregators=fused", "aggregators=materialised"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ech_child_result exact = run_json("strategy.sum=exact", kinds[i]);
        ech_child_result float32 = run_json("strategy.sum=float32", kinds[i]);
        const double up = program_number(exact.output, "wire.up");
        cr_expect_gt(up, 0.0);
        cr_expect_float_eq(program_number(float32.output, "wire.up") / up, 0.5, 1e-3);
        cr_expect_eq(program_number(float32.output, "wire.down"),
                     program_number(exact.output, "wire.down"));
        cr_expect_eq(program_number(float32.output, "logical.up"),
                     program_number(exact.output, "logical.up"));
        cr_expect_float_eq(program_number(float32.output, "test_loss"),
                           program_number(exact.output, "test_loss"), 1e-4);
        ech_child_result_free(&exact);
        ech_child_result_free(&float32);
    }
}

Test(fit_float32, refused_where_nothing_is_summed)
{
    static const char *const refused[][3] = {
        {"strategy.name=median", NULL, "strategy.sum: expected no float32 sum with median"},
        {"strategy.name=multi-krum", NULL, "which looks at every update"},
        {"strategy={name: fedasync, sum: float32}", "process=async",
         "strategy.sum: expected no float32 sum with process: async"},
        {"cutoff={quorum: 6, late: keep}", "clock=virtual",
         "strategy.sum: expected no float32 sum with cutoff.late: keep"},
        {"tiers=[{strategy: {sum: float32}}]", NULL, "tiers: expected no sum of a tier's own"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fit_folder_expect_refused(&(fit_run){.sets = {refused[i][0], refused[i][1]}},
                                  refused[i][2]);
    }
}
