#include "runtime/fed/topology.h"
#include "tests/fuzz/fuzz.h"

/* Topology files, Flight's format in YAML or JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_yaml *document = NULL;
    ech_topology *topology = NULL;
    if (ech_yaml_load_text((const char *)data, bytes, "fuzz.yaml", &document) == ECH_OK) {
        (void)ech_topology_from_yaml(&document, &topology);
    }
    ech_topology_destroy(&topology);
    ech_yaml_destroy(&document);
    fuzz_expect_balance(before);
    return 0;
}
