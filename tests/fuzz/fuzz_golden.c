#include <pthread.h>
#include <sanitizer/common_interface_defs.h>

#include "io/golden.h"
#include "tests/fuzz/fuzz.h"

/* The child may die of a bad file: that is no finding to be kept. */
static void keep_nothing(void)
{
    __sanitizer_set_death_callback(NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return pthread_atfork(NULL, NULL, keep_nothing);
}

/* Golden files. They are HDF5 without a seal: a child reads them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_golden *golden = NULL;
    (void)ech_golden_read(fuzz_store("golden.h5", data, bytes), &golden);
    ech_golden_destroy(&golden);
    fuzz_remove("golden.h5");
    fuzz_expect_balance(before);
    return 0;
}
