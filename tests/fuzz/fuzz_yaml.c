#include <stdio.h>

#include "runtime/base/yaml.h"
#include "tests/fuzz/fuzz.h"

/* YAML and JSON; what was read is written, and must be readable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_yaml *document = NULL;
    if (ech_yaml_load_text((const char *)data, bytes, "fuzz.yaml", &document) == ECH_OK) {
        FILE *nowhere = fopen("/dev/null", "we");
        if (nowhere != NULL) {
            ech_yaml_write(ech_yaml_root(document), nowhere);
            fclose(nowhere);
        }
    }
    ech_yaml_destroy(&document);
    fuzz_expect_balance(before);
    return 0;
}
