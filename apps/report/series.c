#include "apps/report/series.h"

#include <math.h>

#include "runtime/base/memory.h"

static double *make_numbers(size_t count)
{
    double *numbers = ech_alloc(count * sizeof *numbers);
    for (size_t i = 0; numbers != NULL && i < count; i++) {
        numbers[i] = NAN;
    }
    return numbers;
}

void ech_series_add(ech_series *series, const char *label, size_t number, size_t count, double **x,
                    double **y)
{
    *x = NULL;
    *y = NULL;
    if (series->status != ECH_OK) {
        return;
    }
    ech_line *grown = ech_realloc(series->lines, series->count + 1, sizeof *series->lines);
    if (grown == NULL) {
        series->status = ECH_ERR_MEMORY;
        return;
    }
    series->lines = grown;
    char *copy = ech_strdup(label);
    double *numbers = copy != NULL ? make_numbers(2 * count) : NULL;
    if (numbers == NULL) {
        ech_free(copy);
        series->status = ECH_ERR_MEMORY;
        return;
    }
    *x = numbers;
    *y = numbers + count;
    series->lines[series->count++] = (ech_line){
        .label = copy,
        .x = *x,
        .y = *y,
        .count = count,
        .colour = (int)(number % ECH_COLOUR_COUNT),
        .dashes = (int)(number / ECH_COLOUR_COUNT),
    };
}

ech_line *ech_series_last(ech_series *series)
{
    return series->status == ECH_OK && series->count > 0 ? &series->lines[series->count - 1] : NULL;
}

void ech_series_spread(ech_series *series, double **low, double **high)
{
    *low = NULL;
    *high = NULL;
    ech_line *line = ech_series_last(series);
    if (line == NULL) {
        return;
    }
    *low = make_numbers(2 * line->count);
    if (*low == NULL) {
        series->status = ECH_ERR_MEMORY;
        return;
    }
    *high = *low + line->count;
    line->low = *low;
    line->high = *high;
}

void ech_series_clear(ech_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        ech_free((void *)series->lines[i].label);
        ech_free((void *)series->lines[i].x);
        ech_free((void *)series->lines[i].low);
    }
    ech_free(series->lines);
    *series = (ech_series){0};
}
