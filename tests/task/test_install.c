/* What a user does: install, then build a program out of tree, by CMake and by pkg-config. */
#include <criterion/criterion.h>

#include "tests/support.h"

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

/* A program of libraries that are sanitized, or count lines, has to be built like them: CMake and
 * cc's command lines take it.
 */
#define WITH_FLAGS "export CFLAGS='" ECH_TEST_CFLAGS "'; "

static char folder[ECH_TEST_PATH_BYTES];

static void install(void)
{
    ech_test_make_directory(folder);
    ech_test_shell(folder, "cmake --install " ECH_BUILD_DIR " --prefix here --component devel");
}

static void clean_up(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(install, .init = install, .fini = clean_up);

static void expect_to_run(const char *program)
{
    ech_test_shell(folder, "test $(%s) = 1.644933113174365", program);
    ech_test_shell(folder, "test $(%s threads) = 1.644933113174365", program);
    ech_test_shell(folder, "test $(mpiexec -n 2 %s mpi) = 1.644933113174365", program);
}

Test(install, a_cmake_project_finds_the_package)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(folder, "CMakeLists.txt", project, path);
    ech_test_shell(folder, WITH_FLAGS "cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH=$PWD/here");
    ech_test_shell(folder, "cmake --build build");
    expect_to_run("build/program");
    ech_test_shell(folder,
                   "build/keeps serial memo.h5; build/keeps threads memo.h5; test -s memo.h5");
    ech_test_shell(folder, "nm -D --defined-only build/librule.so | grep -q ech_plugin_exported");
}

Test(install, pkg_config_gives_the_flags_also_after_a_move)
{
    ech_test_shell(
        folder, WITH_FLAGS
        "mv here there; export PKG_CONFIG_PATH=$(dirname $(find $PWD -name echelon-task.pc)); "
        "cc $CFLAGS " ECH_SOURCE_DIR "/apps/examples/tree_reduction.c -o program "
        "$(pkg-config --cflags --libs echelon-task); "
        "cc $CFLAGS " ECH_SOURCE_DIR "/apps/examples/parameter_sweep.c -o keeps "
        "$(pkg-config --cflags --libs echelon-store)");
    expect_to_run("./program");
    ech_test_shell(folder, "./keeps serial memo.h5; test -s memo.h5");
}

Test(install, every_header_stands_alone)
{
    ech_test_shell(
        folder,
        "export PKG_CONFIG_PATH=$(dirname $(find $PWD -name echelon-task.pc)); "
        "for header in $(cd here/include/echelon && find . -name '*.h'); do "
        "echo \"#include \\\"$header\\\"\" >one.c; "
        "cc -std=c17 -Wall -Wextra -Werror -c one.c $(pkg-config --cflags echelon-store); done; "
        "test -f one.o");
}
