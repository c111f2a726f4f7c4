/* What a user does: install, then build a program out of tree, by CMake and by pkg-config. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/support.h"

enum { OUTPUT_BYTES = 1 << 20, COMMAND_BYTES = 4096 };
static const uint64_t limit_ns = UINT64_C(120000000000);

static const char project[] =
    "cmake_minimum_required(VERSION 3.25)\n"
    "project(user C)\n"
    "find_package(Echelon 0.1 REQUIRED COMPONENTS memo_store)\n"
    "add_executable(program " ECH_SOURCE_DIR "/apps/examples/tree_reduction.c)\n"
    "target_link_libraries(program PRIVATE Echelon::task)\n"
    "add_executable(keeps " ECH_SOURCE_DIR "/apps/examples/parameter_sweep.c)\n"
    "target_link_libraries(keeps PRIVATE Echelon::memo_store m)\n"
    "add_library(rule MODULE " ECH_SOURCE_DIR "/apps/examples/plugin_rule.c)\n"
    "target_link_libraries(rule PRIVATE Echelon::plugin)\n";

static char folder[ECH_TEST_PATH_BYTES];

/* Run a shell command in the scratch folder. */
static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[COMMAND_BYTES];
    const size_t used = (size_t)snprintf(command, sizeof command, "set -e; cd '%s'; ", folder);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + used, sizeof command - used, format, arguments);
    va_end(arguments);
    ech_child_result result;
    const char *const all[] = {"sh", "-c", command, NULL};
    const ech_child_options options = {
        .arguments = all, .timeout_ns = limit_ns, .output_bytes_max = OUTPUT_BYTES};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(result.exit_code, 0, "%s\n%s%s", command, result.output, result.errors);
    ech_child_result_free(&result);
}

static void install(void)
{
    ech_test_make_directory(folder);
    run("cmake --install " ECH_BUILD_DIR " --prefix here --component devel");
}

static void clean_up(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(install, .init = install, .fini = clean_up);

static void expect_to_run(const char *program)
{
    run("test $(%s) = 1.644933113174365", program);
    run("test $(%s threads) = 1.644933113174365", program);
    run("test $(mpiexec -n 2 %s mpi) = 1.644933113174365", program);
}

Test(install, a_cmake_project_finds_the_package)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(folder, "CMakeLists.txt", project, path);
    run("cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH=$PWD/here");
    run("cmake --build build");
    expect_to_run("build/program");
    run("build/keeps serial memo.h5; build/keeps threads memo.h5; test -s memo.h5");
    run("nm -D --defined-only build/librule.so | grep -q ech_plugin_exported");
}

Test(install, pkg_config_gives_the_flags_also_after_a_move)
{
    run("mv here there; export PKG_CONFIG_PATH=$(dirname $(find $PWD -name echelon-task.pc)); "
        "cc " ECH_SOURCE_DIR "/apps/examples/tree_reduction.c -o program "
        "$(pkg-config --cflags --libs echelon-task); "
        "cc " ECH_SOURCE_DIR "/apps/examples/parameter_sweep.c -o keeps "
        "$(pkg-config --cflags --libs echelon-store)");
    expect_to_run("./program");
    run("./keeps serial memo.h5; test -s memo.h5");
}

Test(install, every_header_stands_alone)
{
    run("export PKG_CONFIG_PATH=$(dirname $(find $PWD -name echelon-task.pc)); "
        "for header in $(cd here/include/echelon && find . -name '*.h'); do "
        "echo \"#include \\\"$header\\\"\" >one.c; "
        "cc -std=c17 -Wall -Wextra -Werror -c one.c $(pkg-config --cflags echelon-store); done; "
        "test -f one.o");
}
