#define _GNU_SOURCE
#include "runtime/base/config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/config_priv.h"
#include "runtime/base/memory.h"
#include "runtime/base/options_priv.h"

enum { KEY_BYTES_MAX = 128 };

static ech_status apply_set(ech_yaml *document, const char *set)
{
    const size_t length = strcspn(set, "=");
    char path[KEY_BYTES_MAX];
    if (set[length] != '=') {
        return ech_fail(ECH_ERR_CONFIG, "--set %s: expected KEY=VALUE, such as train.lr=0.01", set);
    }
    if (length >= sizeof path) {
        return ech_fail(ECH_ERR_CONFIG, "--set %.32s...: the key is too long", set);
    }
    memcpy(path, set, length);
    path[length] = '\0';
    return ech_yaml_set(document, path, set + length + 1);
}

/* The node at a dotted path, or NULL. */
static const ech_yaml_node *find_path(const ech_yaml *document, const char *path)
{
    const ech_yaml_node *at = ech_yaml_root(document);
    while (at != NULL && *path != '\0') {
        char key[KEY_BYTES_MAX];
        const size_t length = strcspn(path, ".");
        assert(length < sizeof key);
        memcpy(key, path, length);
        key[length] = '\0';
        at = ech_yaml_find(at, key);
        path += length + (path[length] == '.');
    }
    return at;
}

static ech_status list_values(ech_config *config)
{
    for (size_t s = 0; s < config->section_count; s++) {
        config->value_count += config->sections[s].count;
    }
    config->values = ech_calloc(config->value_count, sizeof *config->values);
    if (config->values == NULL) {
        return ECH_ERR_MEMORY;
    }
    size_t next = 0;
    for (size_t s = 0; s < config->section_count; s++) {
        for (size_t i = 0; i < config->sections[s].count; i++) {
            config->values[next++].option = &config->sections[s].options[i];
        }
    }
    return ECH_OK;
}

static ech_status make_defaults(ech_config *config)
{
    ech_status status = ech_yaml_load_text("", 0, "default", &config->defaults);
    for (size_t i = 0; status == ECH_OK && i < config->value_count; i++) {
        const ech_option *option = config->values[i].option;
        if (option->standard != NULL) {
            status = ech_yaml_set(config->defaults, option->key, option->standard);
        }
    }
    return status;
}

/* Does the option belong to the choice made elsewhere? `named` is the value of that key. */
static bool is_in_use(const ech_config *config, const ech_option *option,
                      const config_value **condition)
{
    *condition = NULL;
    if (option->only_if == NULL) {
        return true;
    }
    char key[KEY_BYTES_MAX];
    const size_t length = strcspn(option->only_if, "=");
    assert(length < sizeof key && option->only_if[length] == '=');
    memcpy(key, option->only_if, length);
    key[length] = '\0';
    *condition = config_find(config, key);
    assert(*condition != NULL);
    const char *text = (*condition)->node != NULL ? ech_yaml_text((*condition)->node) : NULL;
    if (option->only_if[length + 1] == '\0') {
        return (*condition)->node == NULL;
    }
    return text != NULL && options_choice_number(option->only_if + length + 1, text) >= 0;
}

static ech_status refuse_unused(const config_value *value, const config_value *condition)
{
    const char *text = condition->node != NULL ? ech_yaml_text(condition->node) : NULL;
    if (text == NULL) {
        return ech_yaml_fail(value->node, "%s is read only where %s is given", value->option->key,
                             condition->option->key);
    }
    return ech_yaml_fail(value->node, "%s is not read where %s is '%s'", value->option->key,
                         condition->option->key, text);
}

static ech_status refuse_missing(const ech_config *config, const ech_option *option)
{
    char what[256];
    options_describe(option, what, sizeof what);
    return ech_fail(ECH_ERR_CONFIG, "%s: key '%s' is missing: expected %s (%s)",
                    ech_yaml_source(ech_yaml_root(config->given)), option->key, what, option->help);
}

/* A mapping key with nothing behind it counts as not given. */
static const ech_yaml_node *given_node(const ech_config *config, const char *key)
{
    const ech_yaml_node *node = find_path(config->given, key);
    return node != NULL && ech_yaml_node_kind(node) != ECH_YAML_NULL ? node : NULL;
}

static ech_status settle_value(const ech_config *config, config_value *value)
{
    const ech_option *option = value->option;
    const config_value *condition = NULL;
    const bool in_use = is_in_use(config, option, &condition);
    value->node = given_node(config, option->key);
    value->is_given = value->node != NULL;
    if (value->is_given && !in_use) {
        return refuse_unused(value, condition);
    }
    if (!value->is_given && in_use) {
        value->node = option->standard != NULL ? find_path(config->defaults, option->key) : NULL;
        if (value->node == NULL && option->required) {
            return refuse_missing(config, option);
        }
    }
    return value->node != NULL ? config_read_value(value) : ECH_OK;
}

static ech_status check_all(ech_config *config, const char *const *sets, size_t set_count)
{
    ech_status status = ECH_OK;
    for (size_t i = 0; status == ECH_OK && i < set_count; i++) {
        status = apply_set(config->given, sets[i]);
    }
    if (status == ECH_OK) {
        status = config_check_keys(config);
    }
    if (status == ECH_OK) {
        status = list_values(config);
    }
    if (status == ECH_OK) {
        status = make_defaults(config);
    }
    for (size_t i = 0; status == ECH_OK && i < config->value_count; i++) {
        status = settle_value(config, &config->values[i]);
    }
    return status;
}

/* Takes `given`, also when it fails. */
static ech_status make_config(ech_yaml *given, const char *const *sets, size_t set_count,
                              const ech_option_section *sections, size_t section_count,
                              ech_config **out)
{
    ech_config *config = ech_calloc(1, sizeof *config);
    if (config == NULL) {
        ech_yaml_destroy(&given);
        return ECH_ERR_MEMORY;
    }
    config->given = given;
    config->sections = sections;
    config->section_count = section_count;
    const ech_status status = check_all(config, sets, set_count);
    if (status != ECH_OK) {
        ech_config_destroy(&config);
        return status;
    }
    *out = config;
    return ECH_OK;
}

ech_status ech_config_load(const char *path, const char *const *sets, size_t set_count,
                           const ech_option_section *sections, size_t section_count,
                           ech_config **out)
{
    *out = NULL;
    ech_yaml *given = NULL;
    const ech_status status = path != NULL ? ech_yaml_load_file(path, &given)
                                           : ech_yaml_load_text("", 0, "command line", &given);
    return status == ECH_OK ? make_config(given, sets, set_count, sections, section_count, out)
                            : status;
}

ech_status ech_config_load_text(const char *text, size_t bytes, const char *source,
                                const char *const *sets, size_t set_count,
                                const ech_option_section *sections, size_t section_count,
                                ech_config **out)
{
    *out = NULL;
    ech_yaml *given = NULL;
    const ech_status status = ech_yaml_load_text(text, bytes, source, &given);
    return status == ECH_OK ? make_config(given, sets, set_count, sections, section_count, out)
                            : status;
}

static void free_value(config_value *value)
{
    if (value->node != NULL && value->option->type == ECH_OPTION_PATH) {
        ech_free(value->as.path);
    }
    if (value->node != NULL && value->option->type == ECH_OPTION_REALS) {
        ech_free(value->as.reals.items);
    }
}

void ech_config_destroy(ech_config **config)
{
    if (config == NULL || *config == NULL) {
        return;
    }
    for (size_t i = 0; (*config)->values != NULL && i < (*config)->value_count; i++) {
        free_value(&(*config)->values[i]);
    }
    ech_free((*config)->values);
    ech_yaml_destroy(&(*config)->given);
    ech_yaml_destroy(&(*config)->defaults);
    ech_free(*config);
    *config = NULL;
}

const config_value *config_find(const ech_config *config, const char *key)
{
    for (size_t i = 0; i < config->value_count; i++) {
        if (strcmp(config->values[i].option->key, key) == 0) {
            return &config->values[i];
        }
    }
    return NULL;
}

static const config_value *value_of_type(const ech_config *config, const char *key,
                                         ech_option_type type)
{
    const config_value *value = config_find(config, key);
    assert(value != NULL && value->option->type == type && value->node != NULL);
    (void)type;
    return value;
}

bool ech_config_has(const ech_config *config, const char *key)
{
    const config_value *value = config_find(config, key);
    assert(value != NULL);
    return value->node != NULL;
}

bool ech_config_bool(const ech_config *config, const char *key)
{
    return value_of_type(config, key, ECH_OPTION_BOOL)->as.flag;
}

int64_t ech_config_integer(const ech_config *config, const char *key)
{
    return value_of_type(config, key, ECH_OPTION_INTEGER)->as.integer;
}

double ech_config_real(const ech_config *config, const char *key)
{
    return value_of_type(config, key, ECH_OPTION_REAL)->as.real;
}

const double *ech_config_reals(const ech_config *config, const char *key, size_t *count)
{
    const config_value *value = value_of_type(config, key, ECH_OPTION_REALS);
    *count = value->as.reals.count;
    return value->as.reals.items;
}

int ech_config_choice(const ech_config *config, const char *key)
{
    return value_of_type(config, key, ECH_OPTION_CHOICE)->as.choice;
}

const char *ech_config_text(const ech_config *config, const char *key)
{
    const config_value *value = config_find(config, key);
    assert(value != NULL);
    if (value->node == NULL) {
        return NULL;
    }
    return value->option->type == ECH_OPTION_PATH ? value->as.path : ech_yaml_text(value->node);
}

const ech_yaml_node *ech_config_node(const ech_config *config, const char *key)
{
    const config_value *value = config_find(config, key);
    assert(value != NULL);
    return value->node;
}

ech_status ech_config_fail(const ech_config *config, const char *key, const char *format, ...)
{
    char problem[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, sizeof problem, format, arguments);
    va_end(arguments);
    const config_value *value = config_find(config, key);
    assert(value != NULL);
    if (value->node == NULL || !value->is_given) {
        return ech_fail(ECH_ERR_CONFIG, "%s: %s: %s", ech_yaml_source(ech_yaml_root(config->given)),
                        key, problem);
    }
    return ech_yaml_fail(value->node, "%s: %s", key, problem);
}
