#include <string.h>

#include "kernels/models.h"
#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml.h"

enum { NAMES_MAX = 64 };
static const int64_t size_max = 1 << 24;

/* A name given by `as`, and the value it stands for. */
typedef struct {
    const char *text;
    ech_value value;
} label;

/* A file on its way to a network. */
typedef struct {
    ech_network *network;
    label labels[NAMES_MAX];
    uint32_t label_count;
    ech_value previous;
} reader;

/* One layer: its kind's node and the settings in it. */
typedef struct {
    reader *in;
    const ech_yaml_node *node;
    ech_value input;
    ech_status status; /* of the first key that could not be read */
} layer_node;

/* Remember a failure; the network's builders then do nothing, and its message stays. */
static void note(layer_node *layer, ech_status status)
{
    layer->status = status;
    layer->in->network->status = status;
}

static uint32_t read_size(layer_node *layer, const char *key, int64_t least, int64_t fallback)
{
    const ech_yaml_node *node = ech_yaml_find(layer->node, key);
    int64_t number = fallback;
    if (layer->status != ECH_OK || (node == NULL && fallback >= 0)) {
        return (uint32_t)number;
    }
    if (node == NULL) {
        note(layer, ech_yaml_fail(layer->node, "a layer without %s", key));
        return 0;
    }
    note(layer, ech_yaml_read_integer(node, key, &number));
    if (layer->status == ECH_OK && (number < least || number > size_max)) {
        note(layer, ech_yaml_fail(node, "%s: expected a number from %lld to %lld, got %lld", key,
                                  (long long)least, (long long)size_max, (long long)number));
    }
    return (uint32_t)number;
}

static bool read_flag(layer_node *layer, const char *key, bool fallback)
{
    const ech_yaml_node *node = ech_yaml_find(layer->node, key);
    bool flag = fallback;
    if (layer->status == ECH_OK && node != NULL) {
        note(layer, ech_yaml_read_bool(node, key, &flag));
    }
    return flag;
}

static const char *read_name(layer_node *layer)
{
    const ech_yaml_node *node = ech_yaml_find(layer->node, "name");
    const char *name = "";
    if (layer->status == ECH_OK && node == NULL) {
        note(layer, ech_yaml_fail(layer->node, "a layer with weights and without name"));
    } else if (layer->status == ECH_OK) {
        note(layer, ech_yaml_read_text(node, "name", &name));
    }
    return name;
}

static ech_sliding_window read_window(layer_node *layer, bool is_pool)
{
    const uint32_t kernel = read_size(layer, "kernel", 1, -1);
    const uint32_t stride = read_size(layer, "stride", 1, is_pool ? (int64_t)kernel : 1);
    return ech_square(kernel, stride, read_size(layer, "pad", 0, 0));
}

static ech_status find_value(const reader *in, const ech_yaml_node *node, ech_value *out)
{
    const char *name = NULL;
    const ech_status status = ech_yaml_read_text(node, "input", &name);
    if (status != ECH_OK) {
        return status;
    }
    if (strcmp(name, "previous") == 0) {
        *out = in->previous;
        return ECH_OK;
    }
    if (strcmp(name, "input") == 0) {
        *out = ECH_VALUE_INPUT;
        return ECH_OK;
    }
    for (uint32_t i = 0; i < in->label_count; i++) {
        if (strcmp(in->labels[i].text, name) == 0) {
            *out = in->labels[i].value;
            return ECH_OK;
        }
    }
    return ech_yaml_fail(node, "no layer above is called '%s' by 'as'", name);
}

/* The values of `inputs`, for layers that join several. */
static uint32_t read_inputs(layer_node *layer, ech_value values[ECH_LAYER_INPUTS_MAX])
{
    const ech_yaml_node *list = ech_yaml_find(layer->node, "inputs");
    const size_t count = list != NULL ? ech_yaml_count(list) : 0;
    if (list == NULL || ech_yaml_node_kind(list) != ECH_YAML_SEQUENCE || count < 2 ||
        count > ECH_LAYER_INPUTS_MAX) {
        note(layer, ech_yaml_fail(layer->node, "inputs: expected a list of 2 to %d names",
                                  ECH_LAYER_INPUTS_MAX));
        return 0;
    }
    for (size_t i = 0; i < count && layer->status == ECH_OK; i++) {
        note(layer, find_value(layer->in, ech_yaml_item(list, i), &values[i]));
    }
    return (uint32_t)count;
}

static ech_value add_conv(layer_node *layer)
{
    const ech_conv conv = {
        .filters = read_size(layer, "filters", 1, -1),
        .window = read_window(layer, false),
        .groups = read_size(layer, "groups", 1, 1),
        .without_bias = !read_flag(layer, "bias", true),
    };
    return ech_network_conv(layer->in->network, layer->input, read_name(layer), conv);
}

static ech_value add_linear(layer_node *layer)
{
    const ech_linear linear = {
        .outputs = read_size(layer, "outputs", 1, layer->in->network->classes),
        .without_bias = !read_flag(layer, "bias", true),
    };
    return ech_network_linear(layer->in->network, layer->input, read_name(layer), linear);
}

static ech_value add_batch_norm(layer_node *layer)
{
    return ech_network_batch_norm(layer->in->network, layer->input, read_name(layer));
}

static ech_value add_relu(layer_node *layer)
{
    return ech_network_relu(layer->in->network, layer->input);
}

static ech_rounding read_rounding(layer_node *layer)
{
    return read_flag(layer, "ceil", false) ? ECH_ROUND_CEIL : ECH_ROUND_FLOOR;
}

static ech_value add_max_pool(layer_node *layer)
{
    const ech_sliding_window window = read_window(layer, true);
    return ech_network_max_pool(layer->in->network, layer->input, window, read_rounding(layer));
}

static ech_value add_avg_pool(layer_node *layer)
{
    const ech_sliding_window window = read_window(layer, true);
    return ech_network_avg_pool(layer->in->network, layer->input, window, read_rounding(layer),
                                true);
}

static ech_value add_adaptive_avg_pool(layer_node *layer)
{
    const uint32_t height = read_size(layer, "height", 1, 1);
    return ech_network_adaptive_avg_pool(layer->in->network, layer->input, height,
                                         read_size(layer, "width", 1, 1));
}

static ech_value add_dropout(layer_node *layer)
{
    const ech_yaml_node *node = ech_yaml_find(layer->node, "probability");
    double probability = 0.5;
    if (node != NULL) {
        note(layer, ech_yaml_read_real(node, "probability", &probability));
    }
    return ech_network_dropout(layer->in->network, layer->input, probability);
}

static ech_value add_add(layer_node *layer)
{
    ech_value values[ECH_LAYER_INPUTS_MAX] = {0};
    if (read_inputs(layer, values) != 2 && layer->status == ECH_OK) {
        note(layer, ech_yaml_fail(layer->node, "inputs: expected two names to add"));
    }
    return ech_network_add(layer->in->network, values[0], values[1]);
}

static ech_value add_concat(layer_node *layer)
{
    ech_value values[ECH_LAYER_INPUTS_MAX] = {0};
    const uint32_t count = read_inputs(layer, values);
    return ech_network_concat(layer->in->network, values, count);
}

enum { KEYS_MAX = 8 };

static const struct {
    const char *name;
    const char *keys[KEYS_MAX]; /* besides `input` and `as`; ends with NULL */
    ech_value (*add)(layer_node *layer);
} kinds[] = {
    {"conv", {"name", "filters", "kernel", "stride", "pad", "groups", "bias"}, add_conv},
    {"linear", {"name", "outputs", "bias"}, add_linear},
    {"batch_norm", {"name"}, add_batch_norm},
    {"relu", {NULL}, add_relu},
    {"max_pool", {"kernel", "stride", "pad", "ceil"}, add_max_pool},
    {"avg_pool", {"kernel", "stride", "pad", "ceil"}, add_avg_pool},
    {"adaptive_avg_pool", {"height", "width"}, add_adaptive_avg_pool},
    {"dropout", {"probability"}, add_dropout},
    {"add", {"inputs"}, add_add},
    {"concat", {"inputs"}, add_concat},
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static ech_status find_kind(const ech_yaml_node *node, const char *name, size_t *out)
{
    const char *names[KIND_COUNT];
    for (size_t k = 0; k < KIND_COUNT; k++) {
        names[k] = kinds[k].name;
        if (strcmp(name, names[k]) == 0) {
            *out = k;
            return ECH_OK;
        }
    }
    const char *nearest = ech_text_nearest(name, names, KIND_COUNT);
    return ech_yaml_fail(node, "unknown kind of layer '%s'%s%s", name,
                         nearest != NULL ? ", meant is perhaps " : "",
                         nearest != NULL ? nearest : "");
}

static ech_status check_keys(const ech_yaml_node *node, size_t kind)
{
    for (size_t i = 0; i < ech_yaml_count(node); i++) {
        const char *key = ech_yaml_key(node, i);
        bool known = strcmp(key, "input") == 0 || strcmp(key, "as") == 0;
        for (size_t k = 0; k < KEYS_MAX && kinds[kind].keys[k] != NULL; k++) {
            known = known || strcmp(key, kinds[kind].keys[k]) == 0;
        }
        if (!known) {
            return ech_yaml_fail(ech_yaml_item(node, i), "%s has no key '%s'", kinds[kind].name,
                                 key);
        }
    }
    return ECH_OK;
}

/* Give the layer's output the name that `as` says. */
static ech_status name_output(reader *in, const ech_yaml_node *node)
{
    const ech_yaml_node *as = ech_yaml_find(node, "as");
    if (as == NULL) {
        return ECH_OK;
    }
    if (in->label_count == NAMES_MAX) {
        return ech_yaml_fail(as, "more than %d names by 'as'", NAMES_MAX);
    }
    label *name = &in->labels[in->label_count++];
    name->value = in->previous;
    return ech_yaml_read_text(as, "as", &name->text);
}

/* `relu` alone, or `conv: {...}`. */
static ech_status read_layer(reader *in, const ech_yaml_node *item)
{
    size_t kind = 0;
    const bool is_word = ech_yaml_node_kind(item) == ECH_YAML_SCALAR;
    if (!is_word && (ech_yaml_node_kind(item) != ECH_YAML_MAPPING || ech_yaml_count(item) != 1)) {
        return ech_yaml_fail(item, "expected one layer, such as conv: {name: conv1, ...}");
    }
    const ech_yaml_node *node = is_word ? item : ech_yaml_item(item, 0);
    ech_status status =
        find_kind(item, is_word ? ech_yaml_text(item) : ech_yaml_key(item, 0), &kind);
    if (status == ECH_OK && !is_word && ech_yaml_node_kind(node) != ECH_YAML_MAPPING) {
        status = ech_yaml_fail(node, "%s: expected its settings in braces", kinds[kind].name);
    }
    if (status == ECH_OK) {
        status = check_keys(node, kind);
    }
    layer_node layer = {.in = in, .node = node, .input = in->previous};
    const ech_yaml_node *input = ech_yaml_find(node, "input");
    if (status == ECH_OK && input != NULL) {
        status = find_value(in, input, &layer.input);
    }
    if (status != ECH_OK) {
        return status;
    }
    const ech_value output = kinds[kind].add(&layer);
    if (layer.status != ECH_OK) {
        return layer.status;
    }
    if (in->network->status != ECH_OK) {
        return ech_yaml_fail(item, "%s", in->network->message);
    }
    in->previous = output;
    return name_output(in, node);
}

static ech_status read_shape(const ech_yaml_node *root, ech_shape *shape)
{
    const ech_yaml_node *list = ech_yaml_find(root, "input");
    int64_t sizes[3] = {0};
    if (list == NULL || ech_yaml_node_kind(list) != ECH_YAML_SEQUENCE ||
        ech_yaml_count(list) != 3) {
        return ech_yaml_fail(root, "input: expected [channels, height, width]");
    }
    for (size_t i = 0; i < 3; i++) {
        const ech_status status = ech_yaml_read_integer(ech_yaml_item(list, i), "input", &sizes[i]);
        if (status != ECH_OK) {
            return status;
        }
        if (sizes[i] < 1 || sizes[i] > size_max) {
            return ech_yaml_fail(list, "input: sizes from 1 to %lld", (long long)size_max);
        }
    }
    *shape = (ech_shape){(uint32_t)sizes[0], (uint32_t)sizes[1], (uint32_t)sizes[2]};
    return ECH_OK;
}

static ech_status read_classes(const ech_yaml_node *root, uint32_t *classes)
{
    const ech_yaml_node *node = ech_yaml_find(root, "classes");
    int64_t number = 0;
    if (node == NULL) {
        return ech_yaml_fail(root, "classes: expected their number");
    }
    const ech_status status = ech_yaml_read_integer(node, "classes", &number);
    if (status == ECH_OK && (number < 1 || number > size_max)) {
        return ech_yaml_fail(node, "classes: expected a number from 1 to %lld",
                             (long long)size_max);
    }
    *classes = (uint32_t)number;
    return status;
}

static ech_status check_root(const ech_yaml_node *root)
{
    static const char *const keys[] = {"name", "input", "classes", "layers"};
    if (ech_yaml_node_kind(root) != ECH_YAML_MAPPING) {
        return ech_yaml_fail(root, "a model: expected the keys name, input, classes and layers");
    }
    for (size_t i = 0; i < ech_yaml_count(root); i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            known = known || strcmp(ech_yaml_key(root, i), keys[k]) == 0;
        }
        if (!known) {
            return ech_yaml_fail(ech_yaml_item(root, i), "a model has no key '%s'",
                                 ech_yaml_key(root, i));
        }
    }
    const ech_yaml_node *layers = ech_yaml_find(root, "layers");
    if (layers == NULL || ech_yaml_node_kind(layers) != ECH_YAML_SEQUENCE) {
        return ech_yaml_fail(root, "layers: expected a list of layers");
    }
    return ECH_OK;
}

static ech_status begin_network(const ech_yaml_node *root, const ech_shape *input, uint32_t classes,
                                ech_network **out)
{
    const ech_yaml_node *node = ech_yaml_find(root, "name");
    const char *name = "model";
    ech_shape shape = {0};
    ech_status status = node != NULL ? ech_yaml_read_text(node, "name", &name) : ECH_OK;
    if (status == ECH_OK && input != NULL) {
        shape = *input;
    } else if (status == ECH_OK) {
        status = read_shape(root, &shape);
    }
    if (status == ECH_OK && classes == 0) {
        status = read_classes(root, &classes);
    }
    return status == ECH_OK ? ech_network_create(name, shape, classes, out) : status;
}

static ech_status build(const ech_yaml_node *root, const ech_shape *input, uint32_t classes,
                        ech_network **out)
{
    reader in = {0};
    ech_status status = check_root(root);
    if (status == ECH_OK) {
        status = begin_network(root, input, classes, &in.network);
    }
    const ech_yaml_node *layers = ech_yaml_find(root, "layers");
    for (size_t i = 0; status == ECH_OK && i < ech_yaml_count(layers); i++) {
        status = read_layer(&in, ech_yaml_item(layers, i));
    }
    if (status == ECH_OK && ech_network_finish(in.network) != ECH_OK) {
        status = ech_yaml_fail(root, "%s", in.network->message);
    }
    if (status != ECH_OK) {
        ech_network_destroy(&in.network);
    }
    *out = in.network;
    return status;
}

ech_status ech_model_read_text(const char *text, size_t bytes, const char *source,
                               const ech_shape *input, uint32_t classes, ech_network **out)
{
    ech_yaml *document = NULL;
    *out = NULL;
    ech_status status = ech_yaml_load_text(text, bytes, source, &document);
    if (status == ECH_OK) {
        status = build(ech_yaml_root(document), input, classes, out);
    }
    ech_yaml_destroy(&document);
    return status;
}

ech_status ech_model_read(const char *path, const ech_shape *input, uint32_t classes,
                          ech_network **out)
{
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    ech_status status = ech_yaml_file_text(path, &text, &bytes);
    if (status == ECH_OK) {
        status = ech_model_read_text(text, bytes, path, input, classes, out);
    }
    ech_free(text);
    return status;
}

ech_status ech_model_open(const char *name_or_path, const ech_shape *input, uint32_t classes,
                          ech_network **out)
{
    if (strpbrk(name_or_path, "./") != NULL) {
        return ech_model_read(name_or_path, input, classes, out);
    }
    return ech_model_create(name_or_path, input, classes, out);
}
