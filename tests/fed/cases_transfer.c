/* A store that fails is told with what was moved, whose, how many bytes, where, and how often it
 * was tried. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/fed/transfer.h"
#include "tests/mpi_case.h"

enum { VALUES = 1000, PATH_BYTES = 300, RETRIES = 2 };

static char folder[] = "/tmp/echelon-transfer-XXXXXX";
static ech_machine *machine;
static ech_layout *layout;
static ech_transfer *transfer;
static float values[VALUES];

static void begin(void)
{
    const uint64_t shape[] = {VALUES};
    mpi_expect(mkdtemp(folder) != NULL, "no folder");
    const ech_transfer_options options = {
        .kind = ECH_TRANSFER_FILE, .retries = RETRIES, .folder = folder};
    mpi_expect_ok(ech_layout_create(&layout));
    mpi_expect_ok(ech_layout_add(layout, "w", ECH_TENSOR_PARAMETER, 1, shape));
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(ech_transfer_create(machine, &options, &transfer));
    for (int i = 0; i < VALUES; i++) {
        values[i] = (float)i;
    }
}

static void end(void)
{
    ech_transfer_destroy(&transfer);
    ech_machine_destroy(&machine);
    ech_layout_destroy(&layout);
    mpi_expect(rmdir(folder) == 0, "%s is not empty", folder);
}

static ech_parcel update_of(uint64_t worker)
{
    return (ech_parcel){ECH_PARCEL_UPDATE, worker};
}

static void put(uint64_t worker)
{
    uint64_t bytes = 0;
    mpi_expect_ok(ech_transfer_put(transfer, update_of(worker), layout,
                                   (ech_state_view){values, NULL}, &bytes));
    mpi_expect(bytes == sizeof values, "%llu bytes", (unsigned long long)bytes);
}

static void expect_values(const float *got)
{
    int same = 0;
    while (same < VALUES && got[same] == values[same]) {
        same++;
    }
    mpi_expect(same == VALUES, "value %d is another than was put", same);
}

static void expect_failure(ech_status got, ech_status expected, const char *what)
{
    mpi_expect(got == expected, "status %d", (int)got);
    mpi_expect(strstr(ech_status_message(), what) != NULL, "no '%s' in: %s", what,
               ech_status_message());
}

/* The one file in the folder. */
static void find_parcel(char path[PATH_BYTES])
{
    DIR *directory = opendir(folder);
    const struct dirent *entry = NULL;
    path[0] = '\0';
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(path, PATH_BYTES, "%s/%.250s", folder, entry->d_name);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    mpi_expect(path[0] != '\0', "nothing was put");
}

static void a_parcel_that_is_missing_or_cut_is_told(void)
{
    float got[VALUES] = {0};
    uint64_t bytes = 0;
    char path[PATH_BYTES];
    const ech_state into = {.values = got};
    begin();
    put(17);
    mpi_expect_ok(ech_transfer_get(transfer, update_of(17), layout, into, &bytes));
    expect_values(got);
    expect_failure(ech_transfer_get(transfer, update_of(18), layout, into, &bytes),
                   ECH_ERR_NOT_FOUND,
                   "transfer file, rank 0: cannot get the update of worker 18, 4000 bytes, in 3 "
                   "attempts: /tmp/echelon-transfer-");
    find_parcel(path);
    mpi_expect(truncate(path, sizeof values - 4) == 0, "%s cannot be cut", path);
    expect_failure(ech_transfer_get(transfer, update_of(17), layout, into, &bytes), ECH_ERR_FORMAT,
                   "cannot get the update of worker 17, 4000 bytes, in 3 attempts: ");
    expect_failure(ECH_ERR_FORMAT, ECH_ERR_FORMAT, "holds 3996 bytes, 4000 expected");
    mpi_expect(bytes == sizeof values, "%llu bytes counted", (unsigned long long)bytes);
    mpi_expect_ok(ech_transfer_drop(transfer, update_of(17), layout));
    end();
}

static void a_folder_that_goes_away_is_told_and_may_come_back(void)
{
    char away[sizeof folder + 8];
    float got[VALUES] = {0};
    uint64_t bytes = 0;
    begin();
    put(3);
    snprintf(away, sizeof away, "%s.away", folder);
    mpi_expect(rename(folder, away) == 0, "%s cannot be moved", folder);
    expect_failure(
        ech_transfer_put(transfer, update_of(4), layout, (ech_state_view){values, NULL}, &bytes),
        ECH_ERR_FILE, "cannot put the update of worker 4, 4000 bytes, in 3 attempts: ");
    mpi_expect(rename(away, folder) == 0, "%s cannot be moved", away);
    mpi_expect_ok(
        ech_transfer_get(transfer, update_of(3), layout, (ech_state){.values = got}, &bytes));
    expect_values(got);
    mpi_expect_ok(ech_transfer_drop(transfer, update_of(3), layout));
    end();
}

static const mpi_case transfer_cases[] = {
    {"transfer_a_parcel_that_is_missing_or_cut_is_told", 1, .seconds = 30,
     .run = a_parcel_that_is_missing_or_cut_is_told},
    {"transfer_a_folder_that_goes_away_is_told_and_may_come_back", 1, .seconds = 30,
     .run = a_folder_that_goes_away_is_told_and_may_come_back},
};
MPI_CASES(fed, transfer_cases)
