#include "tests/report/records.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/support.h"

enum { TRAIN_APP = 8, TASK_BLOCK = 4096 };

static const double start_seconds = 0.5;
static const uint64_t epoch_ns = 1700000000000000000U;

static void append(ech_record_writer *writer, ech_record_table table, const void *row, size_t count)
{
    cr_assert_eq(ech_record_append(writer, table, row, count), ECH_OK, "%s", ech_status_message());
}

static double round_seconds(const made_run *run, uint32_t round)
{
    return round == 0 ? 0.1 : run->train_seconds / run->ranks + 0.1;
}

static void append_rounds(ech_record_writer *writer, const made_run *run)
{
    double now = start_seconds;
    for (uint32_t t = 0; t <= run->rounds; t++) {
        const ech_round_row row = {
            .round = t,
            .selected = t > 0 ? run->workers : 0,
            .contributed = t > 0 ? run->workers : 0,
            .test_accuracy = 1.0 - 0.9 / (t + 1.0),
            .test_loss = 2.0 / (t + 1.0),
            .train_loss = NAN,
            .start = now,
            .total_seconds = round_seconds(run, t),
            .train_seconds = t > 0 ? run->train_seconds / run->ranks : 0.0,
            .evaluate_seconds = 0.1,
            .logical_up_bytes = t > 0 ? 500U * run->tiers * (run->tiers + 1) : 0,
        };
        append(writer, ECH_RECORD_ROUNDS, &row, 1);
        now += row.total_seconds;
        for (uint32_t d = 1; t > 0 && d <= run->tiers; d++) {
            const ech_tier_row tier = {t, d, 1000U * d, 500U * d, 500U * d, 250U * d};
            append(writer, ECH_RECORD_TIERS, &tier, 1);
        }
    }
}

static void append_history(ech_record_writer *writer, const made_run *run)
{
    for (uint32_t t = 1; t <= run->rounds; t++) {
        for (uint32_t w = 0; w < run->workers; w++) {
            const double length = 0.1 * (w + 1);
            const double begin = (run->async ? length : 0.1 * run->workers) * (t - 1);
            const ech_history_row row = {
                .round = t,
                .node = 1 + w,
                .parent = w % 2 == 0 ? 100 : 101,
                .staleness = run->async ? w % 3 : 0,
                .samples = 10 + w,
                .loss = 1.0,
                .accuracy = 0.5,
                .start = start_seconds + begin,
                .end = start_seconds + begin + length,
            };
            append(writer, ECH_RECORD_HISTORY, &row, 1);
        }
    }
}

static void append_tasks(ech_record_writer *writer, const made_run *run)
{
    static ech_task_row rows[TASK_BLOCK];
    for (uint64_t first = 0; first < run->tasks; first += TASK_BLOCK) {
        const uint64_t left = run->tasks - first;
        const size_t count = left < TASK_BLOCK ? (size_t)left : TASK_BLOCK;
        for (size_t i = 0; i < count; i++) {
            const uint64_t id = first + i;
            const uint64_t begin = epoch_ns + 1000000U * (id / run->ranks);
            rows[i] = (ech_task_row){.id = id,
                                     .app = TRAIN_APP + (id % 10 == 9),
                                     .attempt = id % 200 == 50,
                                     .rank = (int32_t)(id % run->ranks),
                                     .status = id % 100 == 49 ? ECH_ERR_TASK : ECH_OK,
                                     .queued_ns = epoch_ns,
                                     .started_ns = begin,
                                     .ended_ns = begin + 1000000U,
                                     .bytes = 64};
        }
        append(writer, ECH_RECORD_TASKS, rows, count);
    }
}

void make_record(ech_io *io, const char *folder, const char *name, const made_run *run, char *path)
{
    static const char *const apps[TRAIN_APP + 2] = {"a", "b", "c",     "d",     "e",
                                                    "f", "g", "never", "train", "evaluation"};
    char directory[ECH_TEST_PATH_BYTES];
    char ranks[16];
    snprintf(directory, sizeof directory, "%s/%s", folder, name);
    cr_assert_eq(mkdir(directory, 0777), 0);
    cr_assert_lt(snprintf(path, ECH_TEST_PATH_BYTES, "%s/run.h5", directory), ECH_TEST_PATH_BYTES);
    snprintf(ranks, sizeof ranks, "%u", run->ranks);
    const ech_record_fact machine[] = {
        {"ranks", ranks}, {"processor", "a <fast> one & more"}, {"peak_rss_bytes", "123456789"}};
    const ech_record_options options = {.path = path,
                                        .config = run->config,
                                        .machine = machine,
                                        .machine_count = 3,
                                        .app_names = apps,
                                        .app_count = TRAIN_APP + 2};
    ech_record_writer *writer = NULL;
    cr_assert_eq(ech_record_writer_create(io, &options, &writer), ECH_OK, "%s",
                 ech_status_message());
    if (run->rounds > 0) {
        append_rounds(writer, run);
        append_history(writer, run);
    }
    append_tasks(writer, run);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record_writer_destroy(&writer);
}
