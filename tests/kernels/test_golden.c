/* The golden files: the double reference against PyTorch's numbers, and each engine against it. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/verify.h"
#include "kernels/models.h"
#include "tests/support.h"

typedef struct {
    char file[32];
    char isa[16];
    int engine; /* ech_engine_choice */
} golden_case;

ParameterizedTestParameters(kernels_golden, passes_all_three_judgements)
{
    static golden_case cases[64];
    static const char *const files[] = {"smallconv",  "smallconv-b37", "smallnet",  "smallnet-b37",
                                        "mcmahancnn", "pflcnn",        "pflcnn-b37"};
    static const char *const isas[] = {"portable", "avx2", "avx512"};
    size_t count = 0;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
            const bool is_small = f < 4;
            if (is_small || i == 2) { /* the larger ones on one instruction set */
                golden_case *c = &cases[count++];
                snprintf(c->file, sizeof c->file, "%s", files[f]);
                snprintf(c->isa, sizeof c->isa, "%s", isas[i]);
                c->engine = ECH_ENGINE_LANES;
            }
        }
    }
    return cr_make_param_array(golden_case, cases, count);
}

/* Use an instruction set, if this CPU has it. */
static bool use_isa(const char *name)
{
    ech_isa isa;
    setenv("ECH_ISA", name, 1);
    return ech_cpu_isa(&isa) == ECH_OK;
}

static void judge(const char *path, const ech_verify_options *options)
{
    ech_golden *golden = NULL;
    ech_network *network = NULL;
    bool reference = false, steps = false, whole = false;
    cr_assert_eq(ech_golden_read(path, &golden), ECH_OK, "%s", ech_status_message());
    const ech_shape input = {golden->channels, golden->height, golden->width};
    cr_assert_eq(ech_model_create(golden->model, &input, golden->classes, &network), ECH_OK);
    const ech_verify_case subject = {network, golden->batch, golden->seed, options};
    cr_expect_eq(ech_verify_reference(&subject, golden, &reference), ECH_OK);
    cr_expect_eq(ech_verify_steps(&subject, &steps), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(ech_verify_network(&subject, &whole), ECH_OK);
    cr_expect(reference, "%s: the double reference", path);
    cr_expect(steps, "%s: step by step", path);
    cr_expect(whole, "%s: end to end", path);
    ech_network_destroy(&network);
    ech_golden_destroy(&golden);
}

ParameterizedTest(golden_case *c, kernels_golden, passes_all_three_judgements,
                  .fini = ech_test_expect_no_leak)
{
    char path[ECH_TEST_PATH_BYTES];
    const ech_verify_options options = {
        .engine = (ech_engine_choice)c->engine, .threads = 1, .seeds = 3, .quiet = true};
    if (use_isa(c->isa)) {
        snprintf(path, sizeof path, "%s/tests/golden/%s.h5", ECH_SOURCE_DIR, c->file);
        judge(path, &options);
    }
}

Test(kernels_golden, the_float_reference_passes_too, .fini = ech_test_expect_no_leak)
{
    const ech_verify_options options = {
        .engine = ECH_ENGINE_REFERENCE, .threads = 1, .seeds = 1, .quiet = true};
    judge(ECH_SOURCE_DIR "/tests/golden/smallconv.h5", &options);
}

Test(kernels_golden, squeezenets_reference_passes, .fini = ech_test_expect_no_leak)
{
    const ech_verify_options options = {
        .engine = ECH_ENGINE_REFERENCE, .threads = 1, .seeds = 1, .quiet = true};
    judge(ECH_SOURCE_DIR "/tests/golden/squeezenet.h5", &options);
}

/* Norms, residual branches and strides: the file is too large to be kept here. */
Test(kernels_golden, resnets_reference_passes_where_its_file_is, .fini = ech_test_expect_no_leak)
{
    static const char path[] = ECH_SOURCE_DIR "/../shared/golden/resnet18.h5";
    const ech_verify_options options = {
        .engine = ECH_ENGINE_REFERENCE, .threads = 1, .seeds = 1, .quiet = true};
    if (access(path, R_OK) == 0) {
        judge(path, &options);
    }
}

Test(kernels_golden, an_engine_asked_for_by_name_never_falls_back, .fini = ech_test_expect_no_leak)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_model_create("squeezenet", NULL, 0, &network), ECH_OK);
    const ech_plan_options options = {.batch = 1, .engine = ECH_ENGINE_LANES, .training = true};
    ech_plan *plan = NULL;
    cr_expect_eq(ech_plan_create(network, &options, &plan), ECH_ERR_UNSUPPORTED);
    cr_expect_null(plan);
    ech_network_destroy(&network);
}
