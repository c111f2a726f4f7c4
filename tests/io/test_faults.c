/* Each call to the operating system and each allocation fails once, in turn: every failure is an
 * error with a message, what was there before is intact, and the next attempt succeeds. The linker
 * puts these functions in place of the library's (see CMakeLists.txt). */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/memo_file.h"
#include "io/record.h"
#include "tests/io/fixture.h"
#include "tests/io/shards_fixture.h"

enum { FAULTS_MAX = 2000, VALUES = 900, SAMPLES = 40 };

static atomic_int countdown; /* the call that brings it to 0 fails; below: none */
static atomic_int hits;

static bool fails(void)
{
    if (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1) {
        atomic_fetch_add(&hits, 1);
        errno = ENOSPC;
        return true;
    }
    return false;
}

ssize_t __real_pwrite(int descriptor, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    return fails() ? -1 : __real_pwrite(descriptor, data, bytes, offset);
}

ssize_t __real_pread(int descriptor, void *data, size_t bytes, off_t offset);
ssize_t __wrap_pread(int descriptor, void *data, size_t bytes, off_t offset);
ssize_t __wrap_pread(int descriptor, void *data, size_t bytes, off_t offset)
{
    return fails() ? -1 : __real_pread(descriptor, data, bytes, offset);
}

int __real_fsync(int descriptor);
int __wrap_fsync(int descriptor);
int __wrap_fsync(int descriptor)
{
    return fails() ? -1 : __real_fsync(descriptor);
}

int __real_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor)
{
    return fails() ? -1 : __real_fdatasync(descriptor);
}

int __real_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes)
{
    return fails() ? -1 : __real_ftruncate(descriptor, bytes);
}

int __real_fallocate(int descriptor, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int descriptor, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int descriptor, int mode, off_t offset, off_t bytes)
{
    return fails() ? -1 : __real_fallocate(descriptor, mode, offset, bytes);
}

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return fails() ? -1 : __real_renameat(from_folder, from, to_folder, to);
}

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

TestSuite(faults, .init = fixture_start, .fini = fixture_stop, .timeout = 300);

/* `attempt` once for each fault, until there are no more calls to fail; `check` after each. */
static void sweep(ech_status (*attempt)(void), void (*check)(void))
{
    int fault = 1;
    for (; fault < FAULTS_MAX; fault++) {
        const int before = atomic_load(&hits);
        ech_status_clear();
        atomic_store(&countdown, fault);
        const ech_status status = attempt();
        const bool hit = atomic_load(&hits) > before;
        atomic_store(&countdown, 0);
        cr_assert(hit || status == ECH_OK, "no fault, and yet: %s", ech_status_message());
        cr_assert(status == ECH_OK || strlen(ech_status_message()) > 0, "fault %d: no message",
                  fault);
        check();
        if (!hit) {
            break;
        }
    }
    cr_assert_lt(fault, FAULTS_MAX);
    cr_assert_gt(fault, 5, "only %d calls were seen: are they in place?", fault);
}

static ech_layout *layout;
static ech_checkpoint_writer *writer;
static float values[VALUES];
static uint64_t last_round;

static ech_status save_round(void)
{
    last_round++;
    const ech_blob blob = {"strategy/momentum", values, sizeof values};
    const ech_checkpoint_content content = {.round = last_round,
                                            .config = "name: test\n",
                                            .model = {values, NULL},
                                            .blobs = &blob,
                                            .blob_count = 1};
    const ech_status status = ech_checkpoint_writer_begin(writer, &content);
    return status == ECH_OK ? ech_checkpoint_writer_finish(writer) : status;
}

static void expect_no_hidden_file(void)
{
    DIR *folder = opendir(fixture_folder);
    cr_assert_not_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        cr_assert(entry->d_name[0] != '.' || strspn(entry->d_name, ".") == strlen(entry->d_name),
                  "%s stays", entry->d_name);
    }
    closedir(folder);
}

static void expect_checkpoint(void)
{
    ech_checkpoint *checkpoint = NULL;
    float read[VALUES];
    cr_assert_eq(ech_checkpoint_open_newest(fixture_io, fixture_folder, &checkpoint), ECH_OK, "%s",
                 ech_status_message());
    cr_assert_eq(ech_checkpoint_read_model(checkpoint, layout, (ech_state){read, NULL}), ECH_OK);
    cr_assert_arr_eq(read, values, sizeof values);
    ech_checkpoint_close(&checkpoint);
    expect_no_hidden_file();
}

Test(faults, while_checkpoints_are_written)
{
    const uint64_t shape[] = {30, 30};
    values[7] = 0.5F;
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "fc.weight", ECH_TENSOR_PARAMETER, 2, shape), ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 2, &writer),
                 ECH_OK);
    cr_assert_eq(save_round(), ECH_OK);
    sweep(save_round, expect_checkpoint);
    ech_checkpoint_writer_destroy(&writer);
    ech_layout_destroy(&layout);
}

static uint8_t pixels[SAMPLES];
static uint8_t labels[SAMPLES];

static ech_status write_data(void)
{
    const ech_dataset_content content = {
        .parts = {{SAMPLES, pixels, labels}}, .channels = 1, .height = 1, .width = 1, .classes = 1};
    return ech_dataset_write(fixture_io, fixture_path("data.h5"), &content);
}

static void expect_data(void)
{
    ech_dataset *dataset = NULL;
    cr_assert_eq(ech_dataset_open(fixture_io, fixture_path("data.h5"), &dataset), ECH_OK, "%s",
                 ech_status_message());
    ech_dataset_close(&dataset);
    cr_assert_eq(ech_test_count_entries(fixture_folder), 1, "a temporary file stays");
}

Test(faults, while_data_sets_are_written)
{
    cr_assert_eq(write_data(), ECH_OK);
    sweep(write_data, expect_data);
}

static ech_status read_data(void)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(fixture_io, fixture_path("data.h5"), &dataset);
    uint8_t read[SAMPLES];
    if (status == ECH_OK) {
        status = ech_dataset_read_images(dataset, ECH_DATA_TRAIN, 0, SAMPLES, read);
    }
    ech_dataset_close(&dataset);
    return status;
}

Test(faults, while_data_sets_are_read)
{
    memset(pixels, 9, sizeof pixels);
    cr_assert_eq(write_data(), ECH_OK);
    sweep(read_data, expect_data);
}

static ech_status write_shards(void)
{
    return shards_fixture_write("set", 3);
}

/* Whole, or gone: what is whole makes room for the next attempt. */
static void expect_shards(void)
{
    const size_t files = ech_test_count_entries(fixture_path("set"));
    cr_assert(files == 0 || files == 5, "%zu files stay", files);
    if (files > 0) {
        cr_assert_eq(shards_fixture_read("set"), ECH_OK, "%s", ech_status_message());
        ech_test_remove_directory(fixture_path("set"));
    }
}

Test(faults, while_shards_are_written)
{
    shards_fixture_data(false);
    cr_assert_eq(write_shards(), ECH_OK);
    expect_shards();
    cr_assert_eq(mkdir(fixture_path("set"), S_IRWXU), 0);
    sweep(write_shards, expect_shards);
}

static ech_status read_shards(void)
{
    return shards_fixture_read("set");
}

static void expect_nothing(void)
{
}

Test(faults, while_shards_are_read)
{
    shards_fixture_data(false);
    cr_assert_eq(write_shards(), ECH_OK);
    sweep(read_shards, expect_nothing);
}

static ech_status write_record(void)
{
    const ech_record_fact fact = {"ranks", "2"};
    const char *const apps[] = {"train"};
    const ech_record_options options = {.path = fixture_path("run.h5"),
                                        .config = "seed: 1\n",
                                        .machine = &fact,
                                        .machine_count = 1,
                                        .app_names = apps,
                                        .app_count = 1};
    ech_record_writer *record = NULL;
    ech_record_mark mark;
    const ech_history_row row = {.round = 1};
    ech_status status = ech_record_writer_create(fixture_io, &options, &record);
    if (status == ECH_OK) {
        status = ech_record_append(record, ECH_RECORD_HISTORY, &row, 1);
    }
    if (status == ECH_OK) {
        status = ech_record_take_mark(record, &mark);
    }
    if (status == ECH_OK) {
        status = ech_record_finish(record, true);
    }
    ech_record_writer_destroy(&record);
    return status;
}

static void expect_record(void)
{
    ech_record *record = NULL;
    cr_assert_eq(ech_record_open(fixture_io, fixture_path("run.h5"), &record), ECH_OK, "%s",
                 ech_status_message());
    cr_assert_eq(ech_record_describe(record)->rows[ECH_RECORD_HISTORY], 1);
    ech_record_close(&record);
}

Test(faults, while_run_records_are_written)
{
    cr_assert_eq(write_record(), ECH_OK);
    sweep(write_record, expect_record);
    cr_assert_eq(write_record(), ECH_OK);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "working files stay");
}

/* Each attempt keeps one more result: those whose put succeeded are there afterwards. */
static uint64_t memo_tried;
static uint64_t memo_kept;

static ech_hash128 memo_key(uint64_t number)
{
    return ech_hash_bytes(&number, sizeof number);
}

static ech_status keep_one(void)
{
    ech_memo_file *memo = NULL;
    ech_status status = ech_memo_file_open(fixture_io, fixture_path("memo.h5"), &memo);
    if (status == ECH_OK) {
        status = ech_memo_file_put(memo, memo_key(++memo_tried), values, sizeof values);
        memo_kept += status == ECH_OK ? 1 : 0;
    }
    if (status == ECH_OK) {
        status = ech_memo_file_flush(memo);
    }
    ech_memo_file_close(&memo);
    return status;
}

static ech_status count_value(void *visitor, ech_hash128 key, const void *value, size_t value_bytes)
{
    (void)key;
    ++*(uint64_t *)visitor;
    return ech_hash_equal(ech_hash_bytes(value, value_bytes), ech_hash_bytes(values, sizeof values))
               ? ECH_OK
               : ech_fail(ECH_ERR_NUMERIC, "another value than was put");
}

static void expect_memo(void)
{
    ech_memo_file *memo = NULL;
    uint64_t found = 0;
    cr_assert_eq(ech_memo_file_open(fixture_io, fixture_path("memo.h5"), &memo), ECH_OK, "%s",
                 ech_status_message());
    cr_assert_eq(ech_memo_file_load(memo, count_value, &found), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(found, memo_kept);
    cr_assert_eq(ech_memo_file_flush(memo), ECH_OK, "%s", ech_status_message());
    ech_memo_file_close(&memo);
    cr_assert_eq(ech_test_count_entries(fixture_folder), 2, "a temporary file stays");
}

Test(faults, while_results_of_tasks_are_kept)
{
    memset(values, 5, sizeof values);
    cr_assert_eq(keep_one(), ECH_OK);
    sweep(keep_one, expect_memo);
}
