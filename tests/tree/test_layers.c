#include <criterion/criterion.h>

#include "tests/tree/layers.h"

typedef struct {
    const char *path;
    const char *line;
} line_case;

Test(layers, includes_along_the_layers_are_allowed)
{
    static const line_case cases[] = {
        {"runtime/base/log.c", "#include \"runtime/base/log.h\""},
        {"runtime/fed/sync.c", "#include \"runtime/task/task.h\""},
        {"runtime/mpi/map.c", "#include <hwloc.h>"},
        {"runtime/base/yaml_parse.c", "#include \"runtime/base/yaml_priv.h\""},
        {"apps/cmd_fit.c", "#include \"io/record.h\""},
        {"tests/fed/test_a.c", "#include \"runtime/fed/tree_priv.h\""},
        {"tests/io/test_b.c", "#include <hdf5.h>"},
        {"io/record.c", "#include <hdf5.h>"},
        {"runtime/fed/a.c", "int include = 1; /* \"kernels/plan.h\" */"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char problem[LAYERS_PROBLEM_BYTES];
        layers_check_line(cases[i].path, cases[i].line, problem);
        cr_expect_str_empty(problem, "%s: %s", cases[i].path, problem);
    }
}

Test(layers, includes_upward_sideways_or_of_foreign_libraries_are_refused)
{
    static const line_case cases[] = {
        {"runtime/base/log.c", "#include \"runtime/mpi/comm.h\""},
        {"runtime/mpi/window.c", "#include \"runtime/task/task.h\""},
        {"runtime/task/pool.c", "#include \"runtime/fed/trainer.h\""},
        {"runtime/fed/sync.c", "#include \"kernels/plan.h\""},
        {"runtime/fed/sync.c", "#  include \"io/record.h\""},
        {"kernels/train.c", "#include \"io/dataset.h\""},
        {"kernels/train.c", "#include \"runtime/mpi/comm.h\""},
        {"io/record.c", "#include \"apps/command.h\""},
        {"apps/cmd_fit.c", "#include \"tests/support.h\""},
        {"apps/cmd_fit.c", "#include \"runtime/fed/sync_priv.h\""},
        {"apps/cmd_fit.c", "#include <hdf5.h>"},
        {"runtime/task/pool.c", "#include <hwloc/helper.h>"},
        {"io/import.c", "#include <cblas.h>"},
        {"kernels/plan.c", "#include <mpi.h>"},
        {"runtime/base/log.c", "#include \"log.h\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char problem[LAYERS_PROBLEM_BYTES];
        layers_check_line(cases[i].path, cases[i].line, problem);
        cr_expect_neq(problem[0], '\0', "%s: %s was let through", cases[i].path, cases[i].line);
    }
}

static void expect_none(const char *path, size_t line, const char *problem)
{
    cr_expect_fail("%s:%zu: %s", path, line, problem);
}

Test(layers, the_source_tree_keeps_to_its_layers)
{
    cr_expect_gt(layers_check_tree(ECH_SOURCE_DIR, expect_none), 50);
}
