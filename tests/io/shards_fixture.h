/**
 * @file shards_fixture.h
 * A small data set, a split of it, and its shards, in the fixture's folder.
 */
#ifndef ECH_TESTS_IO_SHARDS_FIXTURE_H
#define ECH_TESTS_IO_SHARDS_FIXTURE_H

#include <stdbool.h>

#include "io/shard_reader.h"
#include "io/shards.h"

enum {
    SHARDS_SAMPLES = 60,
    SHARDS_TESTS = 7,
    SHARDS_WORKERS = 6,
    SHARDS_DEALT = 54, /* each tenth sample is nobody's */
    SHARDS_PIXELS = 6,
};

/** Write "data.h5". Sample s has the label s % 4, and pixels that no other has; the test samples'
 *  pixels are others. `inverted`: a data set of the same shape with other pixels. */
void shards_fixture_data(bool inverted);
uint8_t shards_fixture_pixel(ech_data_part part, uint64_t sample, uint64_t pixel);

/** The split: worker 2 has no samples; the others' lie strewn over the data set. Static. */
const ech_split_file *shards_fixture_split(void);

/** Write the shards into the folder `name`. */
ech_status shards_fixture_write(const char *name, uint64_t file_count);

/** Read all samples of the set in `name`, and compare; the status of what failed. */
ech_status shards_fixture_read(const char *name);

#endif
