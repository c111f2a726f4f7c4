#include "io/import.h"
#include "tests/fuzz/fuzz.h"

/* The first two bytes tell where the images end and the labels begin; either may be gzip. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2) {
        return 0;
    }
    const size_t before = fuzz_balance();
    const size_t rest = bytes - 2;
    const size_t at = ((size_t)data[0] << 8 | data[1]) % (rest + 1);
    ech_import samples;
    (void)ech_import_idx(fuzz_store("images", data + 2, at),
                         fuzz_store("labels", data + 2 + at, rest - at), &samples);
    ech_import_free(&samples);
    fuzz_remove("images");
    fuzz_remove("labels");
    fuzz_expect_balance(before);
    return 0;
}
