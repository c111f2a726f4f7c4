#include "kernels/models.h"
#include "tests/fuzz/fuzz.h"

enum { CLASSES = 10 };

/* Models in YAML, for images of 3x32x32. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const ech_shape input = {.channels = 3, .height = 32, .width = 32};
    const size_t before = fuzz_balance();
    ech_network *network = NULL;
    (void)ech_model_read_text((const char *)data, bytes, "fuzz.yaml", &input, CLASSES, &network);
    ech_network_destroy(&network);
    fuzz_expect_balance(before);
    return 0;
}
