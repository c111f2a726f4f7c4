/* A checkpoint loads with h5py into a PyTorch module of the same names, and classifies alike. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cli/program.h"
#include "tests/cli/tiny_data.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { PATH_BYTES = ECH_TEST_PATH_BYTES + 64, IMAGES_OF_10000 = 2 };

static char folder[ECH_TEST_PATH_BYTES];

static void start(void)
{
    ech_test_make_directory(folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
}

TestSuite(fit_pytorch, .init = start, .fini = stop, .timeout = 300);

static const char config_text[] = "data:\n"
                                  "  file: data.h5\n"
                                  "  normalize: {mean: [0.5], std: [0.5]}\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: star, workers: 40}\n"
                                  "strategy: {participation: 0.25}\n"
                                  "rounds: 4\n"
                                  "train: {epochs: 1, batch: 8, lr: 0.02, momentum: 0.9}\n";

/* FashionMNIST where the package is installed, whose 10,000 test images say more; else a toy. */
static void make_data(char path[PATH_BYTES])
{
    static const char published[] = "/usr/share/datasets/fashion-mnist";
    snprintf(path, PATH_BYTES, "%s/data.h5", folder);
    if (access(published, R_OK) == 0) {
        const char *import[] = {"data", "import", "idx", published, "--out", path, NULL};
        ech_child_result result = program_run(import);
        cr_assert_eq(result.exit_code, 0, "%s", result.errors);
        ech_child_result_free(&result);
        return;
    }
    char toy_path[ECH_TEST_PATH_BYTES];
    tiny_data_make(folder, toy_path);
    cr_assert_eq(rename(toy_path, path), 0);
}

/* The number behind `label` in a text. */
static double read_number(const char *text, const char *label)
{
    const char *found = strstr(text, label);
    cr_assert_not_null(found, "no %s in: %s", label, text);
    return strtod(found + strlen(label), NULL);
}

static double fit_accuracy(const char *config_path, const char *out_path)
{
    const char *arguments[] = {"fit", config_path, "--out", out_path, "--json", NULL};
    ech_child_result result = program_run_ranks(2, arguments);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    const double accuracy = read_number(result.output, "\"test_accuracy\":");
    ech_child_result_free(&result);
    return accuracy;
}

Test(fit_pytorch, classifies_like_pytorch)
{
    char data_path[PATH_BYTES];
    char config_path[ECH_TEST_PATH_BYTES];
    char out_path[PATH_BYTES];
    char checkpoint_path[PATH_BYTES + 32];
    make_data(data_path);
    ech_test_write_text(folder, "fit.yaml", config_text, config_path);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(checkpoint_path, sizeof checkpoint_path, "%s/checkpoint-000004.h5", out_path);
    const double accuracy = fit_accuracy(config_path, out_path);

    static const char script[] = ECH_SOURCE_DIR "/tests/cli/evaluate_checkpoint.py";
    const char *python[] = {
        "/usr/bin/python3", script, checkpoint_path, data_path, "0.5", "0.5", NULL};
    const ech_child_options options = {
        .arguments = python, .timeout_ns = ech_test_limit_ns(120), .output_bytes_max = 4096};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    if (strncmp(result.output, "absent", strlen("absent")) != 0) {
        const double correct = read_number(result.output, "correct ");
        const double images = read_number(result.output, "of ");
        cr_expect_leq(abs((int)(correct - accuracy * images)), IMAGES_OF_10000,
                      "PyTorch has %g of %g right, echelon an accuracy of %g", correct, images,
                      accuracy);
        cr_expect_gt(accuracy, 0.3, "nothing was learned, which compares nothing");
    }
    ech_child_result_free(&result);
}
