#define _GNU_SOURCE
#include <string.h>

#include "runtime/base/config_priv.h"
#include "runtime/base/memory.h"
#include "runtime/base/options_priv.h"
#include "runtime/base/text.h"

enum { PATH_BYTES = 256, WORDS_MAX = 256, LIST_BYTES = 512, WHAT_BYTES = 256 };

/* Different words, in the order in which they came. */
typedef struct {
    const char *items[WORDS_MAX];
    char texts[WORDS_MAX][64];
    size_t count;
} word_list;

static void add_word(word_list *words, const char *text, size_t length)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strlen(words->texts[i]) == length && strncmp(words->texts[i], text, length) == 0) {
            return;
        }
    }
    if (words->count < WORDS_MAX && length < sizeof words->texts[0]) {
        memcpy(words->texts[words->count], text, length);
        words->texts[words->count][length] = '\0';
        words->items[words->count] = words->texts[words->count];
        words->count++;
    }
}

typedef void (*option_visitor)(const ech_option *option, void *user);

static void visit_options(const ech_config *config, option_visitor visit, void *user)
{
    for (size_t s = 0; s < config->section_count; s++) {
        for (size_t i = 0; i < config->sections[s].count; i++) {
            visit(&config->sections[s].options[i], user);
        }
    }
}

/* Options whose last key is this one. */
typedef struct {
    const char *leaf;
    const char *found;
    size_t count;
} leaf_search;

static void match_leaf(const ech_option *option, void *user)
{
    leaf_search *search = user;
    const char *dot = strrchr(option->key, '.');
    if (dot != NULL && strcmp(dot + 1, search->leaf) == 0) {
        search->found = option->key;
        search->count++;
    }
}

typedef struct {
    const char *prefix;
    word_list names;
} child_search;

static void add_child(const ech_option *option, void *user)
{
    child_search *search = user;
    const size_t length = strlen(search->prefix);
    if (strncmp(option->key, search->prefix, length) == 0) {
        add_word(&search->names, option->key + length, strcspn(option->key + length, "."));
    }
}

/* The names that may stand directly in a mapping; `prefix` is "" or ends with a dot. */
static void find_children(const ech_config *config, const char *prefix, child_search *search)
{
    *search = (child_search){.prefix = prefix};
    visit_options(config, add_child, search);
}

static void join_words(const word_list *words, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < words->count && used < bytes; i++) {
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%s", i > 0 ? ", " : "", words->items[i]);
    }
}

static ech_status refuse_unknown(const ech_config *config, const ech_yaml_node *value,
                                 const char *path, const char *prefix, const char *key)
{
    if (strchr(key, '.') != NULL) {
        return ech_yaml_fail(value, "unknown key '%s': keys are nested, not joined by dots", key);
    }
    leaf_search elsewhere = {.leaf = key};
    visit_options(config, match_leaf, &elsewhere);
    if (elsewhere.count == 1) {
        return ech_yaml_fail(value, "unknown key '%s': did you mean '%s'?", path, elsewhere.found);
    }
    child_search siblings;
    find_children(config, prefix, &siblings);
    const char *nearest = ech_text_nearest(key, siblings.names.items, siblings.names.count);
    if (nearest != NULL) {
        return ech_yaml_fail(value, "unknown key '%s': did you mean '%s%s'?", path, prefix,
                             nearest);
    }
    char known[LIST_BYTES];
    join_words(&siblings.names, known, sizeof known);
    return ech_yaml_fail(value, "unknown key '%s': expected one of %s", path, known);
}

/* Options below a path. */
typedef struct {
    const char *path;
    bool found;
} parent_search;

static void match_parent(const ech_option *option, void *user)
{
    parent_search *search = user;
    const size_t length = strlen(search->path);
    search->found |= strncmp(option->key, search->path, length) == 0 && option->key[length] == '.';
}

static ech_status check_mapping(const ech_config *config, const ech_yaml_node *node,
                                const char *prefix);

static ech_status check_entry(const ech_config *config, const ech_yaml_node *value,
                              const char *prefix, const char *key)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s%s", prefix, key);
    if (ech_options_find(config->sections, config->section_count, path) != NULL &&
        strchr(key, '.') == NULL) {
        return ECH_OK;
    }
    parent_search search = {.path = path};
    visit_options(config, match_parent, &search);
    if (!search.found || strchr(key, '.') != NULL) {
        return refuse_unknown(config, value, path, prefix, key);
    }
    char inner[PATH_BYTES];
    snprintf(inner, sizeof inner, "%.*s.", (int)sizeof inner - 2, path);
    if (ech_yaml_node_kind(value) == ECH_YAML_MAPPING) {
        return check_mapping(config, value, inner);
    }
    if (ech_yaml_node_kind(value) == ECH_YAML_NULL) {
        return ECH_OK;
    }
    child_search children;
    find_children(config, inner, &children);
    char known[LIST_BYTES];
    join_words(&children.names, known, sizeof known);
    return ech_yaml_fail(value, "%s: expected keys (%s), got %s", path, known,
                         ech_yaml_kind_name(value));
}

static ech_status check_mapping(const ech_config *config, const ech_yaml_node *node,
                                const char *prefix)
{
    ech_status status = ECH_OK;
    for (size_t i = 0; status == ECH_OK && i < ech_yaml_count(node); i++) {
        status = check_entry(config, ech_yaml_item(node, i), prefix, ech_yaml_key(node, i));
    }
    return status;
}

ech_status config_check_keys(const ech_config *config)
{
    const ech_yaml_node *root = ech_yaml_root(config->given);
    if (ech_yaml_node_kind(root) == ECH_YAML_NULL) {
        return ECH_OK;
    }
    if (ech_yaml_node_kind(root) != ECH_YAML_MAPPING) {
        return ech_yaml_fail(root, "expected a configuration (keys with values), got %s",
                             ech_yaml_kind_name(root));
    }
    return check_mapping(config, root, "");
}

static ech_status refuse_value(const config_value *value, const ech_yaml_node *node)
{
    char what[WHAT_BYTES];
    options_describe(value->option, what, sizeof what);
    const char *text = ech_yaml_text(node);
    if (text == NULL) {
        return ech_yaml_fail(node, "%s: expected %s, got %s", value->option->key, what,
                             ech_yaml_kind_name(node));
    }
    const char *quote = ech_yaml_is_quoted(node) ? "\"" : "'";
    return ech_yaml_fail(node, "%s: expected %s, got %s%s%s", value->option->key, what, quote, text,
                         quote);
}

static ech_status read_integer(config_value *value)
{
    const char *key = value->option->key;
    const ech_status status = ech_yaml_read_integer(value->node, key, &value->as.integer);
    return status == ECH_OK && options_in_bounds(value->option, (double)value->as.integer)
               ? ECH_OK
               : refuse_value(value, value->node);
}

static ech_status read_real(const config_value *value, const ech_yaml_node *node, double *out)
{
    const ech_status status = ech_yaml_read_real(node, value->option->key, out);
    return status == ECH_OK && options_in_bounds(value->option, *out) ? ECH_OK
                                                                      : refuse_value(value, node);
}

static ech_status read_reals(config_value *value)
{
    const ech_yaml_node *node = value->node;
    const size_t count = ech_yaml_count(node);
    if (count == 0 || ech_yaml_node_kind(node) != ECH_YAML_SEQUENCE) {
        return refuse_value(value, node);
    }
    value->as.reals.count = count;
    value->as.reals.items = ech_calloc(count, sizeof(double));
    if (value->as.reals.items == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_OK;
    for (size_t i = 0; status == ECH_OK && i < count; i++) {
        status = read_real(value, ech_yaml_item(node, i), &value->as.reals.items[i]);
    }
    return status;
}

/* @return one of `words`, or NULL. */
static const char *nearest_choice(const char *choices, const char *text, word_list *words)
{
    words->count = 0;
    for (const char *at = choices; *at != '\0'; at += *at == '|') {
        const size_t length = strcspn(at, "|");
        add_word(words, at, length);
        at += length;
    }
    return ech_text_nearest(text, words->items, words->count);
}

static ech_status read_choice(config_value *value)
{
    const ech_option *option = value->option;
    const char *text = ech_yaml_text(value->node);
    value->as.choice = text != NULL ? options_choice_number(option->choices, text) : -1;
    if (value->as.choice >= 0) {
        return ECH_OK;
    }
    word_list choices;
    const char *nearest = text != NULL ? nearest_choice(option->choices, text, &choices) : NULL;
    if (nearest == NULL) {
        return refuse_value(value, value->node);
    }
    return ech_yaml_fail(value->node, "%s: unknown choice '%s': did you mean '%s'?", option->key,
                         text, nearest);
}

ech_status config_read_value(config_value *value)
{
    const char *key = value->option->key;
    switch (value->option->type) {
    case ECH_OPTION_BOOL:
        return ech_yaml_read_bool(value->node, key, &value->as.flag);
    case ECH_OPTION_INTEGER:
        return read_integer(value);
    case ECH_OPTION_REAL:
        return read_real(value, value->node, &value->as.real);
    case ECH_OPTION_REALS:
        return read_reals(value);
    case ECH_OPTION_CHOICE:
        return read_choice(value);
    case ECH_OPTION_TEXT:
        return ech_yaml_read_text(value->node, key, &value->as.text);
    case ECH_OPTION_PATH:
        return ech_yaml_read_path(value->node, key, &value->as.path);
    case ECH_OPTION_ANY:
        return ECH_OK;
    }
    return ech_fail(ECH_ERR_ARGUMENT, "option %s has no type", key);
}
