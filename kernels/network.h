/**
 * @file network.h
 * A network as data: a list of layers, each with its name, its inputs and its sizes. Nothing here
 * computes; a plan (plan.h) turns a network into kernels and memory.
 *
 * A model is a short function that calls the builders below in the order of the forward pass:
 *
 *     ech_value x = ECH_VALUE_INPUT;
 *     x = ech_network_conv(net, x, "conv1", (ech_conv){.filters = 6, .window = ech_square(5, 1,
 * 0)}); x = ech_network_relu(net, x); x = ech_network_max_pool(net, x, ech_square(2, 2, 0),
 * ECH_ROUND_FLOOR); x = ech_network_linear(net, x, "fc", (ech_linear){.outputs = 10}); return
 * ech_network_finish(net);
 *
 * A builder that fails remembers its failure in the network and every later one does nothing;
 * `ech_network_finish` returns it. Parameters get PyTorch's names and shapes ("conv1.weight"), in
 * state_dict order, which is the order of the calls.
 *
 * Not collective. A finished network never changes; readable from any thread.
 */
#ifndef ECH_KERNELS_NETWORK_H
#define ECH_KERNELS_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"

/** One sample of a value: channels x height x width (a vector has height and width 1). */
typedef struct {
    uint32_t channels;
    uint32_t height;
    uint32_t width;
} ech_shape;

static inline uint64_t ech_shape_count(ech_shape shape)
{
    return (uint64_t)shape.channels * shape.height * shape.width;
}

/** What flows between layers: 0 is the network's input, i + 1 the output of layer i. */
typedef uint32_t ech_value;
enum { ECH_VALUE_INPUT = 0, ECH_LAYER_INPUTS_MAX = 8 };

typedef enum {
    ECH_LAYER_CONV,
    ECH_LAYER_LINEAR,
    ECH_LAYER_BATCH_NORM,
    ECH_LAYER_RELU,
    ECH_LAYER_MAX_POOL,
    ECH_LAYER_AVG_POOL,
    ECH_LAYER_ADAPTIVE_AVG_POOL,
    ECH_LAYER_DROPOUT,
    ECH_LAYER_ADD,
    ECH_LAYER_CONCAT, /* along the channels */
    ECH_LAYER_KIND_COUNT
} ech_layer_kind;

/** How a layer's weights and bias begin. The bias begins at zero unless said otherwise. */
typedef enum {
    ECH_INITIAL_TORCH,           /* PyTorch's default: weight and bias U(+-1/sqrt(fan in)) */
    ECH_INITIAL_KAIMING_UNIFORM, /* U(+-sqrt(6/fan in)): torchvision's SqueezeNet */
    ECH_INITIAL_KAIMING_NORMAL,  /* N(0, 2/fan out): torchvision's ResNet */
    ECH_INITIAL_NORMAL_SMALL,    /* N(0, 0.01^2): the last convolution of SqueezeNet */
} ech_initial;

typedef enum { ECH_ROUND_FLOOR, ECH_ROUND_CEIL } ech_rounding;

/** Geometry of a sliding window. */
typedef struct {
    uint32_t kernel_height, kernel_width;
    uint32_t stride_height, stride_width;
    uint32_t pad_height, pad_width; /* zeros on both sides (pooling: nothing there to choose) */
} ech_sliding_window;

/** A square window. */
static inline ech_sliding_window ech_square(uint32_t kernel, uint32_t stride, uint32_t pad)
{
    return (ech_sliding_window){kernel, kernel, stride, stride, pad, pad};
}

typedef struct {
    uint32_t filters;
    ech_sliding_window window;
    uint32_t groups; /* 0 means 1 */
    bool without_bias;
    ech_initial initial;
} ech_conv;

typedef struct {
    uint32_t outputs;
    bool without_bias;
    ech_initial initial;
} ech_linear;

enum { ECH_TENSOR_NONE = UINT32_MAX };

typedef struct {
    ech_layer_kind kind;
    char name[ECH_LAYOUT_NAME_BYTES]; /* prefix of its tensors; "" for a layer without any */
    ech_value inputs[ECH_LAYER_INPUTS_MAX];
    uint32_t input_count;
    ech_shape in;  /* of inputs[0] */
    ech_shape out; /* of its output */

    ech_sliding_window window; /* conv, max and average pool */
    uint32_t groups;           /* conv */
    bool count_padding;  /* average pool: divide by the window's full size (PyTorch's default) */
    double probability;  /* dropout: of setting an element to zero */
    double epsilon;      /* batch norm: 1e-5 */
    double momentum;     /* batch norm: 0.1, the weight of the new statistics */
    ech_initial initial; /* conv, linear */

    /* Numbers of its tensors in the layout, ECH_TENSOR_NONE where there is none. */
    uint32_t weight, bias, running_mean, running_variance, batches_tracked;
} ech_layer;

typedef struct {
    char name[ECH_LAYOUT_NAME_BYTES]; /* the model's */
    ech_shape input;
    uint32_t classes;
    ech_layer *layers; /* in an order of execution */
    uint32_t layer_count;
    size_t layer_capacity;
    ech_layout *layout;
    ech_status status; /* of the first builder that failed */
    char message[256]; /* its message */
} ech_network;

/** An empty network. @return ECH_OK; ECH_ERR_ARGUMENT (a size of 0, a long name); ECH_ERR_MEMORY.
 */
ech_status ech_network_create(const char *name, ech_shape input, uint32_t classes,
                              ech_network **out);
void ech_network_destroy(ech_network **network);

/* Builders. Each returns the layer's output. Names are borrowed during the call only. */

/** Convolution; window.kernel and stride at least 1. Tensors NAME.weight [filters, C / groups, kh,
 *  kw], NAME.bias. */
ech_value ech_network_conv(ech_network *network, ech_value input, const char *name, ech_conv conv);
/** Fully connected; an input of C x H x W is flattened in that order. */
ech_value ech_network_linear(ech_network *network, ech_value input, const char *name,
                             ech_linear linear);
/** Batch norm over N, H, W: training with the batch's biased variance, running statistics with
 *  momentum 0.1 and the unbiased one, as PyTorch's. */
ech_value ech_network_batch_norm(ech_network *network, ech_value input, const char *name);
ech_value ech_network_relu(ech_network *network, ech_value input);
ech_value ech_network_max_pool(ech_network *network, ech_value input, ech_sliding_window window,
                               ech_rounding rounding);
ech_value ech_network_avg_pool(ech_network *network, ech_value input, ech_sliding_window window,
                               ech_rounding rounding, bool count_padding);
ech_value ech_network_adaptive_avg_pool(ech_network *network, ech_value input, uint32_t height,
                                        uint32_t width);
ech_value ech_network_dropout(ech_network *network, ech_value input, double probability);
ech_value ech_network_add(ech_network *network, ech_value left, ech_value right);
ech_value ech_network_concat(ech_network *network, const ech_value *inputs, uint32_t count);

/** End building: the last layer must give `classes` numbers a sample. Returns the first failure,
 *  with its message. */
ech_status ech_network_finish(ech_network *network);

/** Shape of one sample of a value. */
ech_shape ech_network_shape(const ech_network *network, ech_value value);

/** Multiply-adds of one sample's forward pass, convolutions and linear layers only. */
uint64_t ech_network_forward_macs(const ech_network *network);

/** Multiply-adds of one layer for one sample's forward pass. */
uint64_t ech_layer_forward_macs(const ech_layer *layer);

/** Fingerprint of what the network computes: its layers in order, their sizes, inputs and names. */
ech_hash128 ech_network_hash(const ech_network *network);

/** "conv", "linear", ... Never NULL. */
const char *ech_layer_kind_name(ech_layer_kind kind);

/**
 * Fill a state with the model's first values, from (seed, ECH_RANDOM_INITIALISE, 0, tensor number).
 * Running means 0, variances 1, counters 0.
 */
void ech_network_initialise(const ech_network *network, uint64_t seed, ech_state state);

#endif
