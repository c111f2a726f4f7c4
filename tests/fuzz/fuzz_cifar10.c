#include "io/import.h"
#include "tests/fuzz/fuzz.h"

/* CIFAR-10's binary files, plain or gzip. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    const char *paths[] = {fuzz_store("batch", data, bytes)};
    ech_import samples;
    (void)ech_import_cifar10(paths, 1, &samples);
    ech_import_free(&samples);
    fuzz_remove("batch");
    fuzz_expect_balance(before);
    return 0;
}
