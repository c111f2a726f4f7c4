#include "runtime/fed/availability.h"
#include "tests/fuzz/fuzz.h"

enum { WORKERS = 16 };

/* Traces of when workers are on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_availability *availability = NULL;
    (void)ech_availability_load(fuzz_store("trace", data, bytes), WORKERS, &availability);
    ech_availability_destroy(&availability);
    fuzz_remove("trace");
    fuzz_expect_balance(before);
    return 0;
}
