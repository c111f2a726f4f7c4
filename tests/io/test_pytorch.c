#include <criterion/criterion.h>
#include <string.h>

#include "io/checkpoint.h"
#include "runtime/base/child.h"
#include "runtime/base/log.h"
#include "tests/io/fixture.h"
#include "tests/limits.h"

enum { VALUES = 24 + 4 + 4 + 4 + 4 + 4, TIMEOUT_SECONDS = 120 };

TestSuite(pytorch, .init = fixture_start, .fini = fixture_stop);

static ech_layout *module_layout(void)
{
    const uint64_t weight[] = {4, 3, 2, 1};
    const uint64_t four[] = {4};
    ech_layout *layout = NULL;
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    ech_layout_add(layout, "conv1.weight", ECH_TENSOR_PARAMETER, 4, weight);
    ech_layout_add(layout, "conv1.bias", ECH_TENSOR_PARAMETER, 1, four);
    ech_layout_add(layout, "bn1.weight", ECH_TENSOR_PARAMETER, 1, four);
    ech_layout_add(layout, "bn1.bias", ECH_TENSOR_PARAMETER, 1, four);
    ech_layout_add(layout, "bn1.running_mean", ECH_TENSOR_STATISTIC, 1, four);
    ech_layout_add(layout, "bn1.running_var", ECH_TENSOR_STATISTIC, 1, four);
    ech_layout_add(layout, "bn1.num_batches_tracked", ECH_TENSOR_COUNTER, 0, NULL);
    cr_assert_eq(layout->value_count, VALUES);
    return layout;
}

static void write_checkpoint(const ech_layout *layout)
{
    float values[VALUES];
    for (int i = 0; i < VALUES; i++) {
        values[i] = 0.25F * (float)i;
    }
    const int64_t counters[] = {700};
    const ech_blob blob = {"random", "seed", 4};
    const ech_checkpoint_content content = {.round = 7,
                                            .config = "name: test\n",
                                            .model = {values, counters},
                                            .blobs = &blob,
                                            .blob_count = 1};
    ech_checkpoint_writer *writer = NULL;
    cr_assert_eq(ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 1, &writer),
                 ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_begin(writer, &content), ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_finish(writer), ECH_OK, "%s", ech_status_message());
    ech_checkpoint_writer_destroy(&writer);
}

Test(pytorch, h5py_and_load_state_dict_just_work)
{
    ech_layout *layout = module_layout();
    write_checkpoint(layout);
    ech_layout_destroy(&layout);
    const char *const arguments[] = {"/usr/bin/python3",
                                     ECH_SOURCE_DIR "/tests/io/load_checkpoint.py",
                                     fixture_path("checkpoint-000007.h5"), NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .timeout_ns = ech_test_limit_ns(TIMEOUT_SECONDS),
                                       .output_bytes_max = 1 << 16};
    ech_child_result result;
    if (ech_child_run(&options, &result) != ECH_OK || strcmp(result.output, "absent\n") == 0) {
        ech_log(ECH_LOG_INFO, "not checked: python3-torch or python3-h5py is not installed");
    } else {
        cr_expect_eq(result.exit_code, 0, "%s", result.errors);
        cr_expect_str_eq(result.output, "loaded\n");
    }
    ech_child_result_free(&result);
}
