#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/config_priv.h"
#include "runtime/base/memory.h"

static void write_path(const char *path, FILE *file)
{
    char directory[PATH_MAX];
    if (path[0] == '/' || getcwd(directory, sizeof directory) == NULL) {
        ech_yaml_write_text(path, file);
        return;
    }
    char absolute[2 * PATH_MAX];
    snprintf(absolute, sizeof absolute, "%s/%s", directory, path);
    ech_yaml_write_text(absolute, file);
}

static void write_value(const config_value *value, FILE *file)
{
    if (value->option->type == ECH_OPTION_PATH) {
        write_path(value->as.path, file);
    } else {
        ech_yaml_write(value->node, file);
    }
}

/* Do the first `length` bytes of both keys agree? */
static bool share_prefix(const config_value *a, const config_value *b, size_t length)
{
    return strncmp(a->option->key, b->option->key, length) == 0;
}

/* Has an earlier option with a value opened the mapping in which key `index` continues? */
static bool is_open(const ech_config *config, size_t first, size_t index, size_t length)
{
    for (size_t i = first; i < index; i++) {
        if (config->values[i].node != NULL &&
            share_prefix(&config->values[i], &config->values[index], length)) {
            return true;
        }
    }
    return false;
}

/* Write the options from `first` on whose keys share its first `length` bytes, nested. */
static void write_level(const ech_config *config, size_t first, size_t length, int depth,
                        FILE *file)
{
    for (size_t i = first; i < config->value_count; i++) {
        const config_value *value = &config->values[i];
        if (value->node == NULL || !share_prefix(&config->values[first], value, length)) {
            continue;
        }
        const char *name = value->option->key + length;
        const size_t name_length = strcspn(name, ".");
        if (name[name_length] == '\0') {
            fprintf(file, "%*s%s: ", 2 * depth, "", name);
            write_value(value, file);
            fputc('\n', file);
        } else if (!is_open(config, first, i, length + name_length + 1)) {
            fprintf(file, "%*s%.*s:\n", 2 * depth, "", (int)name_length, name);
            write_level(config, i, length + name_length + 1, depth + 1, file);
        }
    }
}

ech_status ech_config_write(const ech_config *config, char **out)
{
    *out = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (file == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "cannot write the effective configuration");
    }
    write_level(config, 0, 0, 0, file);
    if (fclose(file) != 0) {
        free(text);
        return ech_fail(ECH_ERR_MEMORY, "cannot write the effective configuration");
    }
    *out = ech_strdup(text);
    free(text);
    return *out != NULL ? ECH_OK : ECH_ERR_MEMORY;
}
