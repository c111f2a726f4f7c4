#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "apps/report/buffer.h"
#include "runtime/base/random.h"
#include "tests/report/xml.h"
#include "tests/support.h"

static ech_buffer buffer;

static void clear(void)
{
    ech_buffer_clear(&buffer);
    ech_test_expect_no_leak();
}

TestSuite(report_buffer, .fini = clear);

static void expect_coordinate(double value, const char *expected)
{
    ech_buffer_clear(&buffer);
    ech_buffer_coordinate(&buffer, value);
    cr_expect_str_eq(buffer.bytes, expected, "%g became %s", value, buffer.bytes);
}

Test(report_buffer, coordinates_are_short_and_always_numbers)
{
    expect_coordinate(0.0, "0");
    expect_coordinate(-0.001, "0");
    expect_coordinate(12.0, "12");
    expect_coordinate(12.5, "12.5");
    expect_coordinate(-3.14159, "-3.14");
    expect_coordinate(100.0, "100");
    expect_coordinate(NAN, "0");
    expect_coordinate(INFINITY, "0");
    expect_coordinate(1e300, "1000000000");
}

static void expect_escaped(const char *text, const char *expected)
{
    ech_buffer_clear(&buffer);
    ech_buffer_escape(&buffer, text);
    cr_expect_str_eq(buffer.bytes, expected);
}

Test(report_buffer, markup_and_what_xml_forbids_are_escaped)
{
    expect_escaped("a<b> & \"c\" 'd'", "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
    expect_escaped("\x01\x7f\x1b", "\xEF\xBF\xBD\x7f\xEF\xBF\xBD");
    expect_escaped("µs – é 𝛼", "µs – é 𝛼");
    expect_escaped("\xff\xc0\x80\xe4", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_escaped("\xed\xa0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    expect_escaped("\xef\xbf\xbf", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* U+FFFF */
}

Test(report_buffer, any_bytes_give_well_formed_xml)
{
    ech_random random = ech_random_stream(7, ECH_RANDOM_TEST, 0, 0, 0);
    for (int round = 0; round < 500; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof text - 1; i++) {
            text[i] = (char)(ech_random_below(&random, 255) + 1);
        }
        text[sizeof text - 1] = '\0';
        ech_buffer_clear(&buffer);
        ech_buffer_add(&buffer, "<a b=\"");
        ech_buffer_escape(&buffer, text);
        ech_buffer_add(&buffer, "\">");
        ech_buffer_escape(&buffer, text);
        ech_buffer_add(&buffer, "</a>");
        xml_document *document = xml_parse(buffer.bytes);
        cr_expect_eq(document->count, 1);
        xml_free(&document);
    }
}

static void expect_cell(const char *text, const char *expected)
{
    ech_buffer_clear(&buffer);
    ech_buffer_csv(&buffer, text);
    cr_expect_str_eq(buffer.bytes, expected);
}

Test(report_buffer, cells_are_quoted_where_they_must_be)
{
    expect_cell("plain text", "plain text");
    expect_cell("a, b", "\"a, b\"");
    expect_cell("say \"hi\"", "\"say \"\"hi\"\"\"");
    expect_cell("two\nlines", "\"two\nlines\"");
}

Test(report_buffer, a_number_that_is_none_leaves_its_cell_empty)
{
    ech_buffer_csv_number(&buffer, 0.1);
    ech_buffer_add(&buffer, ",");
    ech_buffer_csv_number(&buffer, NAN);
    ech_buffer_add(&buffer, ",");
    ech_buffer_csv_number(&buffer, -INFINITY);
    cr_expect_str_eq(buffer.bytes, "0.1,,");
}

Test(report_buffer, long_texts_grow_it_and_a_failure_sticks)
{
    for (int i = 0; i < 10000; i++) {
        ech_buffer_format(&buffer, "%04d ", i);
    }
    cr_expect_eq(buffer.length, 50000);
    cr_expect_eq(strncmp(buffer.bytes + 49995, "9999 ", 6), 0);
    buffer.status = ECH_ERR_MEMORY;
    ech_buffer_add(&buffer, "more");
    cr_expect_eq(buffer.length, 50000);
    cr_expect_eq(ech_buffer_write(&buffer, "/nowhere/at/all"), ECH_ERR_MEMORY);
}

Test(report_buffer, a_file_that_cannot_be_written_is_named)
{
    ech_buffer_add(&buffer, "text");
    cr_expect_eq(ech_buffer_write(&buffer, "/nowhere/at/all"), ECH_ERR_FILE);
    cr_expect_not_null(strstr(ech_status_message(), "/nowhere/at/all"));
}
