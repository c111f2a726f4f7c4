#include "apps/report/run.h"

#include <math.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml.h"

enum { LABEL_KEYS_MAX = 4 };

/* A list or an empty value as one line of text. */
static void write_value(ech_buffer *out, const ech_yaml_node *node)
{
    const size_t count = ech_yaml_count(node);
    switch (ech_yaml_node_kind(node)) {
    case ECH_YAML_SCALAR:
        ech_buffer_add(out, ech_yaml_text(node));
        return;
    case ECH_YAML_SEQUENCE:
        ech_buffer_add(out, "[");
        for (size_t i = 0; i < count; i++) {
            ech_buffer_add(out, i > 0 ? ", " : "");
            write_value(out, ech_yaml_item(node, i));
        }
        ech_buffer_add(out, "]");
        return;
    case ECH_YAML_MAPPING:
        ech_buffer_add(out, "{");
        for (size_t i = 0; i < count; i++) {
            ech_buffer_format(out, "%s%s: ", i > 0 ? ", " : "", ech_yaml_key(node, i));
            write_value(out, ech_yaml_item(node, i));
        }
        ech_buffer_add(out, "}");
        return;
    case ECH_YAML_NULL:
        ech_buffer_add(out, "null");
        return;
    }
}

static ech_status add_setting(ech_run *run, const char *key, const ech_yaml_node *node)
{
    ech_run_setting *grown =
        ech_realloc(run->settings, run->setting_count + 1, sizeof *run->settings);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    run->settings = grown;
    ech_buffer value = {0};
    write_value(&value, node);
    char *copy = value.status == ECH_OK ? ech_strdup(value.bytes) : NULL;
    ech_buffer_clear(&value);
    char *name = copy != NULL ? ech_strdup(key) : NULL;
    if (name == NULL) {
        ech_free(copy);
        return ECH_ERR_MEMORY;
    }
    run->settings[run->setting_count++] = (ech_run_setting){name, copy};
    return ECH_OK;
}

/* Mappings become dotted keys; all else is a value. */
static ech_status flatten(ech_run *run, const char *prefix, const ech_yaml_node *node)
{
    const size_t count = ech_yaml_count(node);
    if (ech_yaml_node_kind(node) != ECH_YAML_MAPPING || count == 0) {
        return *prefix != '\0' ? add_setting(run, prefix, node) : ECH_OK;
    }
    for (size_t i = 0; i < count; i++) {
        ech_buffer key = {0};
        ech_buffer_format(&key, "%s%s%s", prefix, *prefix != '\0' ? "." : "",
                          ech_yaml_key(node, i));
        const ech_status status =
            key.status == ECH_OK ? flatten(run, key.bytes, ech_yaml_item(node, i)) : key.status;
        ech_buffer_clear(&key);
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

static ech_status read_settings(ech_run *run)
{
    const char *text = run->info->config != NULL ? run->info->config : "";
    ech_yaml *document = NULL;
    const ech_status loaded = ech_yaml_load_text(text, strlen(text), run->info->path, &document);
    if (loaded != ECH_OK) {
        return loaded;
    }
    const ech_status status = flatten(run, "", ech_yaml_root(document));
    ech_yaml_destroy(&document);
    return status;
}

static ech_status read_rounds(ech_run *run)
{
    const uint64_t count = run->info->rows[ECH_RECORD_ROUNDS];
    run->rounds = ech_calloc((size_t)count, sizeof *run->rounds);
    if (run->rounds == NULL) {
        return ECH_ERR_MEMORY;
    }
    run->round_count = (size_t)count;
    return count == 0 ? ECH_OK
                      : ech_record_read(run->record, ECH_RECORD_ROUNDS, 0, count, run->rounds);
}

static ech_status open_run(ech_io *io, const char *path, ech_run *run)
{
    const ech_status opened = ech_record_open(io, path, &run->record);
    if (opened != ECH_OK) {
        return opened;
    }
    run->info = ech_record_describe(run->record);
    const ech_status read = read_settings(run);
    return read != ECH_OK ? read : read_rounds(run);
}

const char *ech_run_setting_of(const ech_run *run, const char *key)
{
    for (size_t i = 0; i < run->setting_count; i++) {
        if (strcmp(run->settings[i].key, key) == 0) {
            return run->settings[i].value;
        }
    }
    return NULL;
}

const char *ech_run_fact(const ech_run *run, const char *name)
{
    for (size_t i = 0; i < run->info->machine_count; i++) {
        if (strcmp(run->info->machine[i].name, name) == 0) {
            return run->info->machine[i].value;
        }
    }
    return NULL;
}

double ech_run_number(const char *text, double otherwise)
{
    double value;
    return text != NULL && ech_text_read_real(text, &value) ? value : otherwise;
}

double ech_run_workers(const ech_run *run)
{
    double most = 0.0;
    for (size_t i = 0; i < run->round_count; i++) {
        most = fmax(most, run->rounds[i].selected);
    }
    return ech_run_number(ech_run_setting_of(run, "topology.workers"), most);
}

bool ech_run_setting_is(const ech_run *run, const char *key, const char *value)
{
    const char *own = ech_run_setting_of(run, key);
    return own != NULL && strcmp(own, value) == 0;
}

static bool same_text(const char *left, const char *right)
{
    return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

bool ech_runs_agree_on(const ech_runs *runs, const char *key)
{
    for (size_t i = 1; i < runs->count; i++) {
        if (!same_text(ech_run_setting_of(&runs->items[0], key),
                       ech_run_setting_of(&runs->items[i], key))) {
            return false;
        }
    }
    return true;
}

bool ech_run_setting_is_place(const char *key)
{
    static const char *const places[] = {"name",          "data.file",         "data.shards",
                                         "topology.file", "transfer_folder",   "redis.address",
                                         "redis.ca",      "redis.certificate", "redis.key"};
    static const char checkpoints[] = "checkpoint.";
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(key, places[i]) == 0) {
            return true;
        }
    }
    return strncmp(key, checkpoints, strlen(checkpoints)) == 0;
}

static bool is_among(const char *key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

ech_status ech_runs_keys(const ech_runs *runs, const char ***out, size_t *count)
{
    size_t most = 0;
    for (size_t i = 0; i < runs->count; i++) {
        most += runs->items[i].setting_count;
    }
    *count = 0;
    *out = ech_calloc(most, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < runs->count; i++) {
        for (size_t j = 0; j < runs->items[i].setting_count; j++) {
            const char *key = runs->items[i].settings[j].key;
            if (!is_among(key, *out, *count)) {
                (*out)[(*count)++] = key;
            }
        }
    }
    return ECH_OK;
}

void ech_run_write_distinction(const ech_run *run, const char *key, ech_buffer *out)
{
    const char *value = ech_run_setting_of(run, key);
    const char *dot = strrchr(key, '.');
    const char *word = dot != NULL ? dot + 1 : key;
    double number;
    bool truth;
    ech_buffer_add(out, out->length > 0 ? ", " : "");
    if (value == NULL) {
        ech_buffer_format(out, "no %s", word);
    } else if (ech_text_read_real(value, &number) || ech_text_read_bool(value, &truth)) {
        ech_buffer_format(out, "%s %s", word, value);
    } else {
        ech_buffer_add(out, value);
    }
}

/* Which runs are told apart so far: two of the same group are not. */
typedef struct {
    size_t *group; /* by run: the first run that looks like it */
    const char *keys[LABEL_KEYS_MAX];
    size_t key_count;
} label_choice;

static bool same_setting(const ech_runs *runs, size_t one, size_t other, const char *key)
{
    return same_text(ech_run_setting_of(&runs->items[one], key),
                     ech_run_setting_of(&runs->items[other], key));
}

/* Would the key tell two runs apart that are alike so far? */
static bool tells_more(const ech_runs *runs, const label_choice *choice, const char *key)
{
    for (size_t i = 0; i < runs->count; i++) {
        if (!same_setting(runs, i, choice->group[i], key)) {
            return true;
        }
    }
    return false;
}

static void choose_key(const ech_runs *runs, label_choice *choice, const char *key)
{
    choice->keys[choice->key_count++] = key;
    for (size_t i = runs->count; i-- > 0;) {
        size_t first = choice->group[i];
        while (first < i &&
               !(choice->group[first] == choice->group[i] && same_setting(runs, first, i, key))) {
            first++;
        }
        choice->group[i] = first;
    }
}

static bool all_have(const ech_runs *runs, const char *key)
{
    for (size_t i = 0; i < runs->count; i++) {
        if (ech_run_setting_of(&runs->items[i], key) == NULL) {
            return false;
        }
    }
    return true;
}

/* The keys that matter: those which all runs have and do not agree on; a key that only some of
 * them have follows from another most of the time, and counts where it does not. */
static ech_status choose_keys(const ech_runs *runs, const char *const *keys, size_t key_count,
                              label_choice *choice)
{
    *choice = (label_choice){.group = ech_calloc(runs->count, sizeof *choice->group)};
    if (choice->group == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (int of_all = 1; of_all >= 0; of_all--) {
        for (size_t i = 0; i < key_count && choice->key_count < LABEL_KEYS_MAX; i++) {
            if (!ech_run_setting_is_place(keys[i]) && all_have(runs, keys[i]) == (of_all == 1) &&
                (of_all == 1 ? !ech_runs_agree_on(runs, keys[i])
                             : tells_more(runs, choice, keys[i]))) {
                choose_key(runs, choice, keys[i]);
            }
        }
    }
    ech_free(choice->group);
    choice->group = NULL;
    return ECH_OK;
}

static bool ranks_differ(const ech_runs *runs)
{
    for (size_t i = 1; i < runs->count; i++) {
        if (!same_text(ech_run_fact(&runs->items[0], "ranks"),
                       ech_run_fact(&runs->items[i], "ranks"))) {
            return true;
        }
    }
    return false;
}

static void add_differences(const ech_runs *runs, const ech_run *run, const label_choice *choice,
                            ech_buffer *label)
{
    for (size_t i = 0; i < choice->key_count; i++) {
        if (label->length == 0 || ech_run_setting_of(run, choice->keys[i]) != NULL) {
            ech_run_write_distinction(run, choice->keys[i], label);
        }
    }
    const char *ranks = ech_run_fact(run, "ranks");
    if (ranks != NULL && ranks_differ(runs)) {
        ech_buffer_format(label, "%s%s rank%s", label->length > 0 ? ", " : "", ranks,
                          strcmp(ranks, "1") == 0 ? "" : "s");
    }
}

/* The folder that holds the record, or the file's name where there is none. */
static void add_folder(ech_buffer *label, const char *path)
{
    const char *end = strrchr(path, '/');
    const char *begin = end != NULL ? end : path;
    while (end != NULL && begin > path && begin[-1] != '/') {
        begin--;
    }
    const size_t bytes = end != NULL && end > begin ? (size_t)(end - begin) : strlen(path);
    ech_buffer_add(label, label->length > 0 ? " (" : "(");
    ech_buffer_add_bytes(label, end != NULL && end > begin ? begin : path, bytes);
    ech_buffer_add(label, ")");
}

static bool labels_are_distinct(const ech_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        for (size_t j = i + 1; j < runs->count; j++) {
            if (strcmp(runs->items[i].label, runs->items[j].label) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* How labels are made; each is tried until all runs are told apart. */
typedef enum { BY_NAME, BY_DIFFERENCES, BY_FOLDER, BY_NUMBER, WAYS } label_way;

static ech_status make_label(const ech_runs *runs, size_t number, label_way way,
                             const label_choice *choice)
{
    ech_run *run = &runs->items[number];
    const char *name = ech_run_setting_of(run, "name");
    ech_buffer label = {0};
    if (way != BY_DIFFERENCES && name != NULL) {
        ech_buffer_add(&label, name);
    }
    if (way == BY_DIFFERENCES) {
        add_differences(runs, run, choice, &label);
    } else if (way == BY_FOLDER) {
        add_folder(&label, run->info->path);
    } else if (way == BY_NUMBER) {
        ech_buffer_format(&label, " #%zu", number + 1);
    }
    ech_buffer_add(&label, label.length == 0 ? "run" : "");
    ech_free(run->label);
    run->label = label.status == ECH_OK ? ech_strdup(label.bytes) : NULL;
    ech_buffer_clear(&label);
    return run->label != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status make_labels(ech_runs *runs)
{
    const char **keys = NULL;
    size_t key_count = 0;
    label_choice choice = {.key_count = 0};
    ech_status status = ech_runs_keys(runs, &keys, &key_count);
    if (status == ECH_OK) {
        status = choose_keys(runs, keys, key_count, &choice);
    }
    for (label_way way = BY_NAME; status == ECH_OK && way < WAYS; way++) {
        for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
            status = make_label(runs, i, way, &choice);
        }
        if (status == ECH_OK && labels_are_distinct(runs)) {
            break;
        }
    }
    ech_free(keys);
    return status;
}

ech_status ech_runs_open(ech_io *io, const char *const *paths, size_t count, ech_runs *out)
{
    *out = (ech_runs){0};
    out->items = ech_calloc(count, sizeof *out->items);
    if (out->items == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        out->count++;
        const ech_status opened = open_run(io, paths[i], &out->items[i]);
        if (opened != ECH_OK) {
            return opened;
        }
    }
    return make_labels(out);
}

void ech_runs_close(ech_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        ech_run *run = &runs->items[i];
        for (size_t j = 0; j < run->setting_count; j++) {
            ech_free(run->settings[j].key);
            ech_free(run->settings[j].value);
        }
        ech_free(run->settings);
        ech_free(run->rounds);
        ech_free(run->label);
        ech_record_close(&run->record);
    }
    ech_free(runs->items);
    *runs = (ech_runs){0};
}

ech_status ech_run_visit(const ech_run *run, ech_record_table table, ech_record_visitor visit,
                         void *self)
{
    return ech_record_visit(run->record, table, run->info->rows[table], visit, self);
}
