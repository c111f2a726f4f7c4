#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { OUTPUT_BYTES = 4096 };

static uint64_t long_ns(void)
{
    return ech_test_limit_ns(30);
}

static ech_child_result result;

static void end_test(void)
{
    ech_child_result_free(&result);
    ech_test_expect_no_leak();
}

TestSuite(child, .fini = end_test);

static ech_status run(const char *script, uint64_t timeout_ns, size_t output_bytes_max)
{
    const char *const arguments[] = {"sh", "-c", script, NULL};
    return ech_child_run(&(ech_child_options){.arguments = arguments,
                                              .timeout_ns = timeout_ns,
                                              .output_bytes_max = output_bytes_max},
                         &result);
}

Test(child, both_streams_and_the_exit_code_come_back)
{
    cr_assert_eq(run("echo out; echo err >&2; exit 7", long_ns(), OUTPUT_BYTES), ECH_OK);
    cr_expect_eq(result.exit_code, 7);
    cr_expect_eq(result.signal, 0);
    cr_expect_not(result.timed_out);
    cr_expect_str_eq(result.output, "out\n");
    cr_expect_str_eq(result.errors, "err\n");
}

Test(child, a_signal_is_told_apart_from_an_exit)
{
    cr_assert_eq(run("kill -9 $$", long_ns(), OUTPUT_BYTES), ECH_OK);
    cr_expect_eq(result.exit_code, -1);
    cr_expect_eq(result.signal, SIGKILL);
}

Test(child, much_output_is_cut_and_does_not_block)
{
    cr_assert_eq(run("head -c 1000000 /dev/zero | tr '\\0' x", long_ns(), 100), ECH_OK);
    cr_expect_eq(result.exit_code, 0);
    cr_expect_eq(strlen(result.output), 100);
}

Test(child, standard_input_is_empty)
{
    cr_assert_eq(run("cat", long_ns(), OUTPUT_BYTES), ECH_OK);
    cr_expect_eq(result.exit_code, 0);
    cr_expect_str_eq(result.output, "");
}

Test(child, one_that_is_too_slow_is_ended_with_its_children)
{
    cr_assert_eq(run("sleep 1000 & echo started; wait", 1, OUTPUT_BYTES), ECH_OK);
    cr_expect(result.timed_out);
    cr_expect_eq(result.signal, SIGTERM);
}

Test(child, one_that_ignores_the_request_is_killed)
{
    const uint64_t limit_ns = UINT64_C(2000000000);
    cr_assert_eq(run("trap '' TERM; while :; do sleep 0.05; done", limit_ns, OUTPUT_BYTES), ECH_OK);
    cr_expect(result.timed_out);
    cr_expect_eq(result.signal, SIGKILL);
}

static bool stop_at_once(void)
{
    return true;
}

Test(child, one_that_is_to_stop_is_ended)
{
    const char *const arguments[] = {"sleep", "1000", NULL};
    cr_assert_eq(ech_child_run(&(ech_child_options){.arguments = arguments,
                                                    .timeout_ns = long_ns(),
                                                    .output_bytes_max = OUTPUT_BYTES,
                                                    .should_stop = stop_at_once},
                               &result),
                 ECH_OK);
    cr_expect(result.stopped);
    cr_expect_not(result.timed_out);
    cr_expect_eq(result.signal, SIGTERM);
}

Test(child, variables_are_added_and_win)
{
    const char *const arguments[] = {"sh", "-c", "echo $HOME-$ECH_X-$PATH", NULL};
    const char *const environment[] = {"ECH_X=1", "HOME=/nowhere", NULL};
    cr_assert_eq(ech_child_run(&(ech_child_options){.arguments = arguments,
                                                    .environment = environment,
                                                    .timeout_ns = long_ns(),
                                                    .output_bytes_max = OUTPUT_BYTES},
                               &result),
                 ECH_OK);
    cr_expect_eq(strncmp(result.output, "/nowhere-1-/", 12), 0, "%s", result.output);
}

Test(child, a_program_that_does_not_exist_is_an_error)
{
    const char *const arguments[] = {"/no/such/program", NULL};
    cr_expect_eq(
        ech_child_run(&(ech_child_options){.arguments = arguments, .timeout_ns = long_ns()},
                      &result),
        ECH_ERR_SYSTEM);
    cr_expect_str_eq(ech_status_message(),
                     "cannot start /no/such/program: No such file or directory");
}
