#include <criterion/criterion.h>

#include "runtime/base/text.h"

typedef struct {
    const char *text;
    double value;
} real_case;

Test(text, reals_are_read_whole)
{
    static const real_case cases[] = {
        {"0", 0.0},  {"0.1", 0.1}, {"-2.5e-3", -0.0025}, {"1e2", 100.0},  {".5", 0.5},
        {"5.", 5.0}, {"+3", 3.0},  {"1E+2", 100.0},      {"1e-400", 0.0}, {"1e308", 1e308},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = -1.0;
        cr_expect(ech_text_read_real(cases[i].text, &value), "'%s' was refused", cases[i].text);
        cr_expect_eq(value, cases[i].value, "'%s' was read as %g", cases[i].text, value);
    }
}

Test(text, what_is_no_real_is_refused_and_changes_nothing)
{
    static const char *const cases[] = {"",      "nan", "inf",   "-inf", "0x10", "0.1abc",
                                        "1e",    "1e+", ".",     "-",    "1 ",   " 1",
                                        "1e400", "1,5", "1e2.5", "--1",  "true", "1_000"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 42.0;
        cr_expect_not(ech_text_read_real(cases[i], &value), "'%s' was read", cases[i]);
        cr_expect_eq(value, 42.0);
    }
}

typedef struct {
    const char *text;
    int64_t value;
} integer_case;

Test(text, integers_may_be_written_with_an_exponent)
{
    static const integer_case cases[] = {
        {"0", 0},
        {"-7", -7},
        {"1e2", 100},
        {"1.5e3", 1500},
        {"12.0", 12},
        {"1200e-2", 12},
        {"0e9999", 0},
        {"0.000", 0},
        {"000000000000000000000000000012", 12},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"1000000000000000000000e-3", INT64_C(1000000000000000000)},
        {"9007199254740993", INT64_C(9007199254740993)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = -1;
        cr_expect(ech_text_read_integer(cases[i].text, &value), "'%s' was refused", cases[i].text);
        cr_expect_eq(value, cases[i].value, "'%s' was read as %lld", cases[i].text,
                     (long long)value);
    }
}

Test(text, what_is_no_int64_is_refused_and_changes_nothing)
{
    static const char *const cases[] = {"1.5",
                                        "1e-1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "1e19",
                                        "1e999999999999999999999",
                                        "1e-999999999999999999999",
                                        "12abc",
                                        "",
                                        "nan"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 42;
        cr_expect_not(ech_text_read_integer(cases[i], &value), "'%s' was read", cases[i]);
        cr_expect_eq(value, 42);
    }
}

Test(text, bools_are_true_and_false_only)
{
    bool value = false;
    cr_expect(ech_text_read_bool("true", &value) && value);
    cr_expect(ech_text_read_bool("false", &value) && !value);
    cr_expect_not(ech_text_read_bool("yes", &value));
    cr_expect_not(ech_text_read_bool("True", &value));
    cr_expect_not(ech_text_read_bool("", &value));
}

static const char *const words[] = {"rounds", "threads", "train.lr", "train.epochs", "topology"};

static const char *nearest(const char *word)
{
    return ech_text_nearest(word, words, sizeof words / sizeof *words);
}

Test(text, a_misspelt_word_finds_its_neighbour)
{
    cr_expect_str_eq(nearest("round"), "rounds");
    cr_expect_str_eq(nearest("ruonds"), "rounds");
    cr_expect_str_eq(nearest("train.epoch"), "train.epochs");
    cr_expect_str_eq(nearest("topolgy"), "topology");
}

Test(text, a_foreign_word_has_no_neighbour)
{
    cr_expect_null(nearest("participation"));
    cr_expect_null(nearest("xy"));
    cr_expect_null(ech_text_nearest("rounds", NULL, 0));
}
