#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/record.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "tests/io/fixture.h"

static const ech_record_fact machine[] = {{"ranks", "2"}, {"processor", "a small one"}};
static const char *const apps[] = {"train", "evaluate"};
static ech_record_options options;
static ech_record_writer *writer;

static void start(void)
{
    fixture_start();
    options = (ech_record_options){.path = fixture_path("run.h5"),
                                   .config = "seed: 1\n",
                                   .machine = machine,
                                   .machine_count = 2,
                                   .app_names = apps,
                                   .app_count = 2,
                                   .seconds_between = 0.001};
}

static void stop(void)
{
    ech_record_writer_destroy(&writer);
    fixture_stop();
}

TestSuite(record, .init = start, .fini = stop);

static void create(void)
{
    cr_assert_eq(ech_record_writer_create(fixture_io, &options, &writer), ECH_OK, "%s",
                 ech_status_message());
}

static ech_history_row history_row(uint32_t i)
{
    return (ech_history_row){.round = i / 10,
                             .node = i % 10 + 1,
                             .staleness = i % 3,
                             .samples = 1000 + i,
                             .loss = 1.0 / (i + 1),
                             .accuracy = i * 1e-6,
                             .start = i,
                             .end = i + 0.5};
}

static void append_history(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        const ech_history_row row = history_row(i);
        cr_assert_eq(ech_record_append(writer, ECH_RECORD_HISTORY, &row, 1), ECH_OK, "%s",
                     ech_status_message());
    }
}

static ech_record *open_record(void)
{
    ech_record *record = NULL;
    cr_assert_eq(ech_record_open(fixture_io, options.path, &record), ECH_OK, "%s",
                 ech_status_message());
    return record;
}

static void expect_history(ech_record *record, uint32_t count)
{
    cr_assert_eq(ech_record_describe(record)->rows[ECH_RECORD_HISTORY], count);
    for (uint32_t i = 0; i < count; i += 7) {
        const ech_history_row expected = history_row(i);
        ech_history_row row;
        cr_assert_eq(ech_record_read(record, ECH_RECORD_HISTORY, i, 1, &row), ECH_OK);
        cr_assert_arr_eq(&row, &expected, sizeof row, "row %u", i);
    }
}

Test(record, what_was_written_is_read)
{
    create();
    append_history(0, 25);
    const ech_round_row round = {.round = 2, .test_accuracy = 0.5, .wire_down_bytes = 12345};
    const ech_tier_row tiers[] = {{.round = 2, .tier = 1, .logical_up_bytes = 8},
                                  {2, 2, 1, 2, 3, 4}};
    const ech_task_row task = {.id = 9, .rank = -1, .queued_ns = 5, .bytes = 77};
    cr_assert_eq(ech_record_append(writer, ECH_RECORD_ROUNDS, &round, 1), ECH_OK);
    cr_assert_eq(ech_record_append(writer, ECH_RECORD_TIERS, tiers, 2), ECH_OK);
    cr_assert_eq(ech_record_append(writer, ECH_RECORD_TASKS, &task, 1), ECH_OK);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record_writer_destroy(&writer);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "working files stay");

    ech_record *record = open_record();
    const ech_record_info *info = ech_record_describe(record);
    cr_expect(info->finished);
    cr_expect_str_eq(info->config, "seed: 1\n");
    cr_assert_eq(info->machine_count, 2);
    cr_expect_str_eq(info->machine[0].name, "processor");
    cr_expect_str_eq(info->machine[0].value, "a small one");
    cr_assert_eq(info->app_count, 2);
    cr_expect_str_eq(info->app_names[1], "evaluate");
    expect_history(record, 25);
    ech_round_row read_round;
    cr_assert_eq(ech_record_read(record, ECH_RECORD_ROUNDS, 0, 1, &read_round), ECH_OK);
    cr_expect_arr_eq(&read_round, &round, sizeof round);
    ech_tier_row read_tiers[2];
    cr_assert_eq(ech_record_read(record, ECH_RECORD_TIERS, 0, 2, read_tiers), ECH_OK);
    cr_expect_arr_eq(read_tiers, tiers, sizeof tiers);
    ech_task_row read_task;
    cr_assert_eq(ech_record_read(record, ECH_RECORD_TASKS, 0, 1, &read_task), ECH_OK);
    cr_expect_arr_eq(&read_task, &task, sizeof task);
    cr_expect_eq(ech_record_read(record, ECH_RECORD_TASKS, 1, 1, &read_task), ECH_ERR_ARGUMENT);
    ech_record_close(&record);
}

typedef struct {
    uint32_t rows;  /* that came, in their order */
    uint32_t calls; /* with them */
    uint32_t calls_max;
} visit;

static ech_status visit_history(void *self, const void *rows, size_t count)
{
    visit *seen = self;
    const ech_history_row *row = rows;
    for (size_t i = 0; i < count; i++, seen->rows++) {
        const ech_history_row expected = history_row(seen->rows);
        cr_assert_arr_eq(&row[i], &expected, sizeof expected, "row %u", seen->rows);
    }
    return ++seen->calls < seen->calls_max ? ECH_OK : ECH_ERR_INTERRUPTED;
}

Test(record, a_long_table_is_visited_piece_by_piece_until_the_visitor_has_enough)
{
    enum { ROWS = 70000, ASKED = 66000 };
    create();
    append_history(0, ROWS);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    visit all = {.calls_max = UINT32_MAX};
    cr_expect_eq(ech_record_visit(record, ECH_RECORD_HISTORY, ASKED, visit_history, &all), ECH_OK);
    cr_expect_eq(all.rows, ASKED);
    cr_expect_gt(all.calls, 1, "all rows are in memory at once");
    visit part = {.calls_max = 1};
    cr_expect_eq(ech_record_visit(record, ECH_RECORD_HISTORY, ASKED, visit_history, &part),
                 ECH_ERR_INTERRUPTED);
    cr_expect_eq(part.calls, 1);
    visit none = {.calls_max = 1};
    cr_expect_eq(ech_record_visit(record, ECH_RECORD_SITES, 0, visit_history, &none), ECH_OK);
    cr_expect_eq(none.calls, 0);
    visit beyond = {.calls_max = UINT32_MAX};
    cr_expect_eq(ech_record_visit(record, ECH_RECORD_HISTORY, ROWS + 1, visit_history, &beyond),
                 ECH_ERR_ARGUMENT);
    ech_record_close(&record);
}

Test(record, a_fact_that_the_end_knows_is_added)
{
    create();
    cr_assert_eq(ech_record_add_fact(writer, "peak", "12345"), ECH_OK);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    const ech_record_info *info = ech_record_describe(record);
    cr_assert_eq(info->machine_count, 3);
    cr_expect_str_eq(info->machine[0].name, "peak");
    cr_expect_str_eq(info->machine[0].value, "12345");
    ech_record_close(&record);
}

Test(record, an_empty_one_can_be_read)
{
    options.machine_count = 0;
    options.app_count = 0;
    create();
    cr_assert_eq(ech_record_finish(writer, false), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    cr_expect_not(ech_record_describe(record)->finished);
    expect_history(record, 0);
    ech_record_close(&record);
}

static void tick_until_published(void)
{
    while (access(options.path, F_OK) != 0) {
        cr_assert_eq(ech_record_tick(writer), ECH_OK, "%s", ech_status_message());
        ech_clock_sleep_ns(1000000);
    }
}

Test(record, it_is_published_while_the_run_goes_on_without_its_tasks)
{
    create();
    append_history(0, 5);
    const ech_task_row task = {.id = 1};
    cr_assert_eq(ech_record_append(writer, ECH_RECORD_TASKS, &task, 1), ECH_OK);
    tick_until_published();
    ech_record *record = open_record();
    expect_history(record, 5);
    cr_expect_eq(ech_record_describe(record)->rows[ECH_RECORD_TASKS], 0);
    cr_expect_not(ech_record_describe(record)->finished);
    ech_record_close(&record);
}

/* What a user's plotting script does, again and again, while rows come. */
static void read_for_ever(void)
{
    uint64_t rows = 0;
    for (;;) {
        ech_record *record = NULL;
        const ech_status status = ech_record_open(fixture_io, options.path, &record);
        if (status != ECH_OK || ech_record_describe(record)->rows[ECH_RECORD_HISTORY] < rows) {
            _exit(1);
        }
        rows = ech_record_describe(record)->rows[ECH_RECORD_HISTORY];
        ech_record_close(&record);
    }
}

Test(record, a_reader_never_sees_a_torn_file)
{
    create();
    tick_until_published();
    ech_record_writer_destroy(&writer);
    ech_io_destroy(&fixture_io);
    const pid_t reader = fork();
    if (reader == 0) {
        cr_assert_eq(ech_io_create(NULL, &fixture_io), ECH_OK);
        read_for_ever();
    }
    cr_assert_eq(ech_io_create(NULL, &fixture_io), ECH_OK);
    create();
    for (uint32_t i = 0; i < 1000; i++) {
        append_history(i * 100, 100);
        cr_assert_eq(ech_record_tick(writer), ECH_OK, "%s", ech_status_message());
        ech_clock_sleep_ns(100000);
    }
    int how = 0;
    cr_expect_eq(waitpid(reader, &how, WNOHANG), 0, "the reader saw a bad file");
    kill(reader, SIGKILL);
    waitpid(reader, &how, 0);
}

Test(record, a_resumed_run_goes_on_behind_the_mark)
{
    create();
    append_history(0, 30000);
    ech_record_mark mark;
    cr_assert_eq(ech_record_take_mark(writer, &mark), ECH_OK, "%s", ech_status_message());
    append_history(50000, 10);
    ech_record_writer_destroy(&writer);

    options.resume = &mark;
    create();
    append_history(30000, 30000);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    expect_history(record, 60000);
    ech_record_close(&record);
}

Test(record, a_run_that_was_complete_can_go_on_too)
{
    create();
    append_history(0, 10000);
    const ech_task_row task = {.id = 3};
    cr_assert_eq(ech_record_append(writer, ECH_RECORD_TASKS, &task, 1), ECH_OK);
    ech_record_mark mark;
    cr_assert_eq(ech_record_take_mark(writer, &mark), ECH_OK);
    append_history(70000, 10);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK);
    ech_record_writer_destroy(&writer);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1);

    options.resume = &mark;
    create();
    append_history(10000, 20);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    expect_history(record, 10020);
    cr_expect_eq(ech_record_describe(record)->rows[ECH_RECORD_TASKS], 1);
    ech_record_close(&record);
}

Test(record, a_mark_that_the_rows_do_not_match_is_refused)
{
    create();
    append_history(0, 100);
    ech_record_mark mark;
    cr_assert_eq(ech_record_take_mark(writer, &mark), ECH_OK);
    ech_record_writer_destroy(&writer);
    options.resume = &mark;
    fixture_flip(fixture_path(".run.h5.history"), 500, 2);
    cr_expect_eq(ech_record_writer_create(fixture_io, &options, &writer), ECH_ERR_FORMAT);
    cr_expect_null(writer);
    fixture_expect_message(".run.h5.history: the first 100 rows are not those of the run");
    cr_assert_eq(truncate(fixture_path(".run.h5.history"), 100), 0);
    cr_expect_eq(ech_record_writer_create(fixture_io, &options, &writer), ECH_ERR_FORMAT);
    fixture_expect_message("ends at offset 100, rows were expected");
}

Test(record, two_runs_cannot_write_one)
{
    create();
    ech_record_writer *second = NULL;
    cr_expect_eq(ech_record_writer_create(fixture_io, &options, &second), ECH_ERR_FILE);
    fixture_expect_message("another process writes this run record");
    append_history(0, 3);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK);
}

Test(record, a_folder_that_is_not_there)
{
    options.path = "/nowhere/run.h5";
    cr_expect_eq(ech_record_writer_create(fixture_io, &options, &writer), ECH_ERR_FILE);
    fixture_expect_message("/nowhere/.run.h5.history: cannot open: No such file");
}

Test(record, a_full_disk_loses_no_rows_that_memory_holds)
{
    create();
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    append_history(0, 10);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){64, limit.rlim_max}), 0);
    cr_expect_eq(ech_record_finish(writer, true), ECH_ERR_FILE);
    cr_expect_eq(access(options.path, F_OK), -1);
    append_history(10, 10);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK, "%s", ech_status_message());
    ech_record *record = open_record();
    expect_history(record, 20);
    ech_record_close(&record);
}

Test(record, a_disk_that_stays_full_ends_in_an_error_not_in_growth)
{
    create();
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){64, limit.rlim_max}), 0);
    const size_t held = ech_memory_held_bytes();
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < 20000; i++) {
        const ech_history_row row = history_row(i);
        const ech_status appended = ech_record_append(writer, ECH_RECORD_HISTORY, &row, 1);
        status = appended != ECH_OK ? appended : status;
    }
    cr_expect_eq(status, ECH_ERR_FILE);
    cr_expect_leq(ech_memory_held_bytes(), held + 4096);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(record, memory_is_flat)
{
    options.seconds_between = 1000;
    create();
    append_history(0, 1000);
    const size_t held = ech_memory_held_bytes();
    append_history(1000, 500000);
    cr_expect_leq(ech_memory_held_bytes(), held + 4096);
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK);
}
