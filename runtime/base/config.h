/**
 * @file config.h
 * A configuration: sections of options, a YAML file, and what the command line sets.
 *
 * Loading checks everything: unknown or misspelt keys, types, bounds, required keys. The message
 * names file, line, key and what was expected. After that the getters cannot fail; asking for a key
 * that no section declares, or with another type, is a bug (assert).
 *
 * Not collective. Immutable once loaded; readable from any thread. What getters return is borrowed
 * from the configuration.
 */
#ifndef ECH_BASE_CONFIG_H
#define ECH_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/options.h"
#include "runtime/base/status.h"
#include "runtime/base/yaml.h"

typedef struct ech_config ech_config;

/**
 * Load and check.
 *
 * @param path      YAML or JSON file; NULL: defaults and `sets` only.
 * @param sets      `set_count` texts "a.b=value", applied in order after the file.
 * @param sections  borrowed; must outlive the configuration.
 * @return ECH_OK; ECH_ERR_FILE (cannot be read); ECH_ERR_CONFIG; ECH_ERR_MEMORY.
 */
ech_status ech_config_load(const char *path, const char *const *sets, size_t set_count,
                           const ech_option_section *sections, size_t section_count,
                           ech_config **out);

/** The same from text, such as the configuration kept in a checkpoint. `source` as in yaml.h. */
ech_status ech_config_load_text(const char *text, size_t bytes, const char *source,
                                const char *const *sets, size_t set_count,
                                const ech_option_section *sections, size_t section_count,
                                ech_config **out);

void ech_config_destroy(ech_config **config);

/** Does the key have a value, given or by default? */
bool ech_config_has(const ech_config *config, const char *key);

bool ech_config_bool(const ech_config *config, const char *key);
int64_t ech_config_integer(const ech_config *config, const char *key);
double ech_config_real(const ech_config *config, const char *key);
const double *ech_config_reals(const ech_config *config, const char *key, size_t *count);
/** Number of the choice, from 0, in the order of the option's `choices`. */
int ech_config_choice(const ech_config *config, const char *key);
/** Text, path (resolved) or choice; NULL if the key has no value. */
const char *ech_config_text(const ech_config *config, const char *key);
/** The value as it was written; NULL if the key has no value. */
const ech_yaml_node *ech_config_node(const ech_config *config, const char *key);

/** ECH_ERR_CONFIG with "FILE:LINE: KEY: ..." for checks that join several keys. */
ech_status ech_config_fail(const ech_config *config, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * The effective configuration, defaults included, as YAML that loads to the same values anywhere
 * (paths are absolute). @param out the caller's: ech_free. @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_config_write(const ech_config *config, char **out);

#endif
