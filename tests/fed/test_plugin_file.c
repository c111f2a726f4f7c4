#define _GNU_SOURCE
/* A shared object is looked at before the loader maps it: of one that was cut short it would touch
 * pages that are not there. */
#include <criterion/criterion.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/fed/plugin_file.h"
#include "runtime/fed/plugin_library.h"
#include "tests/support.h"

enum { OBJECT_BYTES_MAX = 1 << 20, CUTS = 300, DAMAGED = 2000, PAGE = 4096 };

#define RULE ECH_BUILD_DIR "/examples/plugin_rule.so"
#define OPTIONS "rate=1 momentum=0"

static char directory[ECH_TEST_PATH_BYTES];
static char path[ECH_TEST_PATH_BYTES];
static unsigned char *object;
static size_t object_bytes;

static void start(void)
{
    ech_test_make_directory(directory);
    object = malloc(OBJECT_BYTES_MAX);
    FILE *file = fopen(RULE, "rb");
    cr_assert(object != NULL && file != NULL, RULE ": cannot be read");
    object_bytes = fread(object, 1, OBJECT_BYTES_MAX, file);
    fclose(file);
    cr_assert(object_bytes > PAGE && object_bytes < OBJECT_BYTES_MAX);
}

static void stop(void)
{
    free(object);
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(plugin_file, .init = start, .fini = stop, .timeout = 60);

static void store(const void *bytes, size_t count)
{
    ech_test_write_bytes(directory, "rule.so", bytes, count, path);
}

static void expect_refused(ech_status status, const char *expected)
{
    cr_expect_eq(status, ECH_ERR_CONFIG, "%s: %s", ech_status_string(status), ech_status_message());
    cr_expect_not_null(strstr(ech_status_message(), expected), "'%s' is not in: %s", expected,
                       ech_status_message());
}

/* Where the last byte of what the loader maps lies. */
static size_t mapped_bytes(void)
{
    ElfW(Ehdr) header;
    size_t end = 0;
    memcpy(&header, object, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        memcpy(&segment, object + header.e_phoff + i * sizeof segment, sizeof segment);
        const size_t last = segment.p_offset + segment.p_filesz;
        end = segment.p_type == PT_LOAD && last > end ? last : end;
    }
    return end;
}

Test(plugin_file, of_a_plugin_that_is_cut_short_the_process_does_not_die)
{
    const size_t end = mapped_bytes();
    for (size_t i = 0; i <= CUTS; i++) {
        ech_plugin_library *library = NULL;
        store(object, end * i / CUTS);
        const ech_status status = ech_plugin_library_open(path, OPTIONS, &library);
        if (i < CUTS) {
            expect_refused(status, "rule.so is ");
        } else {
            cr_expect_eq(status, ECH_OK, "%s", ech_status_message());
        }
        ech_plugin_library_close(&library);
    }
}

Test(plugin_file, what_is_missing_is_said)
{
    ElfW(Ehdr) header;
    memcpy(&header, object, sizeof header);
    store(object, mapped_bytes() - 1);
    expect_refused(ech_plugin_file_check(path), "is cut short: its segments end behind its ");
    store(object, header.e_phoff + sizeof(ElfW(Phdr)));
    expect_refused(ech_plugin_file_check(path), "is cut short: its headers end behind its ");
    store(object, sizeof header - 1);
    expect_refused(ech_plugin_file_check(path), "is no shared object of this machine's kind");
    store("int rule;", 9);
    expect_refused(ech_plugin_file_check(path), "is no shared object of this machine's kind");
    cr_expect_eq(ech_plugin_file_check(directory), ECH_ERR_FILE);
    cr_expect_eq(ech_plugin_file_check("/nowhere/rule.so"), ECH_ERR_FILE);
}

static void expect_other_kind(size_t at, unsigned char value)
{
    const unsigned char kept = object[at];
    object[at] = value;
    store(object, object_bytes);
    expect_refused(ech_plugin_file_check(path), "is no shared object of this machine's kind");
    object[at] = kept;
}

Test(plugin_file, a_program_or_an_object_of_another_machine_is_none)
{
    expect_other_kind(EI_MAG0, 0);
    expect_other_kind(EI_CLASS, ELFCLASSNONE);
    expect_other_kind(EI_DATA, ELFDATANONE);
    expect_other_kind(offsetof(ElfW(Ehdr), e_type), ET_REL);
    expect_other_kind(offsetof(ElfW(Ehdr), e_phentsize), 1);
    expect_other_kind(offsetof(ElfW(Ehdr), e_phnum), 0);
}

/* Whatever the headers say, the answer is a status; the loader is not asked. */
Test(plugin_file, damaged_headers_are_refused_or_harmless)
{
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    size_t refused = 0;
    for (size_t i = 0; i < DAMAGED; i++) {
        const size_t at = ech_random_below(&stream, 1024);
        const unsigned char kept = object[at];
        object[at] = (unsigned char)ech_random_below(&stream, 256);
        store(object, object_bytes);
        const ech_status status = ech_plugin_file_check(path);
        cr_expect(status == ECH_OK || status == ECH_ERR_CONFIG, "%s", ech_status_message());
        refused += status != ECH_OK;
        object[at] = kept;
    }
    cr_expect_gt(refused, DAMAGED / 20);
}
