#include <stdlib.h>
#include <string.h>

#include "apps/fit_options.h"
#include "runtime/base/memory.h"
#include "tests/fuzz/fuzz.h"

static ech_status load(const char *text, size_t bytes, ech_config **config)
{
    return ech_fit_config_load(fuzz_store("fit.yaml", (const uint8_t *)text, bytes), NULL, 0,
                               config);
}

/* Configurations of fit; the effective one, written and read, must give the same once more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_config *config = NULL;
    ech_config *again = NULL;
    char *text = NULL;
    char *text_again = NULL;
    if (load((const char *)data, bytes, &config) == ECH_OK) {
        (void)ech_fit_options_of(config);
        if (ech_config_write(config, &text) != ECH_OK ||
            load(text, strlen(text), &again) != ECH_OK ||
            ech_config_write(again, &text_again) != ECH_OK || strcmp(text, text_again) != 0) {
            abort();
        }
    }
    ech_free(text_again);
    ech_free(text);
    ech_config_destroy(&again);
    ech_config_destroy(&config);
    fuzz_remove("fit.yaml");
    fuzz_expect_balance(before);
    return 0;
}
