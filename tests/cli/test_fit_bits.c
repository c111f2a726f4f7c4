/* One configuration gives one model: whatever the ranks, the hosts, the threads, the instruction
 * set, the tree and its aggregators, and across an early stop and a resume. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/program.h"
#include "tests/cli/tiny_data.h"
#include "tests/support.h"

enum { HASH_DIGITS = 32, PATH_BYTES = ECH_TEST_PATH_BYTES + 32 };

static char folder[ECH_TEST_PATH_BYTES];
static char config_path[ECH_TEST_PATH_BYTES];

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
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "fit.yaml", config_text, config_path);
    char data_path[ECH_TEST_PATH_BYTES];
    tiny_data_make(folder, data_path);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(fit_bits, .init = start, .fini = stop, .timeout = 600);

typedef struct {
    unsigned ranks;
    const char *environment; /* NULL: none */
    const char *sets[3];
} variant;

static ech_child_result run_fit(const variant *how, const char *out, const char *option)
{
    char out_path[PATH_BYTES];
    snprintf(out_path, sizeof out_path, "%s/%s", folder, out);
    const char *arguments[PROGRAM_ARGUMENTS_MAX] = {"fit", config_path, "--out", out_path, option};
    size_t count = option != NULL ? 5 : 4;
    for (size_t i = 0; i < 3 && how->sets[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = how->sets[i];
    }
    const char *environment[] = {how->environment, NULL};
    return program_run_job(how->ranks, environment, arguments);
}

/* The 32 digits behind "model xxh128 ". */
static void read_hash(const ech_child_result *result, char hash[HASH_DIGITS + 1])
{
    static const char label[] = "model xxh128 ";
    const char *line = strstr(result->output, label);
    cr_assert_not_null(line, "no model hash; exit code %d, standard error: %s", result->exit_code,
                       result->errors);
    memcpy(hash, line + strlen(label), HASH_DIGITS);
    hash[HASH_DIGITS] = '\0';
}

static void fit_hash(const variant *how, const char *out, char hash[HASH_DIGITS + 1])
{
    ech_child_result result = run_fit(how, out, NULL);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    read_hash(&result, hash);
    ech_child_result_free(&result);
}

Test(fit_bits, ranks_hosts_threads_and_trees_give_one_model)
{
    static const variant variants[] = {
        {1, NULL, {NULL}},
        {2, NULL, {NULL}},
        {3, NULL, {NULL}},
        {5, NULL, {NULL}},
        {4, "MPIR_CVAR_NUM_CLIQUES=2", {NULL}},
        {2, NULL, {"topology.height=1"}},
        {2, NULL, {"topology.height=4"}},
        {2, NULL, {"threads=2"}},
        {2, NULL, {"aggregators=materialised"}},
        {3, "MPIR_CVAR_NUM_CLIQUES=2", {"aggregators=materialised", "topology.height=4"}},
    };
    char first[HASH_DIGITS + 1];
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        char out[32];
        char hash[HASH_DIGITS + 1];
        snprintf(out, sizeof out, "out-%zu", i);
        fit_hash(&variants[i], out, i == 0 ? first : hash);
        if (i > 0) {
            cr_expect_str_eq(hash, first, "variant %zu gave another model", i);
        }
    }
}

/* What travels beside the model, and what workers keep where they train, changes none of it. */
Test(fit_bits, rules_with_control_variates_give_one_model_and_resume_to_it)
{
    static const char *const rules[] = {"strategy.name=scaffold", "strategy.name=fednova",
                                        "strategy.name=feddyn"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const variant variants[] = {
            {1, NULL, {rules[i]}},
            {3, NULL, {rules[i], "topology.height=3"}},
            {4, "MPIR_CVAR_NUM_CLIQUES=2", {rules[i]}},
            {3, "MPIR_CVAR_NUM_CLIQUES=3", {rules[i], "aggregators=materialised"}},
        };
        char first[HASH_DIGITS + 1];
        char hash[HASH_DIGITS + 1];
        char out[32];
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
            snprintf(out, sizeof out, "out-%zu-%zu", i, v);
            fit_hash(&variants[v], out, v == 0 ? first : hash);
            if (v > 0) {
                cr_expect_str_eq(hash, first, "%s, variant %zu gave another model", rules[i], v);
            }
        }
        snprintf(out, sizeof out, "parts-%zu", i);
        fit_hash(&(variant){4, "MPIR_CVAR_NUM_CLIQUES=2", {rules[i], "rounds=2"}}, out, hash);
        ech_child_result resumed = run_fit(
            &(variant){3, "MPIR_CVAR_NUM_CLIQUES=3", {rules[i], "rounds=3"}}, out, "--resume");
        read_hash(&resumed, hash);
        ech_child_result_free(&resumed);
        cr_expect_str_eq(hash, first, "%s resumed to another model", rules[i]);
    }
}

#if defined(__x86_64__)
Test(fit_bits, a_lesser_instruction_set_with_fused_multiply_add_gives_the_same_model)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return; /* nothing lesser to compare with */
    }
    char best[HASH_DIGITS + 1];
    char lesser[HASH_DIGITS + 1];
    fit_hash(&(variant){2, NULL, {NULL}}, "best", best);
    fit_hash(&(variant){2, "ECH_ISA=avx2", {NULL}}, "lesser", lesser);
    cr_expect_str_eq(lesser, best);
}
#endif

Test(fit_bits, what_decides_the_model_changes_it)
{
    static const variant variants[] = {
        {2, NULL, {NULL}},
        {2, NULL, {"seed=4"}},
        {2, NULL, {"train.lr=0.021"}},
        {2, NULL, {"strategy.participation=0.6"}},
    };
    char hashes[4][HASH_DIGITS + 1];
    for (size_t i = 0; i < 4; i++) {
        char out[32];
        snprintf(out, sizeof out, "out-%zu", i);
        fit_hash(&variants[i], out, hashes[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(hashes[i], hashes[j], "variants %zu and %zu", i, j);
        }
    }
}

Test(fit_bits, a_resumed_run_ends_like_one_that_never_stopped)
{
    char undisturbed[HASH_DIGITS + 1];
    fit_hash(&(variant){2, NULL, {NULL}}, "whole", undisturbed);

    char ignored[HASH_DIGITS + 1];
    fit_hash(&(variant){2, NULL, {"rounds=1"}}, "parts", ignored);
    ech_child_result resumed = run_fit(&(variant){3, NULL, {NULL}}, "parts", "--resume");
    char hash[HASH_DIGITS + 1];
    read_hash(&resumed, hash);
    ech_child_result_free(&resumed);
    cr_expect_str_eq(hash, undisturbed);
}

Test(fit_bits, a_resume_with_another_configuration_is_refused_by_its_keys)
{
    char ignored[HASH_DIGITS + 1];
    fit_hash(&(variant){2, NULL, {"rounds=1"}}, "parts", ignored);
    ech_child_result refused =
        run_fit(&(variant){2, NULL, {"train.lr=0.5", "seed=9"}}, "parts", "--resume");
    cr_expect_eq(refused.exit_code, 2);
    cr_expect_not_null(strstr(refused.errors, "train.lr: was 0.02, is 0.5"), "%s", refused.errors);
    cr_expect_not_null(strstr(refused.errors, "seed: was 3, is 9"), "%s", refused.errors);
    ech_child_result_free(&refused);
}
