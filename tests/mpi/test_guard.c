#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/mpi/guard_priv.h"
#include "tests/support.h"

static char directory[ECH_TEST_PATH_BYTES];
static const struct timespec long_ago = {.tv_sec = 1};

static void make_directory(void)
{
    ech_test_make_directory(directory);
}

static void remove_directory(void)
{
    ech_test_remove_directory(directory);
}

TestSuite(mpi_guard_line);
TestSuite(mpi_leftovers, .init = make_directory, .fini = remove_directory);

static void expect_line(const ech_black_box *box, const char *cause, const char *expected)
{
    char line[ECH_GUARD_LINE_BYTES];
    const size_t length = ech_guard_line(box, cause, line);
    cr_expect_str_eq(line, expected);
    cr_expect_eq(length, strlen(expected));
}

Test(mpi_guard_line, says_all_that_is_known)
{
    const ech_black_box box = {.task_id = UINT64_MAX,
                               .app = "train",
                               .detail = "worker 17",
                               .phase = "round 3",
                               .host = "n1",
                               .rank = 12};
    expect_line(&box, "killed by signal 9 (Killed)",
                "echelon: error: rank 12 on host n1: killed by signal 9 (Killed), in task "
                "18446744073709551615 (train: worker 17), phase round 3\n");
}

Test(mpi_guard_line, leaves_out_what_is_not_known)
{
    const ech_black_box box = {.app = "old task's", .detail = "old", .rank = -1};
    expect_line(&box, "died", "echelon: error: rank unknown: died\n");
}

Test(mpi_guard_line, is_cut_not_overrun)
{
    char cause[2 * ECH_GUARD_LINE_BYTES];
    char line[ECH_GUARD_LINE_BYTES];
    const ech_black_box box = {.task_id = 1, .app = "a", .phase = "p"};
    memset(cause, 'x', sizeof cause);
    cause[sizeof cause - 1] = '\0';
    cr_expect_eq(ech_guard_line(&box, cause, line), ECH_GUARD_LINE_BYTES - 1);
    cr_expect_eq(line[ECH_GUARD_LINE_BYTES - 2], '\n');
    cr_expect_eq(line[ECH_GUARD_LINE_BYTES - 1], '\0');
}

Test(mpi_leftovers, only_files_of_the_name_are_removed)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "shar_a", "x", path);
    ech_test_write_text(directory, "shar_b", "x", path);
    ech_test_write_text(directory, "other", "x", path);
    cr_expect_eq(ech_leftovers_remove(directory, "shar_", long_ago, getppid()), 2);
    cr_expect_eq(ech_test_count_entries(directory), 1);
    cr_expect_eq(access(path, F_OK), 0);
}

Test(mpi_leftovers, older_files_stay)
{
    char path[ECH_TEST_PATH_BYTES];
    struct stat file;
    ech_test_write_text(directory, "shar_a", "x", path);
    cr_assert_eq(stat(path, &file), 0);
    const struct timespec later = {.tv_sec = file.st_mtim.tv_sec + 1};
    cr_expect_eq(ech_leftovers_remove(directory, "shar_", later, getppid()), 0);
    cr_expect_eq(access(path, F_OK), 0);
}

Test(mpi_leftovers, what_another_job_has_open_or_mapped_stays)
{
    enum { NOT_A_LAUNCHER = 0x7fffffff, BYTES = 4096 };
    char opened_path[ECH_TEST_PATH_BYTES];
    char mapped_path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "shar_opened", "x", opened_path);
    ech_test_write_text(directory, "shar_mapped", "x", mapped_path);
    const int opened = open(opened_path, O_RDONLY | O_CLOEXEC);
    const int mapped = open(mapped_path, O_RDONLY | O_CLOEXEC);
    cr_assert(opened >= 0 && mapped >= 0);
    void *memory = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, mapped, 0);
    cr_assert_neq(memory, MAP_FAILED);
    close(mapped);
    cr_expect_eq(ech_leftovers_remove(directory, "shar_", long_ago, NOT_A_LAUNCHER), 0);
    close(opened);
    munmap(memory, BYTES);
    cr_expect_eq(ech_leftovers_remove(directory, "shar_", long_ago, NOT_A_LAUNCHER), 2);
}

Test(mpi_leftovers, what_only_this_job_has_open_is_removed)
{
    char path[ECH_TEST_PATH_BYTES];
    char line[256];
    int launcher = 0;
    ech_test_write_text(directory, "shar_a", "x", path);
    const int opened = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(opened, 0);
    snprintf(line, sizeof line, "/proc/%d/stat", (int)getppid());
    FILE *file = fopen(line, "re");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%*d (%*[^)]) %*c %d", &launcher), 1);
    fclose(file);
    cr_expect_eq(ech_leftovers_remove(directory, "shar_", long_ago, launcher), 1);
    close(opened);
}
