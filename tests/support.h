/**
 * @file support.h
 * What the suites of several layers need. Failures end the calling test.
 */
#ifndef ECH_TESTS_SUPPORT_H
#define ECH_TESTS_SUPPORT_H

#include <stddef.h>

enum { ECH_TEST_PATH_BYTES = 512 };

/** For `.fini` of a TestSuite: the test fails if a block of counted memory still lives. */
void ech_test_expect_no_leak(void);

/** A new empty directory, below $TMPDIR or /tmp; its path in `path`. */
void ech_test_make_directory(char path[ECH_TEST_PATH_BYTES]);

/** Remove a directory made by `ech_test_make_directory` with all that is in it. */
void ech_test_remove_directory(const char *path);

/** Write a file `directory/name` of these bytes; its path in `path`. */
void ech_test_write_bytes(const char *directory, const char *name, const void *bytes, size_t count,
                          char path[ECH_TEST_PATH_BYTES]);

/** The same for text. */
void ech_test_write_text(const char *directory, const char *name, const char *text,
                         char path[ECH_TEST_PATH_BYTES]);

/** Run a script of /bin/sh in a directory, for at most two minutes (tests/limits.h): each of its
 *  commands has to succeed. */
void ech_test_shell(const char *directory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Number of entries in a directory, "." and ".." left out. */
size_t ech_test_count_entries(const char *directory);

/** A port of loopback that nobody listens on. */
int ech_test_free_port(void);

#endif
