#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/mpi/segment.h"
#include "tests/support.h"

enum { PAGE = 4096, BYTES = 64 * PAGE };

static const uint64_t more_than_there_is = UINT64_C(1) << 42;

TestSuite(mpi_segment, .fini = ech_test_expect_no_leak);

static void *map_shared(uint64_t bytes)
{
    const int file = memfd_create("segment", MFD_CLOEXEC);
    cr_assert_geq(file, 0);
    cr_assert_eq(ftruncate(file, (off_t)bytes), 0);
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    cr_assert_neq(base, MAP_FAILED);
    close(file);
    return base;
}

static uint64_t resident(void *base, uint64_t bytes)
{
    uint64_t found = 0;
    cr_assert_eq(ech_segment_resident(base, bytes, &found), ECH_OK);
    return found;
}

Test(mpi_segment, is_sparse_until_populated)
{
    void *base = map_shared(BYTES);
    cr_expect_eq(resident(base, BYTES), 0);
    cr_assert_eq(ech_segment_populate(base, BYTES / 2 - 1, NULL), ECH_OK);
    cr_expect_eq(resident(base, BYTES), BYTES / 2);
}

Test(mpi_segment, populating_keeps_the_content)
{
    char *base = map_shared(BYTES);
    base[PAGE + 1] = 7;
    cr_assert_eq(ech_segment_populate(base, BYTES, NULL), ECH_OK);
    cr_expect_eq(base[PAGE + 1], 7);
}

Test(mpi_segment, more_than_there_is_gives_a_status_and_touches_nothing)
{
    void *base = map_shared(more_than_there_is);
    cr_expect_eq(ech_segment_populate(base, more_than_there_is, NULL), ECH_ERR_MEMORY);
    cr_expect_eq(resident(base, BYTES), 0);
}

Test(mpi_segment, a_full_file_system_is_named)
{
    void *base = map_shared(BYTES);
    cr_expect_eq(ech_segment_populate(base, BYTES, "/proc"), ECH_ERR_MEMORY);
    cr_expect_not_null(strstr(ech_status_message(), "/proc has 0.0 MiB"));
    cr_expect_eq(resident(base, BYTES), 0);
}
