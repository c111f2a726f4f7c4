/* What passes between a leader and its sites, looked at by a relay in the middle. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "tests/cli/program.h"
#include "tests/cli/site_jobs.h"
#include "tests/cli/site_relay.h"
#include "tests/limits.h"

TestSuite(site_wire, .init = site_jobs_start, .fini = site_jobs_stop);

enum { WINDOW_BYTES = 16, DISTINCT_LEAST = 10, LOOK_MS = 5 };

static site_process leader, sites[SITE_COUNT];
static char capture[FIT_PATH_BYTES];
static char endpoint[FIT_PATH_BYTES];
static pid_t relay;

static void start_relay(uint64_t bytes_per_second)
{
    const site_relay_options options = {.port = ech_test_free_port(),
                                        .leader_port = site_port(),
                                        .capture = capture,
                                        .bytes_per_second = bytes_per_second};
    snprintf(capture, sizeof capture, "%s/capture", fit_folder());
    snprintf(endpoint, sizeof endpoint, "site.endpoint=tcp://127.0.0.1:%d", options.port);
    relay = site_relay_start(&options);
}

static void run_through_relay(const char *const *options)
{
    const char *all[SITE_SETS_MAX + 1] = {"--set", endpoint};
    size_t count = 2;
    while (*options != NULL) {
        all[count++] = *options++;
    }
    for (int s = 0; s < SITE_COUNT; s++) {
        site_start(&sites[s], site_name(s), all);
    }
}

static void end_well(void)
{
    site_end_well(&leader);
    for (int s = 0; s < SITE_COUNT; s++) {
        site_end_well(&sites[s]);
    }
    site_relay_stop(relay);
}

/* ---- nothing is readable ---- */

typedef struct {
    char *bytes;
    size_t count;
} content;

static content read_all(const char *name)
{
    char path[FIT_PATH_BYTES];
    struct stat facts;
    snprintf(path, sizeof path, "%s/%s", fit_folder(), name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fstat(fileno(file), &facts), 0);
    content all = {.bytes = ech_alloc((size_t)facts.st_size), .count = (size_t)facts.st_size};
    cr_assert_eq(fread(all.bytes, 1, all.count, file), all.count);
    fclose(file);
    return all;
}

/* Zeros and the like prove nothing. */
static bool is_telling(const char *window)
{
    bool seen[256] = {false};
    int distinct = 0;
    for (int i = 0; i < WINDOW_BYTES; i++) {
        const unsigned char byte = (unsigned char)window[i];
        distinct += !seen[byte];
        seen[byte] = true;
    }
    return distinct >= DISTINCT_LEAST;
}

/* Windows of `secret` that are in `all`; `looked` of them were looked for. */
static int count_found(const content *secret, const content *all, size_t stride, int *looked)
{
    int found = 0;
    *looked = 0;
    for (size_t at = 0; at + WINDOW_BYTES <= secret->count; at += stride) {
        if (is_telling(secret->bytes + at)) {
            ++*looked;
            found += memmem(all->bytes, all->count, secret->bytes + at, WINDOW_BYTES) != NULL;
        }
    }
    return found;
}

static void expect_unreadable(const char *name, size_t stride, int least)
{
    content secret = read_all(name);
    content all = read_all("capture");
    int looked = 0;
    cr_expect_eq(count_found(&secret, &all, stride, &looked), 0, "%s is on the wire", name);
    cr_expect_geq(looked, least, "%s", name);
    cr_expect_eq(count_found(&secret, &secret, stride, &looked), looked, "the search works");
    ech_free(secret.bytes);
    ech_free(all.bytes);
}

Test(site_wire, neither_samples_nor_parameters_are_readable)
{
    static const char *const options[] = {"--set", "sites.compression=none", NULL};
    start_relay(0);
    run_through_relay(options);
    leader_start(&leader, options);
    end_well();
    content all = read_all("capture");
    cr_expect_gt(all.count, 6 * 2 * 3 * 170000, "models and sums passed by");
    ech_free(all.bytes);
    expect_unreadable("train-images", 1531, 50);
    expect_unreadable("out/checkpoint-000005.h5", 1021, 50);
    expect_unreadable("boulder.key", 3, 20);
}

/* ---- a transfer that is cut goes on where it was ---- */

enum { RATE = 4 << 20, CUT_AT_BYTES = 5 << 20 };

static uint64_t first_number(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    cr_assert_not_null(at, "no %s in %s", key, text);
    return strtoull(at + strlen(key), NULL, 10);
}

static uint64_t captured_bytes(void)
{
    struct stat facts;
    return stat(capture, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

static void cut_in_the_middle(void)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(60);
    while (captured_bytes() < CUT_AT_BYTES && ech_clock_ns() < until_ns) {
        ech_clock_sleep_ns(LOOK_MS * UINT64_C(1000000));
    }
    site_relay_cut(relay);
}

/* A model of 6.3 MiB, of which each site has some when the connections break. */
Test(site_wire, a_transfer_goes_on_after_a_cut)
{
    static const char *const options[] = {
        "--set", "sites.compression=none", "--set", "model.name=mcmahancnn",
        "--set", "train.epochs=0",         "--set", "rounds=1",
        NULL};
    start_relay(RATE);
    run_through_relay(options);
    leader_start(&leader, options);
    cut_in_the_middle();
    end_well();
    cr_expect(site_has_text(&leader, "has joined again"));
    char record[FIT_PATH_BYTES];
    snprintf(record, sizeof record, "%s/out/run.h5", fit_folder());
    ech_child_result shown = program_run((const char *[]){"inspect", record, "--json", NULL});
    const char *list = strstr(shown.output, "\"sites\": [");
    cr_assert_not_null(list);
    const uint64_t down = first_number(list, "\"raw_down_bytes\": ");
    const uint64_t model = 4 * UINT64_C(1663370);
    cr_expect_gt(down, model, "what was under way at the cut was sent again");
    cr_expect_lt(down, model + model * 9 / 10, "what was there before was not: %llu",
                 (unsigned long long)down);
    ech_child_result_free(&shown);
    char hash[FIT_HASH_BYTES];
    char expected[FIT_HASH_BYTES];
    leader_hash(&leader, hash);
    one_job_hash(options + 2, expected);
    cr_expect_str_eq(hash, expected);
}
