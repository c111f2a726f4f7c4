#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/base/config.h"
#include "runtime/base/memory.h"
#include "tests/support.h"

static const ech_option run_options[] = {
    {.key = "name", .type = ECH_OPTION_TEXT, .standard = "run", .help = "name of the run"},
    {.key = "rounds",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 1,
     .most = 1000,
     .help = "rounds to train"},
    {.key = "fast", .type = ECH_OPTION_BOOL, .standard = "false", .help = "be quick"},
};

static const ech_option train_options[] = {
    {.key = "train.lr",
     .type = ECH_OPTION_REAL,
     .standard = "0.01",
     .above = true,
     .most = INFINITY,
     .help = "learning rate"},
    {.key = "train.momentum",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .below = true,
     .most = 1,
     .help = "momentum"},
    {.key = "train.mean", .type = ECH_OPTION_REALS, .standard = "[0.5]", .help = "means"},
};

static const ech_option split_options[] = {
    {.key = "split.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "iid|dirichlet|file",
     .standard = "iid",
     .help = "rule"},
    {.key = "split.alpha",
     .type = ECH_OPTION_REAL,
     .standard = "3",
     .above = true,
     .most = INFINITY,
     .only_if = "split.kind=dirichlet",
     .help = "evenness"},
    {.key = "split.file",
     .type = ECH_OPTION_PATH,
     .required = true,
     .only_if = "split.kind=file",
     .help = "owners"},
    {.key = "model.name", .type = ECH_OPTION_TEXT, .required = true, .help = "model to train"},
    {.key = "extra", .type = ECH_OPTION_ANY, .help = "anything"},
    {.key = "plain",
     .type = ECH_OPTION_TEXT,
     .standard = "yes",
     .only_if = "extra=",
     .help = "where there is nothing extra"},
};

#define SECTION(title, table)                                                                      \
    {                                                                                              \
        title, table, sizeof table / sizeof *table                                                 \
    }

static const ech_option_section sections[] = {
    SECTION("Run", run_options),
    SECTION("Training", train_options),
    SECTION("Split and model", split_options),
};

enum { SECTIONS = sizeof sections / sizeof *sections };

static ech_config *config;

static void end_test(void)
{
    ech_config_destroy(&config);
    ech_test_expect_no_leak();
}

TestSuite(config, .fini = end_test);

static ech_status load(const char *text, const char *set)
{
    ech_config_destroy(&config);
    return ech_config_load_text(text, strlen(text), "dir/a.yaml", &set, set != NULL ? 1 : 0,
                                sections, SECTIONS, &config);
}

static void expect_loaded(const char *text, const char *set)
{
    cr_assert_eq(load(text, set), ECH_OK, "'%s' gave %s", text, ech_status_message());
}

Test(config, defaults_hold_where_nothing_is_given)
{
    expect_loaded("model: {name: m}\n", NULL);
    size_t count = 0;
    cr_expect_str_eq(ech_config_text(config, "name"), "run");
    cr_expect_eq(ech_config_integer(config, "rounds"), 10);
    cr_expect_not(ech_config_bool(config, "fast"));
    cr_expect_eq(ech_config_real(config, "train.lr"), 0.01);
    cr_expect_eq(ech_config_reals(config, "train.mean", &count)[0], 0.5);
    cr_expect_eq(count, 1);
    cr_expect_eq(ech_config_choice(config, "split.kind"), 0);
    cr_expect_not(ech_config_has(config, "split.alpha"));
    cr_expect_not(ech_config_has(config, "extra"));
    cr_expect_str_eq(ech_config_text(config, "plain"), "yes");
    cr_expect_null(ech_config_text(config, "split.file"));
    expect_loaded("model: {name: m}\nextra: 1\n", NULL);
    cr_expect_not(ech_config_has(config, "plain"));
}

Test(config, a_file_replaces_defaults_and_the_command_line_both)
{
    expect_loaded("model: {name: m}\nrounds: 1e2\ntrain:\n  lr: 0.5\n  mean: [1, 2]\n"
                  "split: {kind: dirichlet}\n",
                  "train.lr=0.25");
    size_t count = 0;
    cr_expect_eq(ech_config_integer(config, "rounds"), 100);
    cr_expect_eq(ech_config_real(config, "train.lr"), 0.25);
    cr_expect_eq(ech_config_reals(config, "train.mean", &count)[1], 2.0);
    cr_expect_eq(count, 2);
    cr_expect_eq(ech_config_choice(config, "split.kind"), 1);
    cr_expect_eq(ech_config_real(config, "split.alpha"), 3.0);
}

Test(config, a_section_with_nothing_in_it_is_as_good_as_none)
{
    expect_loaded("model: {name: m}\ntrain:\n  # lr: 0.5\nrounds:\n", NULL);
    cr_expect_eq(ech_config_real(config, "train.lr"), 0.01);
    cr_expect_eq(ech_config_integer(config, "rounds"), 10);
}

Test(config, paths_start_from_the_file_that_names_them)
{
    expect_loaded("model: {name: m}\nsplit: {kind: file, file: owners.h5}\n", NULL);
    cr_expect_str_eq(ech_config_text(config, "split.file"), "dir/owners.h5");
    expect_loaded("model: {name: m}\nsplit: {kind: file}\n", "split.file=owners.h5");
    cr_expect_str_eq(ech_config_text(config, "split.file"), "owners.h5");
}

typedef struct {
    const char *text;
    const char *set;
    const char *message;
} refusal;

Test(config, what_is_wrong_is_told_in_one_line)
{
    static const refusal cases[] = {
        {"model: {name: m}\nround: 3\n", NULL,
         "dir/a.yaml:2: unknown key 'round': did you mean 'rounds'?"},
        {"model: {name: m}\ntrain:\n  lrr: 3\n", NULL,
         "dir/a.yaml:3: unknown key 'train.lrr': did you mean 'train.lr'?"},
        {"model: {name: m}\nmomentum: 0.9\n", NULL,
         "dir/a.yaml:2: unknown key 'momentum': did you mean 'train.momentum'?"},
        {"model: {name: m}\ntrian: {lr: 3}\n", NULL,
         "dir/a.yaml:2: unknown key 'trian': did you mean 'train'?"},
        {"model: {name: m}\ntrain: {weather: 3}\n", NULL,
         "dir/a.yaml:2: unknown key 'train.weather': expected one of lr, momentum, mean"},
        {"model: {name: m}\ntrain.lr: 3\n", NULL,
         "dir/a.yaml:2: unknown key 'train.lr': keys are nested, not joined by dots"},
        {"model: {name: m}\ntrain: 3\n", NULL,
         "dir/a.yaml:2: train: expected keys (lr, momentum, mean), got a single value"},
        {"- 1\n", NULL, "dir/a.yaml:1: expected a configuration (keys with values), got a list"},
        {"model: {name: m}\nrounds: ten\n", NULL,
         "dir/a.yaml:2: rounds: expected a whole number from 1 to 1000, got 'ten'"},
        {"model: {name: m}\nrounds: 1.5\n", NULL,
         "dir/a.yaml:2: rounds: expected a whole number from 1 to 1000, got '1.5'"},
        {"model: {name: m}\nrounds: 0\n", NULL,
         "dir/a.yaml:2: rounds: expected a whole number from 1 to 1000, got '0'"},
        {"model: {name: m}\nrounds: \"5\"\n", NULL,
         "dir/a.yaml:2: rounds: expected a whole number from 1 to 1000, got \"5\""},
        {"model: {name: m}\nrounds: [5]\n", NULL,
         "dir/a.yaml:2: rounds: expected a whole number from 1 to 1000, got a list"},
        {"model: {name: m}\nfast: yes\n", NULL,
         "dir/a.yaml:2: fast: expected true or false, got 'yes'"},
        {"model: {name: m}\ntrain: {lr: 0}\n", NULL,
         "dir/a.yaml:2: train.lr: expected a number above 0, got '0'"},
        {"model: {name: m}\ntrain: {lr: nan}\n", NULL,
         "dir/a.yaml:2: train.lr: expected a number above 0, got 'nan'"},
        {"model: {name: m}\ntrain: {momentum: 1}\n", NULL,
         "dir/a.yaml:2: train.momentum: expected a number of at least 0 and below 1, got '1'"},
        {"model: {name: m}\ntrain: {mean: 1}\n", NULL,
         "dir/a.yaml:2: train.mean: expected a list of numbers, got '1'"},
        {"model: {name: m}\ntrain: {mean: []}\n", NULL,
         "dir/a.yaml:2: train.mean: expected a list of numbers, got an empty list"},
        {"model: {name: m}\ntrain: {mean: [1, x]}\n", NULL,
         "dir/a.yaml:2: train.mean: expected a list of numbers, got 'x'"},
        {"model: {name: m}\nsplit: {kind: dirichlt}\n", NULL,
         "dir/a.yaml:2: split.kind: unknown choice 'dirichlt': did you mean 'dirichlet'?"},
        {"model: {name: m}\nsplit: {kind: other}\n", NULL,
         "dir/a.yaml:2: split.kind: expected one of iid, dirichlet, file, got 'other'"},
        {"model: {name: m}\nsplit: {alpha: 1}\n", NULL,
         "dir/a.yaml:2: split.alpha is not read where split.kind is 'iid'"},
        {"model: {name: m}\nextra: 1\nplain: no\n", NULL,
         "dir/a.yaml:3: plain is not read where extra is '1'"},
        {"model: {name: m}\nsplit: {kind: file}\n", NULL,
         "dir/a.yaml: key 'split.file' is missing: expected a path (owners)"},
        {"rounds: 3\n", NULL,
         "dir/a.yaml: key 'model.name' is missing: expected a text (model to train)"},
        {"model: {name: m}\n", "rounds=x",
         "--set rounds=x: rounds: expected a whole number from 1 to 1000, got 'x'"},
        {"model: {name: m}\n", "train.lrr=1",
         "--set train.lrr=1: unknown key 'train.lrr': did you mean 'train.lr'?"},
        {"model: {name: m}\n", "rounds", "--set rounds: expected KEY=VALUE, such as train.lr=0.01"},
        {"model: {name: m}\n", "rounds.x=1",
         "--set rounds.x=1: rounds: expected a whole number from 1 to 1000, got keys"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(load(cases[i].text, cases[i].set), ECH_ERR_CONFIG, "case %zu was read", i);
        cr_expect_null(config);
        cr_expect_str_eq(ech_status_message(), cases[i].message);
    }
}

Test(config, checks_that_join_keys_name_where_they_are_written)
{
    expect_loaded("model: {name: m}\nrounds: 7\n", NULL);
    cr_expect_eq(ech_config_fail(config, "rounds", "too many for %s", "us"), ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(), "dir/a.yaml:2: rounds: too many for us");
    ech_config_fail(config, "train.lr", "too large");
    cr_expect_str_eq(ech_status_message(), "dir/a.yaml: train.lr: too large");
    ech_config_fail(config, "extra", "not there");
    cr_expect_str_eq(ech_status_message(), "dir/a.yaml: extra: not there");
}

Test(config, the_effective_configuration_reads_back_to_itself)
{
    expect_loaded("model: {name: \"a: b\"}\nrounds: 1e2\nextra: {x: [1, {y: null}]}\n"
                  "split: {kind: file, file: /tmp/o.h5}\n",
                  "train.lr=0.25");
    char *text = NULL;
    cr_assert_eq(ech_config_write(config, &text), ECH_OK);
    cr_expect_str_eq(text, "name: run\n"
                           "rounds: 1e2\n"
                           "fast: false\n"
                           "train:\n"
                           "  lr: 0.25\n"
                           "  momentum: 0\n"
                           "  mean: [0.5]\n"
                           "split:\n"
                           "  kind: file\n"
                           "  file: /tmp/o.h5\n"
                           "model:\n"
                           "  name: \"a: b\"\n"
                           "extra: {x: [1, {y: null}]}\n");
    expect_loaded(text, NULL);
    char *again = NULL;
    cr_assert_eq(ech_config_write(config, &again), ECH_OK);
    cr_expect_str_eq(again, text);
    ech_free(text);
    ech_free(again);
}

Test(config, relative_paths_are_absolute_in_the_effective_configuration)
{
    expect_loaded("model: {name: m}\nsplit: {kind: file, file: o.h5}\n", NULL);
    char *text = NULL;
    cr_assert_eq(ech_config_write(config, &text), ECH_OK);
    const char *path = strstr(text, "file: /");
    cr_assert_not_null(path, "%s", text);
    cr_expect_not_null(strstr(path, "/dir/o.h5\n"), "%s", text);
    ech_free(text);
}
