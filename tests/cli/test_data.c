#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/yaml.h"
#include "tests/cli/program.h"
#include "tests/support.h"

enum { COUNT = 12, PIXELS = 4 };

static char folder[ECH_TEST_PATH_BYTES];
static char data_path[ECH_TEST_PATH_BYTES + 16];
static char split_path[ECH_TEST_PATH_BYTES + 16];

static void write_idx(const char *images, const char *labels, unsigned char count)
{
    unsigned char image_file[16 + COUNT * PIXELS] = {0, 0, 8, 3, 0, 0, 0, count,
                                                     0, 0, 0, 2, 0, 0, 0, 2};
    unsigned char label_file[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, count};
    char path[ECH_TEST_PATH_BYTES];
    for (unsigned char i = 0; i < count; i++) {
        memset(image_file + 16 + i * PIXELS, i, PIXELS);
        label_file[8 + i] = i % 3;
    }
    ech_test_write_bytes(folder, images, image_file, 16U + count * PIXELS, path);
    ech_test_write_bytes(folder, labels, label_file, 8U + count, path);
}

static void start(void)
{
    ech_test_make_directory(folder);
    write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", COUNT);
    write_idx("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 3);
    snprintf(data_path, sizeof data_path, "%s/data.h5", folder);
    snprintf(split_path, sizeof split_path, "%s/split.h5", folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(data, .init = start, .fini = stop);

static void expect_success(const char *const *more)
{
    ech_child_result result = program_run(more);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
}

/* Exit code 2 and this one line. */
static void expect_refused(const char *const *more, const char *message)
{
    ech_child_result result = program_run(more);
    cr_expect_eq(result.exit_code, 2, "%s", result.errors);
    cr_expect_not_null(strstr(result.errors, message), "message is: %s", result.errors);
    ech_child_result_free(&result);
}

static int64_t number(const ech_yaml_node *object, const char *key)
{
    int64_t value = 0;
    cr_assert_eq(ech_yaml_read_integer(ech_yaml_find(object, key), key, &value), ECH_OK);
    return value;
}

static ech_yaml *run_json(const char *const *more)
{
    ech_child_result result = program_run(more);
    ech_yaml *json = NULL;
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    cr_assert_eq(ech_yaml_load_text(result.output, strlen(result.output), "json", &json), ECH_OK);
    ech_child_result_free(&result);
    return json;
}

static void import(void)
{
    expect_success(
        (const char *const[]){"data", "import", "idx", folder, "--out", data_path, NULL});
}

Test(data, an_imported_folder_is_shown)
{
    import();
    ech_yaml *json = run_json((const char *const[]){"data", "show", data_path, "--json", NULL});
    const ech_yaml_node *shown = ech_yaml_root(json);
    cr_expect_eq(number(shown, "classes"), 3);
    cr_expect_eq(number(shown, "height"), 2);
    cr_expect_eq(number(ech_yaml_find(shown, "train"), "samples"), COUNT);
    cr_expect_eq(number(ech_yaml_find(shown, "test"), "samples"), 3);
    ech_yaml_destroy(&json);
}

Test(data, single_files_are_imported)
{
    char images[ECH_TEST_PATH_BYTES + 32];
    char labels[ECH_TEST_PATH_BYTES + 32];
    snprintf(images, sizeof images, "%s/train-images-idx3-ubyte", folder);
    snprintf(labels, sizeof labels, "%s/train-labels-idx1-ubyte", folder);
    expect_success((const char *const[]){"data", "import", "idx", "--train-images", images,
                                         "--train-labels", labels, "--out", data_path, NULL});
    ech_yaml *json = run_json((const char *const[]){"inspect", data_path, "--json", NULL});
    cr_expect_eq(number(ech_yaml_find(ech_yaml_root(json), "test"), "samples"), 0);
    ech_yaml_destroy(&json);
    expect_refused((const char *const[]){"data", "import", "idx", "--train-images", images, "--out",
                                         data_path, NULL},
                   "expected both images and labels");
}

Test(data, a_split_is_dealt_kept_and_shown)
{
    import();
    expect_success((const char *const[]){"data", "split", data_path, "--workers", "4", "--kind",
                                         "dirichlet", "--out", split_path, NULL});
    ech_yaml *json = run_json(
        (const char *const[]){"data", "show", data_path, "--split", split_path, "--json", NULL});
    const ech_yaml_node *workers = ech_yaml_find(ech_yaml_root(json), "workers");
    cr_assert_eq(ech_yaml_count(workers), 4);
    ech_yaml_destroy(&json);
    json = run_json((const char *const[]){"inspect", split_path, "--json", NULL});
    cr_expect_eq(number(ech_yaml_root(json), "workers"), 4);
    cr_expect_eq(number(ech_yaml_root(json), "samples"), COUNT);
    cr_expect_geq(number(ech_yaml_root(json), "dealt"), COUNT - 4);
    ech_yaml_destroy(&json);
}

/* Each rule of `fit`'s, with what it takes; what it deals is what `fit` would (split.h has tests of
 * the rules themselves). */
Test(data, every_rule_deals)
{
    static const char *const rules[][4] = {
        {"iid"},
        {"dirichlet", "--samples-alpha", "5"},
        {"label", "--least", "1"},
        {"classes", "--classes", "1"},
        {"shards", "--shards", "1"},
        {"log-normal", "--sigma", "0.5"},
    };
    import();
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        expect_success((const char *const[]){"data", "split", data_path, "--workers", "3", "--kind",
                                             rules[i][0], "--out", split_path, rules[i][1],
                                             rules[i][2], NULL});
        ech_yaml *json = run_json((const char *const[]){"inspect", split_path, "--json", NULL});
        cr_expect_eq(number(ech_yaml_root(json), "workers"), 3, "%s", rules[i][0]);
        cr_expect_gt(number(ech_yaml_root(json), "dealt"), 0, "%s", rules[i][0]);
        ech_yaml_destroy(&json);
    }
}

/* What one split dealt, another takes from its file; three owners are three natural ids. */
Test(data, a_split_is_taken_from_a_file)
{
    char again[ECH_TEST_PATH_BYTES + 16];
    snprintf(again, sizeof again, "%s/again.h5", folder);
    import();
    char texts[3][4096];
    static const char *const kinds[] = {"iid", "file", "ids"};
    for (int i = 0; i < 3; i++) {
        const char *const owners[] = {i > 0 ? "--file" : NULL, split_path, "--dataset",
                                      "split/owners", NULL};
        ech_child_result result = program_run((const char *const[]){
            "data", "split", data_path, "--workers", "3", "--kind", kinds[i], "--out",
            i > 0 ? again : split_path, owners[0], owners[1], owners[2], owners[3], NULL});
        cr_assert_eq(result.exit_code, 0, "%s", result.errors);
        snprintf(texts[i], sizeof texts[i], "%s", result.output);
        ech_child_result_free(&result);
        cr_expect_str_eq(texts[i], texts[0], "%s", kinds[i]);
    }
}

Test(data, the_same_seed_deals_the_same_split)
{
    char again[ECH_TEST_PATH_BYTES + 16];
    snprintf(again, sizeof again, "%s/again.h5", folder);
    import();
    const char *const outs[] = {split_path, again};
    char texts[2][4096];
    for (int i = 0; i < 2; i++) {
        ech_child_result result = program_run((const char *const[]){
            "data", "split", data_path, "--workers", "3", "--seed", "7", "--out", outs[i], NULL});
        cr_assert_eq(result.exit_code, 0, "%s", result.errors);
        snprintf(texts[i], sizeof texts[i], "%s", result.output);
        ech_child_result_free(&result);
    }
    cr_expect_str_eq(texts[0], texts[1]);
}

Test(data, bad_input_is_refused_and_leaves_nothing)
{
    const size_t before = ech_test_count_entries(folder);
    expect_refused(
        (const char *const[]){"data", "import", "idx", "/nowhere", "--out", data_path, NULL},
        "/nowhere/train-images-idx3-ubyte: cannot open: No such file");
    expect_refused(
        (const char *const[]){"data", "import", "cifar10", folder, "--out", data_path, NULL},
        "data_batch_1.bin: cannot open");
    expect_refused((const char *const[]){"data", "import", "png", folder, "--out", data_path, NULL},
                   "expected a format: idx or cifar10");
    expect_refused((const char *const[]){"data", "import", "idx", folder, NULL},
                   "--out is missing");
    expect_refused(
        (const char *const[]){"data", "import", "idx", folder, "--out", "/nowhere/x.h5", NULL},
        "/nowhere/x.h5: cannot write there: folder /nowhere: No such file");
    cr_expect_eq(ech_test_count_entries(folder), before);
}

Test(data, bad_splits_are_refused_and_leave_nothing)
{
    import();
    const size_t before = ech_test_count_entries(folder);
    expect_refused((const char *const[]){"data", "split", data_path, "--workers", "13", "--out",
                                         split_path, NULL},
                   "12 samples cannot be dealt to 13 workers");
    expect_refused((const char *const[]){"data", "split", data_path, "--workers", "2.5", "--out",
                                         split_path, NULL},
                   "--workers 2.5: expected a number from 1");
    expect_refused((const char *const[]){"data", "split", data_path, "--workers", "2",
                                         "--labels-alpha", "1", "--out", split_path, NULL},
                   "data.split.labels_alpha");
    expect_refused((const char *const[]){"data", "show", data_path, "--split", data_path, NULL},
                   "data.h5: is a data set, a split was expected");
    cr_expect_eq(ech_test_count_entries(folder), before);
}

Test(data, a_file_of_no_kind_is_refused)
{
    char path[ECH_TEST_PATH_BYTES];
    char text[1024];
    memset(text, 'x', sizeof text);
    ech_test_write_bytes(folder, "text", text, sizeof text, path);
    expect_refused((const char *const[]){"inspect", path, NULL},
                   "text: neither Echelon's seal nor HDF5's signature at its start");
    expect_refused((const char *const[]){"inspect", "/nowhere.h5", NULL},
                   "/nowhere.h5: cannot open: No such file");
}

static void split(void)
{
    import();
    expect_success((const char *const[]){"data", "split", data_path, "--workers", "1", "--kind",
                                         "iid", "--out", split_path, NULL});
}

Test(data, labels_by_worker_are_drawn)
{
    char picture[ECH_TEST_PATH_BYTES + 16];
    char text[8192] = "";
    snprintf(picture, sizeof picture, "%s/labels.svg", folder);
    split();
    expect_success((const char *const[]){"data", "show", data_path, "--split", split_path, "--draw",
                                         picture, NULL});
    FILE *file = fopen(picture, "rb");
    cr_assert_not_null(file);
    cr_expect_gt(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    for (int label = 0; label < 3; label++) {
        char bar[32];
        snprintf(bar, sizeof bar, "label %d at 0: %d<", label, COUNT / 3);
        cr_expect_not_null(strstr(text, bar), "%s", text);
    }
    expect_refused((const char *const[]){"data", "show", data_path, "--draw", picture, NULL},
                   "--draw needs --split");
    expect_refused((const char *const[]){"data", "show", data_path, "--split", split_path, "--draw",
                                         "labels.pdf", NULL},
                   ".svg or .png");
}

/* Where it is installed: tests/run.sh sees to it. */
Test(data, a_png_is_made_by_rsvg_convert_or_its_absence_is_told)
{
    static const char *const nowhere[] = {"PATH=/nowhere", NULL};
    static const char signature[] = "\x89PNG";
    char picture[ECH_TEST_PATH_BYTES + 16];
    char start_of_file[sizeof signature] = "";
    snprintf(picture, sizeof picture, "%s/labels.png", folder);
    split();
    const char *const arguments[] = {"data",     "show",   data_path, "--split",
                                     split_path, "--draw", picture,   NULL};
    const size_t before = ech_test_count_entries(folder);
    ech_child_result result = program_run_environment(nowhere, arguments);
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.errors, "librsvg2-bin"), "%s", result.errors);
    cr_expect_eq(ech_test_count_entries(folder), before);
    ech_child_result_free(&result);
    if (access("/usr/bin/rsvg-convert", X_OK) == 0) {
        expect_success(arguments);
        FILE *file = fopen(picture, "rb");
        cr_assert_not_null(file);
        cr_expect_eq(fread(start_of_file, 1, sizeof signature - 1, file), sizeof signature - 1);
        fclose(file);
        cr_expect_str_eq(start_of_file, signature);
    }
}
