#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/memory.h"
#include "runtime/fed/site/keys.h"
#include "tests/support.h"

static char folder[ECH_TEST_PATH_BYTES];
static char path[ECH_TEST_PATH_BYTES + 64];

static void start(void)
{
    ech_test_make_directory(folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(site_keys, .init = start, .fini = stop);

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void generate(const char *name, ech_public_key *key)
{
    cr_assert_eq(ech_key_generate(name, folder, key), ECH_OK, "%s", ech_status_message());
}

Test(site_keys, a_pair_is_read_as_it_was_made)
{
    ech_public_key made;
    ech_private_key key;
    ech_public_key *list = NULL;
    size_t count = 0;
    generate("boulder", &made);
    cr_assert_eq(ech_private_key_read(in_folder("boulder.key"), &key), ECH_OK);
    cr_expect_str_eq(key.public_key.text, made.text);
    cr_expect_str_eq(key.public_key.name, "boulder");
    cr_assert_eq(ech_public_keys_read(in_folder("boulder.pub"), &list, &count), ECH_OK);
    cr_assert_eq(count, 1);
    cr_expect_str_eq(list[0].text, made.text);
    ech_free(list);
    ech_private_key_clear(&key);
    cr_expect_eq(key.secret[0], '\0');
}

Test(site_keys, a_private_key_is_its_owners_alone)
{
    ech_public_key made;
    ech_private_key key;
    struct stat file;
    generate("boulder", &made);
    cr_assert_eq(stat(in_folder("boulder.key"), &file), 0);
    cr_expect_eq(file.st_mode & 07777, 0600);
    static const mode_t modes[] = {0640, 0604, 0620, 0610, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(path, modes[i]), 0);
        cr_expect_eq(ech_private_key_read(path, &key), ECH_ERR_CONFIG);
        cr_expect_not_null(strstr(ech_status_message(), "chmod 600"));
        cr_expect_eq(key.secret[0], '\0');
    }
    cr_assert_eq(chmod(path, 0400), 0);
    cr_expect_eq(ech_private_key_read(path, &key), ECH_OK);
}

Test(site_keys, a_key_is_never_overwritten)
{
    ech_public_key made;
    generate("boulder", &made);
    cr_expect_eq(ech_key_generate("boulder", folder, &made), ECH_ERR_FILE);
    cr_assert_eq(remove(in_folder("boulder.key")), 0);
    cr_expect_eq(ech_key_generate("boulder", folder, &made), ECH_ERR_FILE, "its .pub is there");
    cr_expect_eq(ech_test_count_entries(folder), 1, "and no half of a pair is left");
    cr_expect_eq(ech_key_generate("../boulder", folder, &made), ECH_ERR_CONFIG);
}

Test(site_keys, a_key_that_is_no_pair_is_refused)
{
    ech_public_key one;
    ech_public_key two;
    ech_private_key key;
    char line[256];
    char file[ECH_TEST_PATH_BYTES];
    generate("one", &one);
    generate("two", &two);
    cr_assert_eq(ech_private_key_read(in_folder("one.key"), &key), ECH_OK);
    snprintf(line, sizeof line, "one %s %s\n", two.text, key.secret);
    ech_test_write_text(folder, "mixed.key", line, file);
    cr_assert_eq(chmod(file, 0600), 0);
    cr_expect_eq(ech_private_key_read(file, &key), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "no pair"));
    cr_expect_eq(ech_private_key_read(in_folder("one.pub"), &key), ECH_ERR_CONFIG);
    cr_expect_eq(ech_private_key_read(in_folder("none.key"), &key), ECH_ERR_FILE);
}

Test(site_keys, a_list_names_its_bad_line)
{
    ech_public_key one;
    ech_public_key two;
    generate("one", &one);
    generate("two", &two);
    const struct {
        const char *name, *key, *rest;
    } bad[] = {{"three", "tooshort", ""}, {"three", two.text, two.text},
               {"one", two.text, ""},     {"three", one.text, ""},
               {"th/ree", two.text, ""},  {"three", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", ""},
               {"three", "", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        char file[ECH_TEST_PATH_BYTES];
        ech_public_key *list = NULL;
        size_t count = 0;
        snprintf(text, sizeof text, "# sites\n\none %s\n%s %s %s\n", one.text, bad[i].name,
                 bad[i].key, bad[i].rest);
        ech_test_write_text(folder, "list.pub", text, file);
        cr_expect_eq(ech_public_keys_read(file, &list, &count), ECH_ERR_CONFIG, "case %zu", i);
        cr_expect_not_null(strstr(ech_status_message(), "list.pub:4: "), "%s",
                           ech_status_message());
        cr_expect_null(list);
    }
}
