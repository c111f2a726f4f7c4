#include "apps/report/pictures.h"

#include <stdio.h>

#include "apps/report/chart_bars.h"
#include "runtime/base/memory.h"

/* Tiers that are told apart; what lies deeper counts as the last. */
enum { TIERS_MAX = 32, WAYS = 2, KINDS = 2 };

static const char *const kind_names[KINDS] = {"logical", "wire"};

/* Bytes of a run, summed over its rounds: [kind][up or down][tier - 1]. */
typedef struct {
    double sums[KINDS][WAYS][TIERS_MAX];
    size_t tiers;
} traffic;

static ech_status count_rows(void *user, const void *rows, size_t count)
{
    traffic *sums = user;
    const ech_tier_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        const size_t tier = row->tier == 0 ? 1 : row->tier > TIERS_MAX ? TIERS_MAX : row->tier;
        sums->tiers = tier > sums->tiers ? tier : sums->tiers;
        sums->sums[0][0][tier - 1] += (double)row->logical_up_bytes;
        sums->sums[0][1][tier - 1] += (double)row->logical_down_bytes;
        sums->sums[1][0][tier - 1] += (double)row->wire_up_bytes;
        sums->sums[1][1][tier - 1] += (double)row->wire_down_bytes;
    }
    return ECH_OK;
}

static ech_status put(ech_page *page, const char *name, const ech_chart *chart, ech_rows rows,
                      const char *head, const ech_stack *stacks, size_t stack_count)
{
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_bars(&svg, chart, rows, stacks, stack_count);
    ech_csv_stacks(&csv, head, rows, stacks, stack_count);
    return ech_page_picture(page, name, &svg, &csv);
}

/* One run: a row a tier and kind, down and up stacked. */
static ech_status picture_of_tiers(ech_page *page, const ech_run *run, const traffic *sums)
{
    double values[WAYS][KINDS * TIERS_MAX];
    char text[KINDS * TIERS_MAX][32];
    const char *labels[KINDS * TIERS_MAX];
    size_t count = 0;
    for (size_t tier = 0; tier < sums->tiers; tier++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            snprintf(text[count], sizeof text[count], "tier %zu, %s", tier + 1, kind_names[kind]);
            labels[count] = text[count];
            values[0][count] = sums->sums[kind][0][tier];
            values[1][count] = sums->sums[kind][1][tier];
            count++;
        }
    }
    const ech_stack stacks[WAYS] = {{"down", 0, values[1]}, {"up", 1, values[0]}};
    char title[512];
    snprintf(title, sizeof title, "Bytes by tier: %s", run->label);
    const ech_chart chart = {
        .title = title,
        .note =
            "All rounds together. Tier 1 is below the leader. Logical: what the algorithm sends "
            "over each edge, in float32. Wire: what was copied or sent.",
        .x = {.unit = ECH_UNIT_BYTES, .from_zero = true}};
    return put(page, "bytes", &chart, (ech_rows){.count = count, .labels = labels}, "tier", stacks,
               WAYS);
}

/* Several runs: a row a run and kind, tiers stacked. */
static ech_status picture_of_runs(ech_page *page, const ech_runs *runs, const traffic *sums,
                                  size_t tiers, double *values, ech_buffer *text,
                                  const char **labels)
{
    const size_t count = KINDS * runs->count;
    ech_stack stacks[TIERS_MAX];
    char names[TIERS_MAX][32];
    for (size_t tier = 0; tier < tiers; tier++) {
        for (size_t row = 0; row < count; row++) {
            const traffic *own = &sums[row / KINDS];
            values[tier * count + row] =
                own->sums[row % KINDS][0][tier] + own->sums[row % KINDS][1][tier];
        }
        snprintf(names[tier], sizeof names[tier], "tier %zu", tier + 1);
        stacks[tier] =
            (ech_stack){names[tier], (int)(tier % ECH_COLOUR_COUNT), values + tier * count};
    }
    for (size_t row = 0; row < count; row++) {
        ech_buffer_format(&text[row], "%s, %s", runs->items[row / KINDS].label,
                          kind_names[row % KINDS]);
        labels[row] = text[row].bytes;
    }
    for (size_t row = 0; row < count; row++) {
        if (text[row].status != ECH_OK) {
            return text[row].status;
        }
    }
    const ech_chart chart = {
        .title = "Bytes by run and tier",
        .note = "Up and down, all rounds together. Logical: what the algorithm sends over each "
                "edge, in float32. Wire: what was copied or sent.",
        .x = {.unit = ECH_UNIT_BYTES, .from_zero = true}};
    return put(page, "bytes", &chart, (ech_rows){.count = count, .labels = labels}, "run", stacks,
               tiers);
}

static ech_status compare_runs(ech_page *page, const ech_runs *runs, const traffic *sums,
                               size_t tiers)
{
    const size_t rows = KINDS * runs->count;
    double *values = ech_calloc(tiers * rows, sizeof *values);
    ech_buffer *text = ech_calloc(rows, sizeof *text);
    const char **labels = ech_calloc(rows, sizeof *labels);
    ech_status status = ECH_ERR_MEMORY;
    if (values != NULL && text != NULL && labels != NULL) {
        status = picture_of_runs(page, runs, sums, tiers, values, text, labels);
    }
    for (size_t i = 0; text != NULL && i < rows; i++) {
        ech_buffer_clear(&text[i]);
    }
    ech_free(values);
    ech_free(text);
    ech_free(labels);
    return status;
}

ech_status ech_report_bytes(ech_page *page, const ech_runs *runs)
{
    traffic *sums = ech_calloc(runs->count, sizeof *sums);
    ech_status status = sums != NULL ? ECH_OK : ECH_ERR_MEMORY;
    size_t tiers = 0;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        status = ech_run_visit(&runs->items[i], ECH_RECORD_TIERS, count_rows, &sums[i]);
        tiers = sums[i].tiers > tiers ? sums[i].tiers : tiers;
    }
    if (status == ECH_OK && tiers > 0) {
        ech_page_section(page, "Bytes");
        status = runs->count == 1 ? picture_of_tiers(page, &runs->items[0], &sums[0])
                                  : compare_runs(page, runs, sums, tiers);
    }
    ech_free(sums);
    return status;
}
