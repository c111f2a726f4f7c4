#include <inttypes.h>
#include <stdio.h>

#include "apps/data/data.h"
#include "apps/report/chart_bars.h"
#include "apps/report/picture_file.h"
#include "runtime/base/memory.h"

/* values[label * workers + worker] */
static double *count_by_label(const ech_dataset *dataset, const ech_split_file *split)
{
    const uint32_t classes = ech_dataset_describe(dataset)->classes;
    const uint8_t *labels = ech_dataset_labels(dataset, ECH_DATA_TRAIN);
    double *values = ech_calloc((size_t)classes * split->workers, sizeof *values);
    for (uint64_t worker = 0; values != NULL && worker < split->workers; worker++) {
        for (uint64_t i = split->offsets[worker]; i < split->offsets[worker + 1]; i++) {
            values[labels[split->indices[i]] * split->workers + worker] += 1.0;
        }
    }
    return values;
}

static ech_status write_chart(const ech_split_file *split, uint32_t classes, const double *values,
                              const char *picture)
{
    ech_stack stacks[ECH_DATASET_CLASSES_MAX];
    char names[ECH_DATASET_CLASSES_MAX][16];
    for (uint32_t label = 0; label < classes; label++) {
        snprintf(names[label], sizeof names[label], "label %u", label);
        stacks[label] = (ech_stack){names[label], (int)(label % ECH_COLOUR_COUNT),
                                    values + label * split->workers};
    }
    char note[128];
    snprintf(note, sizeof note,
             "Training samples that each of the %" PRIu64 " workers holds, by label.",
             split->workers);
    const ech_chart chart = {
        .title = "Labels by worker",
        .note = note,
        .x = {.title = "worker", .unit = ECH_UNIT_COUNT, .whole = true, .exact = true},
        .y = {.title = "samples", .unit = ECH_UNIT_COUNT, .from_zero = true}};
    ech_buffer svg = {0};
    ech_chart_columns(&svg, &chart, 0, (size_t)split->workers, stacks, classes);
    const ech_status status = ech_picture_write(&svg, picture);
    ech_buffer_clear(&svg);
    return status;
}

ech_status ech_data_draw(const char *path, const ech_dataset *dataset, const ech_split_file *split,
                         const char *picture)
{
    const ech_status fits = ech_data_check_split(path, dataset, split);
    if (fits != ECH_OK) {
        return fits;
    }
    double *values = count_by_label(dataset, split);
    if (values == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status =
        write_chart(split, ech_dataset_describe(dataset)->classes, values, picture);
    ech_free(values);
    return status;
}
