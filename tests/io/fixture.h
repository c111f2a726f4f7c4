/**
 * @file fixture.h
 * What the suites of `io` share: the service, a scratch folder, files of others, damage.
 */
#ifndef ECH_TESTS_IO_FIXTURE_H
#define ECH_TESTS_IO_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "io/h5_priv.h"
#include "io/service.h"
#include "tests/support.h"

/** For `.init` and `.fini` of a TestSuite: `fixture_io` and an empty `fixture_folder`. */
void fixture_start(void);
void fixture_stop(void);

extern ech_io *fixture_io;
extern char fixture_folder[ECH_TEST_PATH_BYTES];

/** "FOLDER/NAME", in one of a few static buffers. */
const char *fixture_path(const char *name);

/** Add a dataset to an HDF5 file without a seal, as h5py would; the file is made at the first. */
void fixture_add_foreign(const char *path, const char *name, hid_t type, int dimension_count,
                         const hsize_t *shape, const void *data);

/** The whole file in a new block (free). */
unsigned char *fixture_load(const char *path, size_t *bytes);

/** Replace a file. */
void fixture_store(const char *path, const void *data, size_t bytes);

/** Flip a bit of a file in place: far cheaper than to write the file anew. */
void fixture_flip(const char *path, size_t byte, unsigned bit);

/** The calling thread's status message must contain `part`. */
void fixture_expect_message(const char *part);

#endif
