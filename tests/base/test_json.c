#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/json.h"

static char *text;
static size_t bytes;
static FILE *file;
static ech_json json;

static void begin_test(void)
{
    file = open_memstream(&text, &bytes);
    json = ech_json_writer(file);
}

static void end_test(void)
{
    fclose(file);
    free(text);
}

TestSuite(json, .init = begin_test, .fini = end_test);

Test(json, objects_and_lists_nest)
{
    ech_json_begin_object(&json, NULL);
    ech_json_integer(&json, "a", -3);
    ech_json_begin_list(&json, "b");
    ech_json_bool(&json, NULL, true);
    ech_json_begin_object(&json, NULL);
    ech_json_end_object(&json);
    ech_json_end_list(&json);
    ech_json_unsigned(&json, "c", UINT64_MAX);
    ech_json_end_object(&json);
    cr_assert_eq(ech_json_finish(&json), ECH_OK);
    cr_expect_str_eq(text, "{\n  \"a\": -3,\n  \"b\": [\n    true,\n    {}\n  ],\n"
                           "  \"c\": 18446744073709551615\n}\n");
}

Test(json, text_is_escaped)
{
    ech_json_text(&json, NULL, "a\"b\\c\n\x01\xc3\xa9");
    cr_assert_eq(ech_json_finish(&json), ECH_OK);
    cr_expect_str_eq(text, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"\n");
}

Test(json, no_text_and_no_number_are_null)
{
    ech_json_begin_list(&json, NULL);
    ech_json_text(&json, NULL, NULL);
    ech_json_real(&json, NULL, NAN);
    ech_json_real(&json, NULL, -INFINITY);
    ech_json_end_list(&json);
    cr_assert_eq(ech_json_finish(&json), ECH_OK);
    cr_expect_str_eq(text, "[\n  null,\n  null,\n  null\n]\n");
}

Test(json, numbers_read_back_to_the_same_bits)
{
    static const double values[] = {0.1, 1.0 / 3.0, 5e-324, 1.7976931348623157e308, -0.0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        rewind(file);
        json = ech_json_writer(file);
        ech_json_real(&json, NULL, values[i]);
        cr_assert_eq(ech_json_finish(&json), ECH_OK);
        const double read = strtod(text, NULL);
        cr_expect_eq(read, values[i]);
        cr_expect_eq(signbit(read), signbit(values[i]));
    }
}

Test(json, a_full_disk_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    ech_json writer = ech_json_writer(full);
    ech_json_bool(&writer, NULL, true);
    cr_expect_eq(ech_json_finish(&writer), ECH_ERR_FILE);
    fclose(full);
}
