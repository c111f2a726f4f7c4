#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/base/yaml.h"
#include "tests/support.h"

static ech_yaml *document;

static void end_test(void)
{
    ech_yaml_destroy(&document);
    ech_test_expect_no_leak();
}

TestSuite(yaml, .fini = end_test);

static const ech_yaml_node *load(const char *text)
{
    ech_yaml_destroy(&document);
    const ech_status status = ech_yaml_load_text(text, strlen(text), "some/dir/a.yaml", &document);
    cr_assert_eq(status, ECH_OK, "%s", ech_status_message());
    return ech_yaml_root(document);
}

static void expect_refused(const char *text, const char *message)
{
    const ech_status status = ech_yaml_load_text(text, strlen(text), "a.yaml", &document);
    cr_expect_eq(status, ECH_ERR_CONFIG, "'%s' gave %s", text, ech_status_string(status));
    cr_expect_null(document);
    cr_expect_not_null(strstr(ech_status_message(), message), "'%s' said: %s", text,
                       ech_status_message());
}

Test(yaml, a_tree_keeps_keys_order_and_lines)
{
    const ech_yaml_node *root = load("name: x\n"
                                     "data:\n"
                                     "  file: b.h5   # a comment\n"
                                     "  extra: [1, two, {three: 3}]\n");
    cr_assert_eq(ech_yaml_node_kind(root), ECH_YAML_MAPPING);
    cr_assert_eq(ech_yaml_count(root), 2);
    cr_expect_str_eq(ech_yaml_key(root, 0), "name");
    cr_expect_str_eq(ech_yaml_key(root, 1), "data");

    char where[ECH_YAML_WHERE_BYTES];
    const ech_yaml_node *data = ech_yaml_find(root, "data");
    cr_expect_str_eq(ech_yaml_where(data, where), "some/dir/a.yaml:2");
    const ech_yaml_node *extra = ech_yaml_find(data, "extra");
    cr_expect_str_eq(ech_yaml_where(extra, where), "some/dir/a.yaml:4");
    cr_assert_eq(ech_yaml_node_kind(extra), ECH_YAML_SEQUENCE);
    cr_assert_eq(ech_yaml_count(extra), 3);
    cr_expect_str_eq(ech_yaml_text(ech_yaml_item(extra, 1)), "two");
    cr_expect_str_eq(ech_yaml_text(ech_yaml_find(ech_yaml_item(extra, 2), "three")), "3");
    cr_expect_null(ech_yaml_find(data, "files"));
    cr_expect_null(ech_yaml_text(data));
}

Test(yaml, json_is_read_too)
{
    const ech_yaml_node *root = load("{\"name\":\"a\\u00e9\\/b\",\n\t\"list\":[1,2.5,true,null]}");
    cr_expect_str_eq(ech_yaml_text(ech_yaml_find(root, "name")), "a\xc3\xa9/b");
    const ech_yaml_node *list = ech_yaml_find(root, "list");
    cr_assert_eq(ech_yaml_count(list), 4);
    cr_expect_eq(ech_yaml_node_kind(ech_yaml_item(list, 3)), ECH_YAML_NULL);
}

Test(yaml, an_empty_document_is_null)
{
    cr_expect_eq(ech_yaml_node_kind(load("")), ECH_YAML_NULL);
    cr_expect_eq(ech_yaml_node_kind(load("# only a comment\n")), ECH_YAML_NULL);
    cr_expect_eq(ech_yaml_node_kind(load("~")), ECH_YAML_NULL);
    cr_expect_eq(ech_yaml_node_kind(load("\"\"")), ECH_YAML_SCALAR);
}

Test(yaml, what_is_ambiguous_or_endless_is_refused_with_its_line)
{
    expect_refused("a: 1\nb: 2\na: 3\n", "a.yaml:3: key 'a' is given twice");
    expect_refused("a: &x 1\nb: *x\n", "a.yaml:1: anchors");
    expect_refused("a: 1\nb: *x\n", "a.yaml:2: anchors");
    expect_refused("a: !!str 1\n", "a.yaml:1: tags");
    expect_refused("a: !run 1\n", "a.yaml:1: tags");
    expect_refused("? [1, 2]\n: 3\n", "a.yaml:1: a key must be a name");
    expect_refused("~: 3\n", "a.yaml:1: a key must be a name");
    expect_refused("a: 1\n---\nb: 2\n", "a.yaml:2: a second document");
    expect_refused("a: \"x\\0y\"\n", "a.yaml:1: a text contains a NUL");
    expect_refused("a: 1\n\tb: 2\n", "a.yaml:2: not valid YAML");
    expect_refused("a: [1, 2\nb: 3\n", "a.yaml:2: not valid YAML");
    expect_refused("a: \xff\n", "a.yaml:1: not valid YAML");
    expect_refused("a: 'open\n", "not valid YAML");
}

Test(yaml, duplicates_are_found_among_many_keys)
{
    enum { KEYS = 1000, BYTES = 32 * KEYS };
    char *text = ech_calloc(1, BYTES);
    size_t used = 0;
    for (int i = 0; i < KEYS; i++) {
        used += (size_t)snprintf(text + used, BYTES - used, "key%d: %d\n", i, i);
    }
    const ech_yaml_node *root = load(text);
    cr_expect_eq(ech_yaml_count(root), KEYS);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        int64_t value = -1;
        snprintf(key, sizeof key, "key%d", i);
        cr_assert_not_null(ech_yaml_find(root, key));
        cr_expect_eq(ech_yaml_read_integer(ech_yaml_find(root, key), key, &value), ECH_OK);
        cr_expect_eq(value, i);
    }
    cr_expect_null(ech_yaml_find(root, "key1000"));
    snprintf(text + used, BYTES - used, "key500: 0\n");
    ech_yaml_destroy(&document);
    expect_refused(text, "a.yaml:1001: key 'key500' is given twice");
    ech_free(text);
}

Test(yaml, depth_is_bounded)
{
    char text[2 * ECH_YAML_DEPTH_MAX + 3];
    memset(text, 0, sizeof text);
    memset(text, '[', ECH_YAML_DEPTH_MAX);
    memset(text + ECH_YAML_DEPTH_MAX, ']', ECH_YAML_DEPTH_MAX);
    load(text);
    memset(text, '[', ECH_YAML_DEPTH_MAX + 1);
    memset(text + ECH_YAML_DEPTH_MAX + 1, ']', ECH_YAML_DEPTH_MAX + 1);
    ech_yaml_destroy(&document);
    expect_refused(text, "nested too deeply");
}

Test(yaml, a_file_that_cannot_be_read_is_named)
{
    cr_expect_eq(ech_yaml_load_file("/no/such.yaml", &document), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(),
                     "/no/such.yaml: cannot be read: No such file or directory");
    cr_expect_eq(ech_yaml_load_file("/tmp", &document), ECH_ERR_FILE);
    cr_expect_null(document);
}

Test(yaml, scalars_are_read_whole_and_quotes_mean_text)
{
    const ech_yaml_node *root =
        load("count: 1e2\nrate: 0.1abc\nquoted: \"5\"\nyes: true\nlist: [1]\n");
    int64_t integer = 0;
    double real = 0;
    bool flag = false;
    const char *text = NULL;
    cr_expect_eq(ech_yaml_read_integer(ech_yaml_find(root, "count"), "count", &integer), ECH_OK);
    cr_expect_eq(integer, 100);
    cr_expect_eq(ech_yaml_read_bool(ech_yaml_find(root, "yes"), "yes", &flag), ECH_OK);
    cr_expect(flag);
    cr_expect_eq(ech_yaml_read_text(ech_yaml_find(root, "quoted"), "quoted", &text), ECH_OK);
    cr_expect_str_eq(text, "5");

    cr_expect_eq(ech_yaml_read_real(ech_yaml_find(root, "rate"), "rate", &real), ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(),
                     "some/dir/a.yaml:2: rate: expected a number, got '0.1abc'");
    cr_expect_eq(ech_yaml_read_integer(ech_yaml_find(root, "quoted"), "quoted", &integer),
                 ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(),
                     "some/dir/a.yaml:3: quoted: expected a whole number, got \"5\"");
    cr_expect_eq(ech_yaml_read_text(ech_yaml_find(root, "list"), "list", &text), ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(), "some/dir/a.yaml:5: list: expected a text, got a list");
}

static void expect_path(const ech_yaml_node *node, const char *expected)
{
    char *path = NULL;
    cr_assert_eq(ech_yaml_read_path(node, "file", &path), ECH_OK);
    cr_expect_str_eq(path, expected);
    ech_free(path);
}

Test(yaml, relative_paths_start_where_they_are_written)
{
    const ech_yaml_node *root = load("file: b.h5\nother: /tmp/c.h5\n");
    expect_path(ech_yaml_find(root, "file"), "some/dir/b.h5");
    expect_path(ech_yaml_find(root, "other"), "/tmp/c.h5");
    cr_assert_eq(ech_yaml_set(document, "file", "d.h5"), ECH_OK);
    expect_path(ech_yaml_find(root, "file"), "d.h5");
}

Test(yaml, values_can_be_set)
{
    const ech_yaml_node *root = load("train:\n  lr: 0.1\nempty:\n");
    cr_assert_eq(ech_yaml_set(document, "train.lr", "0.5"), ECH_OK);
    cr_assert_eq(ech_yaml_set(document, "train.epochs", "3"), ECH_OK);
    cr_assert_eq(ech_yaml_set(document, "empty.inner", "[1, 2]"), ECH_OK);
    cr_assert_eq(ech_yaml_set(document, "a.b.c", "{d: 1}"), ECH_OK);
    cr_expect_str_eq(ech_yaml_text(ech_yaml_find(ech_yaml_find(root, "train"), "lr")), "0.5");
    cr_expect_eq(ech_yaml_count(ech_yaml_find(ech_yaml_find(root, "empty"), "inner")), 2);
    cr_expect_eq(ech_yaml_count(ech_yaml_find(ech_yaml_find(root, "a"), "b")), 1);

    cr_expect_eq(ech_yaml_set(document, "train.lr.x", "1"), ECH_ERR_CONFIG);
    cr_expect_str_eq(ech_status_message(), "--set train.lr.x=1: 'lr' holds a single value "
                                           "(--set train.lr=0.5), expected keys");
    cr_expect_eq(ech_yaml_set(document, "train..lr", "1"), ECH_ERR_CONFIG);
    cr_expect_eq(ech_yaml_set(document, "train.lr", "[1"), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "--set train.lr=[1: not valid YAML"));
}

Test(yaml, setting_starts_from_an_empty_document_too)
{
    const ech_yaml_node *root = load("");
    cr_assert_eq(ech_yaml_set(document, "a.b", "1"), ECH_OK);
    cr_expect_str_eq(ech_yaml_text(ech_yaml_find(ech_yaml_find(root, "a"), "b")), "1");
}

Test(yaml, what_is_written_reads_back_to_the_same_tree)
{
    static const char *const flow = "{a: 1e2, b: \"1e2\", \"c d\": [null, \"\", \"x\\x0ay\\\"\"], "
                                    "e: {}, f: -3, g: \"null\", h: \"- i\", k: a/b.c}";
    for (int pass = 0; pass < 2; pass++) {
        const ech_yaml_node *root = load(flow);
        char *text = NULL;
        size_t bytes = 0;
        FILE *file = open_memstream(&text, &bytes);
        ech_yaml_write(root, file);
        fclose(file);
        cr_expect_str_eq(text, flow);
        free(text);
    }
}
