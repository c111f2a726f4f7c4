#include "apps/options/section.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"

enum { LIST_BYTES = 512 };

void ech_fit_read_real(const ech_config *config, const char *key, double *out)
{
    if (ech_config_has(config, key)) {
        *out = ech_config_real(config, key);
    }
}

void ech_fit_read_number(const ech_config *config, const char *key, uint32_t *out)
{
    if (ech_config_has(config, key)) {
        *out = (uint32_t)ech_config_integer(config, key);
    }
}

ech_status ech_fit_refuse_name(const ech_config *config, const char *key,
                               const ech_fit_names *names)
{
    const char *name = ech_config_text(config, key);
    const char *nearest = ech_text_nearest(name, names->items, names->count);
    if (nearest != NULL) {
        return ech_config_fail(config, key, "unknown name '%s': did you mean '%s'?", name, nearest);
    }
    char known[LIST_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < names->count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 names->items[i]);
    }
    return ech_config_fail(config, key, "expected one of %s, got '%s'", known, name);
}

ech_status ech_fit_check_plugin(const ech_config *config, const char *plugin_key,
                                const char *options_key)
{
    if (!ech_config_has(config, plugin_key)) {
        return !ech_config_has(config, options_key)
                   ? ECH_OK
                   : ech_config_fail(config, options_key, "expected %s with it", plugin_key);
    }
    const char *written = ech_yaml_text(ech_config_node(config, plugin_key));
    if (written != NULL && strchr(written, '/') == NULL) {
        return ech_config_fail(config, plugin_key,
                               "expected a path with a '/', such as ./%s, got '%s'", written,
                               written);
    }
    return ECH_OK;
}
