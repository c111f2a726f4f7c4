#include "runtime/fed/plugin_file.h"
#include "tests/fuzz/fuzz.h"

/* What is looked at of a plug-in before the loader sees it. What it loads is code, and trusted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    (void)ech_plugin_file_check(fuzz_store("plugin.so", data, bytes));
    fuzz_remove("plugin.so");
    fuzz_expect_balance(before);
    return 0;
}
