/**
 * @file fuzz.h
 * What the fuzz targets share: files from bytes, and the balance of memory. Each target is one file
 * fuzz_<name>.c with one reader; tests/fuzz/run.sh builds and runs them.
 */
#ifndef ECH_TESTS_FUZZ_H
#define ECH_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "io/service.h"

/** The target, called by libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/** Store bytes as a file of this name, in a folder that goes with the process. @return its path,
 *  borrowed until the next call with the same name. */
const char *fuzz_store(const char *name, const uint8_t *data, size_t bytes);

/** Remove it again. */
void fuzz_remove(const char *name);

/** The process's I/O service, made when first asked for. */
ech_io *fuzz_io(void);

/** Blocks of counted memory that live now. Take it before a reader, and give it back after: a
 *  difference is a leak, and ends the process as a crash. */
size_t fuzz_balance(void);
void fuzz_expect_balance(size_t before);

#endif
