/**
 * @file data.h
 * `echelon data`: what its commands share. Not collective.
 */
#ifndef ECH_APPS_DATA_DATA_H
#define ECH_APPS_DATA_DATA_H

#include <stdbool.h>

#include "io/dataset.h"
#include "io/service.h"
#include "io/split_file.h"
#include "runtime/base/status.h"

/* The commands; as in command.h. */
int ech_cmd_data_import(int argc, char **argv);
int ech_cmd_data_split(int argc, char **argv);
int ech_cmd_data_shard(int argc, char **argv);
int ech_cmd_data_show(int argc, char **argv);

/** Samples of each label in a list of samples. */
typedef struct {
    uint64_t samples;
    uint64_t labels[ECH_DATASET_CLASSES_MAX];
} ech_label_counts;

/** Count labels; `indices` NULL: all `count` labels in order. */
ech_label_counts ech_count_labels(const uint8_t *labels, const uint32_t *indices, uint64_t count);

/** ECH_ERR_FORMAT, naming both numbers, unless the split is of this data set's. */
ech_status ech_data_check_split(const char *path, const ech_dataset *dataset,
                                const ech_split_file *split);

/**
 * Draw the labels that each worker of a split holds, as stacked bars.
 *
 * @param picture  as in apps/report/picture_file.h, whose errors come too.
 * @return ECH_OK; ECH_ERR_FORMAT (the split is of another data set).
 */
ech_status ech_data_draw(const char *path, const ech_dataset *dataset, const ech_split_file *split,
                         const char *picture);

/**
 * Print what is in a data set, and, with a split, in each worker's part.
 *
 * @param split  NULL: none. It must be of this data set's number of samples.
 * @return ECH_OK; ECH_ERR_FORMAT (the split is of another data set); ECH_ERR_FILE (standard
 * output).
 */
ech_status ech_data_print(const char *path, const ech_dataset *dataset, const ech_split_file *split,
                          bool json);

#endif
