#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "io/dataset.h"
#include "runtime/base/clock.h"
#include "tests/io/fixture.h"

enum { VALUES = 24 + 4 + 4, BLOB_BYTES = 5 };

static const char config[] = "name: test\nrounds: 3\n";
static const char blob_data[BLOB_BYTES] = {1, 2, 3, 4, 5};
static ech_layout *layout;
static float values[VALUES];
static int64_t counters[1];
static ech_checkpoint_writer *writer;

static void start(void)
{
    fixture_start();
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    const uint64_t weight[] = {4, 3, 2, 1};
    const uint64_t bias[] = {4};
    cr_assert_eq(ech_layout_add(layout, "conv1.weight", ECH_TENSOR_PARAMETER, 4, weight), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "conv1.bias", ECH_TENSOR_PARAMETER, 1, bias), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "bn1.running_mean", ECH_TENSOR_STATISTIC, 1, bias), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "bn1.num_batches_tracked", ECH_TENSOR_COUNTER, 0, NULL),
                 ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 2, &writer),
                 ECH_OK, "%s", ech_status_message());
}

static void stop(void)
{
    ech_checkpoint_writer_destroy(&writer);
    ech_layout_destroy(&layout);
    fixture_stop();
}

TestSuite(checkpoint, .init = start, .fini = stop);

static void fill(uint64_t round)
{
    for (int i = 0; i < VALUES; i++) {
        values[i] = (float)i * 0.25F - (float)round;
    }
    counters[0] = (int64_t)round * 100;
}

static ech_status begin(uint64_t round)
{
    const ech_blob blobs[] = {{"strategy/momentum", blob_data, BLOB_BYTES}, {"random", NULL, 0}};
    fill(round);
    const ech_checkpoint_content content = {.round = round,
                                            .config = config,
                                            .model = {values, counters},
                                            .blobs = blobs,
                                            .blob_count = 2};
    return ech_checkpoint_writer_begin(writer, &content);
}

static void write_round(uint64_t round)
{
    cr_assert_eq(begin(round), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(ech_checkpoint_writer_finish(writer), ECH_OK, "%s", ech_status_message());
}

static ech_checkpoint *open_newest(uint64_t expected_round)
{
    ech_checkpoint *checkpoint = NULL;
    cr_assert_eq(ech_checkpoint_open_newest(fixture_io, fixture_folder, &checkpoint), ECH_OK, "%s",
                 ech_status_message());
    cr_expect_eq(ech_checkpoint_describe(checkpoint)->round, expected_round);
    return checkpoint;
}

static void expect_model(ech_checkpoint *checkpoint, uint64_t round)
{
    float read_values[VALUES];
    int64_t read_counters[1];
    fill(round);
    cr_assert_eq(
        ech_checkpoint_read_model(checkpoint, layout, (ech_state){read_values, read_counters}),
        ECH_OK, "%s", ech_status_message());
    cr_expect_arr_eq(read_values, values, sizeof values);
    cr_expect_eq(read_counters[0], counters[0]);
    cr_expect(ech_hash_equal(ech_checkpoint_describe(checkpoint)->model_hash,
                             ech_layout_hash_values(layout, values)));
}

Test(checkpoint, what_was_written_is_read)
{
    write_round(7);
    cr_expect_str_eq(ech_checkpoint_writer_path(writer), fixture_path("checkpoint-000007.h5"));
    ech_checkpoint *checkpoint = open_newest(7);
    const ech_checkpoint_info *info = ech_checkpoint_describe(checkpoint);
    cr_expect_str_eq(info->config, config);
    cr_expect_str_eq(info->path, fixture_path("checkpoint-000007.h5"));
    cr_expect_eq(info->blob_count, 2);
    cr_assert_eq(info->layout->tensor_count, 4);
    cr_expect_str_eq(info->layout->tensors[2].name, "bn1.running_mean");
    cr_expect_eq(info->layout->tensors[2].kind, ECH_TENSOR_STATISTIC);
    expect_model(checkpoint, 7);
    char read[BLOB_BYTES];
    cr_expect_eq(ech_checkpoint_read_blob(checkpoint, "strategy/momentum", read, BLOB_BYTES),
                 ECH_OK, "%s", ech_status_message());
    cr_expect_arr_eq(read, blob_data, BLOB_BYTES);
    cr_expect_eq(ech_checkpoint_read_blob(checkpoint, "random", read, 0), ECH_OK);
    cr_expect_eq(ech_checkpoint_read_blob(checkpoint, "random", read, 1), ECH_ERR_FORMAT);
    cr_expect_eq(ech_checkpoint_read_blob(checkpoint, "momentum", read, 1), ECH_ERR_NOT_FOUND);
    ech_checkpoint_close(&checkpoint);
    struct stat file;
    cr_assert_eq(stat(fixture_path("checkpoint-000007.h5"), &file), 0);
    cr_expect_eq(file.st_mode & 0777, 0600);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "a temporary file stays");
}

Test(checkpoint, the_snapshot_is_of_the_moment_of_begin)
{
    cr_assert_eq(begin(3), ECH_OK);
    memset(values, 0, sizeof values);
    counters[0] = -1;
    cr_assert_eq(ech_checkpoint_writer_finish(writer), ECH_OK);
    ech_checkpoint *checkpoint = open_newest(3);
    expect_model(checkpoint, 3);
    ech_checkpoint_close(&checkpoint);
}

static ech_status nap(void *argument)
{
    (void)argument;
    ech_clock_sleep_ns(100000000);
    return ECH_OK;
}

Test(checkpoint, one_is_written_at_a_time)
{
    ech_io_job *job = NULL;
    cr_assert_eq(ech_io_submit(fixture_io, nap, NULL, &job), ECH_OK);
    cr_assert_eq(begin(1), ECH_OK);
    cr_expect(ech_checkpoint_writer_busy(writer));
    cr_expect_eq(begin(2), ECH_ERR_ARGUMENT);
    cr_assert_eq(ech_checkpoint_writer_finish(writer), ECH_OK);
    cr_expect_not(ech_checkpoint_writer_busy(writer));
    cr_assert_eq(ech_io_wait(&job), ECH_OK);
    write_round(2);
}

Test(checkpoint, the_last_ones_stay)
{
    fixture_store(fixture_path("checkpoint-1.h5"), "mine", 4);
    fixture_store(fixture_path("checkpoint-000001.h5.bak"), "mine", 4);
    for (uint64_t round = 1; round <= 5; round++) {
        write_round(round);
    }
    cr_expect_eq(access(fixture_path("checkpoint-000004.h5"), F_OK), 0);
    cr_expect_eq(access(fixture_path("checkpoint-000005.h5"), F_OK), 0);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 4);
}

Test(checkpoint, those_of_later_rounds_go_because_they_are_another_runs)
{
    write_round(8);
    write_round(9);
    write_round(4);
    ech_checkpoint *checkpoint = open_newest(4);
    ech_checkpoint_close(&checkpoint);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1);
}

Test(checkpoint, an_empty_folder_has_none)
{
    ech_checkpoint *checkpoint = NULL;
    cr_expect_eq(ech_checkpoint_open_newest(fixture_io, fixture_folder, &checkpoint),
                 ECH_ERR_NOT_FOUND);
    cr_expect_null(checkpoint);
    cr_expect_eq(ech_checkpoint_open_newest(fixture_io, "/nowhere", &checkpoint), ECH_ERR_FILE);
}

Test(checkpoint, flipped_bits_and_cuts_are_found)
{
    write_round(1);
    const char *path = ech_checkpoint_writer_path(writer);
    struct stat file;
    cr_assert_eq(stat(path, &file), 0);
    ech_checkpoint *checkpoint = NULL;
    for (size_t i = 0; i < (size_t)file.st_size; i += 5) {
        fixture_flip(path, i, i % 8);
        cr_assert_eq(ech_checkpoint_open(fixture_io, path, &checkpoint), ECH_ERR_FORMAT, "byte %zu",
                     i);
        fixture_flip(path, i, i % 8);
    }
    cr_assert_eq(ech_checkpoint_open(fixture_io, path, &checkpoint), ECH_OK);
    ech_checkpoint_close(&checkpoint);
    for (off_t length = file.st_size - 1; length >= 0; length -= 97) {
        cr_assert_eq(truncate(path, length), 0);
        cr_assert_eq(ech_checkpoint_open(fixture_io, path, &checkpoint), ECH_ERR_FORMAT);
    }
}

Test(checkpoint, a_file_of_another_kind_is_refused)
{
    write_round(1);
    ech_dataset *dataset = NULL;
    cr_expect_eq(ech_dataset_open(fixture_io, ech_checkpoint_writer_path(writer), &dataset),
                 ECH_ERR_FORMAT);
    fixture_expect_message("is a checkpoint, a data set was expected");
}

Test(checkpoint, damaged_ones_are_skipped_for_an_older_one)
{
    write_round(1);
    write_round(2);
    fixture_flip(ech_checkpoint_writer_path(writer), 3000, 3);
    fixture_store(fixture_path("checkpoint-000003.h5"), "", 0);
    ech_checkpoint *checkpoint = open_newest(1);
    expect_model(checkpoint, 1);
    ech_checkpoint_close(&checkpoint);
}

Test(checkpoint, another_model_is_refused_by_name)
{
    write_round(1);
    ech_checkpoint *checkpoint = open_newest(1);
    ech_layout *other = NULL;
    cr_assert_eq(ech_layout_create(&other), ECH_OK);
    const uint64_t transposed[] = {4, 2, 3, 1};
    cr_assert_eq(ech_layout_add(other, "conv1.weight", ECH_TENSOR_PARAMETER, 4, transposed),
                 ECH_OK);
    const ech_state state = {values, counters};
    cr_expect_eq(ech_checkpoint_read_model(checkpoint, other, state), ECH_ERR_FORMAT);
    fixture_expect_message("a model of 4 tensors, 1 were expected");
    for (size_t i = 1; i < layout->tensor_count; i++) {
        const ech_tensor *tensor = &layout->tensors[i];
        cr_assert_eq(ech_layout_add(other, tensor->name, tensor->kind, tensor->dimension_count,
                                    tensor->shape),
                     ECH_OK);
    }
    cr_expect_eq(ech_checkpoint_read_model(checkpoint, other, state), ECH_ERR_FORMAT);
    fixture_expect_message("tensor 0 is conv1.weight");
    ech_layout_destroy(&other);
    ech_checkpoint_close(&checkpoint);
}

static ech_status refuse(void *argument)
{
    return ech_fail(ECH_ERR_FILE, "%s is not safe", (const char *)argument);
}

Test(checkpoint, one_that_relies_on_what_is_not_safe_gets_no_name)
{
    const ech_checkpoint_content content = {.round = 7,
                                            .config = config,
                                            .model = {values, counters},
                                            .precondition = refuse,
                                            .precondition_argument = "the record"};
    cr_assert_eq(ech_checkpoint_writer_begin(writer, &content), ECH_OK);
    cr_expect_eq(ech_checkpoint_writer_finish(writer), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(), "the record is not safe");
    cr_expect_eq(ech_test_count_entries(fixture_folder), 0);
}

Test(checkpoint, bad_blob_names_are_refused)
{
    const char *const names[] = {"", "/a", "a/", "a//b", "a b", "../a\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const ech_blob blob = {names[i], blob_data, 1};
        const ech_checkpoint_content content = {.round = 1,
                                                .config = config,
                                                .model = {values, counters},
                                                .blobs = &blob,
                                                .blob_count = 1};
        cr_expect_eq(ech_checkpoint_writer_begin(writer, &content), ECH_ERR_ARGUMENT, "%s",
                     names[i]);
    }
    const ech_blob twice[] = {{"a", blob_data, 1}, {"a", blob_data, 1}};
    const ech_checkpoint_content content = {
        .round = 1, .config = config, .model = {values, counters}, .blobs = twice, .blob_count = 2};
    cr_expect_eq(ech_checkpoint_writer_begin(writer, &content), ECH_ERR_ARGUMENT);
}

Test(checkpoint, a_full_disk_leaves_the_older_ones)
{
    write_round(1);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){2048, limit.rlim_max}), 0);
    cr_assert_eq(begin(2), ECH_OK);
    cr_expect_eq(ech_checkpoint_writer_finish(writer), ECH_ERR_FILE);
    fixture_expect_message("checkpoint-000002.h5: cannot");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "a temporary file stays");
    ech_checkpoint *checkpoint = open_newest(1);
    ech_checkpoint_close(&checkpoint);
    write_round(2);
}

Test(checkpoint, a_folder_that_cannot_be_written)
{
    ech_checkpoint_writer *other = NULL;
    cr_expect_eq(ech_checkpoint_writer_create(fixture_io, "/nowhere", layout, 1, &other),
                 ECH_ERR_FILE);
    cr_expect_null(other);
    fixture_expect_message("/nowhere: cannot write into the folder: No such file");
    fixture_store(fixture_path("file"), "", 0);
    cr_expect_eq(ech_checkpoint_writer_create(fixture_io, fixture_path("file"), layout, 1, &other),
                 ECH_ERR_FILE);
}

/* A process that writes checkpoints until it is killed. */
static void write_for_ever(void)
{
    for (uint64_t round = 2;; round++) {
        if (begin(round) != ECH_OK || ech_checkpoint_writer_finish(writer) != ECH_OK) {
            _exit(1);
        }
    }
}

Test(checkpoint, a_kill_at_any_moment_leaves_an_intact_one)
{
    write_round(1);
    ech_checkpoint_writer_destroy(&writer);
    ech_io_destroy(&fixture_io);
    for (int kill_number = 0; kill_number < 20; kill_number++) {
        const pid_t child = fork();
        if (child == 0) {
            cr_assert_eq(ech_io_create(NULL, &fixture_io), ECH_OK);
            cr_assert_eq(
                ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 2, &writer),
                ECH_OK);
            write_for_ever();
        }
        ech_clock_sleep_ns(20000000 + (uint64_t)kill_number * 3700000);
        cr_assert_eq(kill(child, SIGKILL), 0);
        int how = 0;
        cr_assert_eq(waitpid(child, &how, 0), child);
        cr_assert(WIFSIGNALED(how), "the writer failed");
        cr_assert_eq(ech_io_create(NULL, &fixture_io), ECH_OK);
        ech_checkpoint *checkpoint = NULL;
        cr_assert_eq(ech_checkpoint_open_newest(fixture_io, fixture_folder, &checkpoint), ECH_OK);
        expect_model(checkpoint, ech_checkpoint_describe(checkpoint)->round);
        ech_checkpoint_close(&checkpoint);
        ech_io_destroy(&fixture_io);
    }
    cr_assert_eq(ech_io_create(NULL, &fixture_io), ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 2, &writer),
                 ECH_OK);
    cr_expect_leq(ech_test_count_entries(fixture_folder), 3, "temporary files of the dead stay");
}
