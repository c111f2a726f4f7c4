#define _POSIX_C_SOURCE 200809L
/* `echelon plan`: what it says of a job, and that the job then needs it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/plan/calibration.h"
#include "tests/cli/program.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { PATH_BYTES = ECH_TEST_PATH_BYTES + 64 };

/* AddressSanitizer maps a byte beside each eight, and keeps what was freed for a while: measured,
 * but of no plan. */
#ifdef __SANITIZE_ADDRESS__
static const double memory_error = 0.1 + 1.0 / 8;
#else
static const double memory_error = 0.1;
#endif

static char folder[ECH_TEST_PATH_BYTES];
static char config[ECH_TEST_PATH_BYTES];
static char cache[PATH_BYTES];

static void start(void)
{
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "c.yaml",
                        "name: planned\n"
                        "model: {name: squeezenet}\n"
                        "topology: {kind: balanced, workers: 6, height: 2}\n"
                        "rounds: 2\n"
                        "train: {epochs: 0}\n"
                        "evaluate: {every: 0}\n",
                        config);
    snprintf(cache, sizeof cache, "XDG_CACHE_HOME=%s/cache", folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(cli_plan, .init = start, .fini = stop, .timeout = 400);

static ech_child_result plan(const char *const *more)
{
    const char *const environment[] = {cache, NULL};
    const char *arguments[16] = {"plan", config, "--hosts", "1"};
    size_t count = 4;
    while (*more != NULL) {
        arguments[count++] = *more++;
    }
    return program_run_environment(environment, arguments);
}

static ech_child_result plan_ok(const char *const *more)
{
    ech_child_result result = plan(more);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    return result;
}

#define PLAN_OK(...) plan_ok((const char *const[]){__VA_ARGS__, NULL})

/* Of the run that was planned: what `--json` says. */
static ech_child_result run(unsigned ranks)
{
    char out[PATH_BYTES];
    snprintf(out, sizeof out, "%s/out", folder);
    ech_child_result result = program_run_ranks(
        ranks, (const char *const[]){"fit", config, "--out", out, "--json", NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    return result;
}

Test(cli_plan, bytes_are_those_that_the_run_counts)
{
    ech_child_result planned = PLAN_OK("--ranks-per-host", "2", "--json");
    ech_child_result done = run(2);
    const char *tiers = strstr(planned.output, "\"tiers\":");
    const char *logical = strstr(done.output, "\"logical\":");
    cr_assert(tiers != NULL && logical != NULL);
    for (int tier = 1; tier <= 2; tier++) {
        tiers = strstr(tiers, "\"tier\":") + 1;
        logical = strstr(logical, "\"tier\":") + 1;
        cr_expect_eq(2 * program_number(tiers, "up_bytes"), program_number(logical, "up"),
                     "tier %d", tier);
        cr_expect_eq(2 * program_number(tiers, "down_bytes"), program_number(logical, "down"));
    }
    ech_child_result_free(&planned);
    ech_child_result_free(&done);
}

Test(cli_plan, without_a_calibration_all_but_the_time_is_said)
{
    ech_child_result result = PLAN_OK("--ranks-per-host", "2", "--json");
    cr_expect_not_null(strstr(result.output, "\"round\": null"), "%s", result.output);
    cr_expect_not_null(strstr(result.output, "\"calibrated\": false"));
    ech_child_result_free(&result);
    result = PLAN_OK("--ranks-per-host", "2", "--scheduler", "slurm");
    cr_expect_not_null(strstr(result.output, "not predicted"), "%s", result.output);
    cr_expect_not_null(strstr(result.output, "\n#SBATCH --ntasks=2\n"), "%s", result.output);
    cr_expect_not_null(strstr(result.output, "host 0"), "%s", result.output);
    ech_child_result_free(&result);
    char missing[PATH_BYTES];
    snprintf(missing, sizeof missing, "%s/none.json", folder);
    result = plan((const char *const[]){"--ranks-per-host", "2", "--calibration", missing, NULL});
    cr_expect_eq(result.exit_code, 2, "%d", result.exit_code);
    ech_child_result_free(&result);
}

Test(cli_plan, its_job_script_runs_the_job)
{
    char job[PATH_BYTES];
    char script[PATH_BYTES + 16];
    snprintf(job, sizeof job, "%s/job", folder);
    snprintf(script, sizeof script, "%s/job.sh", job);
    ech_child_result result = PLAN_OK("--ranks-per-host", "2", "--out", job);
    ech_child_result_free(&result);
    const char *const arguments[] = {"bash", script, NULL};
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = ech_test_limit_ns(60), .output_bytes_max = 1 << 16};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
    static const char *const files[] = {"plan.json", "run.json", "run.h5"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(script, sizeof script, "%s/%s", job, files[i]);
        cr_expect_eq(access(script, R_OK), 0, "%s", script);
    }
}

/* The path of the calibration, as the plan says it. */
static void copy_calibration_path(const char *json, char *path, size_t bytes)
{
    const char *found = strstr(json, "\"calibration\": \"");
    cr_assert_not_null(found);
    found += strlen("\"calibration\": \"");
    snprintf(path, bytes, "%.*s", (int)strcspn(found, "\""), found);
}

/* The rounds that a calibration has, as if they had been measured at every speed of the memory: it
 * may be another one by now. */
static void fill_speeds(const char *path)
{
    static ech_calibration calibration;
    cr_assert_eq(ech_calibration_load(path, &calibration), ECH_OK, "%s", ech_status_message());
    ech_calibration_rounds rounds = calibration.rounds[0];
    for (double speed = 1e8; speed < 1e14; speed *= 1.3) {
        rounds.bytes_per_second = speed;
        cr_assert_eq(ech_calibration_keep_rounds(&calibration, &rounds), ECH_OK);
    }
    cr_assert_eq(ech_calibration_save(&calibration, path), ECH_OK, "%s", ech_status_message());
}

Test(cli_plan, a_calibration_is_made_once_and_foretells_the_memory)
{
    char path[PATH_BYTES];
    struct stat first;
    struct stat second;
    program_limit(240);
    ech_child_result result = PLAN_OK("--ranks-per-host", "1", "--calibrate", "--json");
    cr_expect_gt(program_number(result.output, "round"), 0.0);
    copy_calibration_path(result.output, path, sizeof path);
    ech_child_result_free(&result);
    fill_speeds(path);
    cr_assert_eq(stat(path, &first), 0, "%s", path);
    result = PLAN_OK("--ranks-per-host", "1", "--calibrate", "--json");
    cr_assert_eq(stat(path, &second), 0);
    cr_expect_eq(first.st_ino, second.st_ino, "nothing was left to measure");
    ech_child_result done = run(1);
    const double planned = program_number(result.output, "rank_bytes");
    const double measured = program_number(done.output, "peak_rss_bytes");
    cr_expect(fabs(planned - measured) < memory_error * measured, "%.0f planned, %.0f measured",
              planned, measured);
    cr_expect_gt(program_number(done.output, "host_pss_bytes"), 0.0);
    ech_child_result_free(&done);
    ech_child_result_free(&result);
}

/* In a shell, whose folder of temporary files is its own: a calibration that gets a signal once its
 * folder is there; what it exits with, and what is left. */
static const char killed[] =
    "mkdir -p \"$1\" && before=$(ls \"$1\") && export TMPDIR=$1; "
    "\"$2\" plan \"$3\" --hosts 1 --ranks-per-host 1 --calibrate >/dev/null 2>&1 & "
    "until [ \"$(ls \"$1\")\" != \"$before\" ] && ls \"$1\"/*/config.yaml >/dev/null 2>&1; "
    "do sleep 0.05; done; "
    "kill -s \"$4\" $!; code=0; wait $! 2>/dev/null || code=$?; echo \"$code $(ls \"$1\" | wc "
    "-l)\"";

static void expect_left(const char *signal, const char *expected)
{
    char temporary[PATH_BYTES];
    snprintf(temporary, sizeof temporary, "%s/tmp", folder);
    static const char program[] = ECH_BUILD_DIR "/bin/echelon";
    const char *const arguments[] = {"sh",    "-c",   killed, "sh", temporary,
                                     program, config, signal, NULL};
    const char *const environment[] = {cache, NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .environment = environment,
                                       .timeout_ns = ech_test_limit_ns(60),
                                       .output_bytes_max = 1 << 16};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_expect_str_eq(result.output, expected, "%s", result.errors);
    ech_child_result_free(&result);
}

Test(cli_plan, a_calibration_that_is_killed_leaves_nothing_to_the_next)
{
    expect_left("KILL", "137 1\n");
    expect_left("TERM", "75 0\n");
}

Test(cli_plan, nonsense_is_refused)
{
    static const char *const wrong[][5] = {
        {"--ranks-per-host"},
        {"--ranks-per-host", "0"},
        {"--ranks-per-host", "2", "--calibrate=twice"},
        {"--ranks-per-host", "2", "--scheduler", "lsf"},
        {"--ranks-per-host", "2", "--set", "rounds=none"},
        {NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ech_child_result result = plan(wrong[i]);
        cr_expect_eq(result.exit_code, 2, "line %zu: %d", i, result.exit_code);
        ech_child_result_free(&result);
    }
}
