#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "kernels/blocked/convolution.h"
#include "kernels/blocked/reorder.h"
#include "kernels/format.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

/* A convolution's three results against plain loops in double. */

typedef struct {
    const char *name;
    ech_shape in;
    uint32_t filters;
    ech_sliding_window window;
    uint32_t groups;
    uint32_t batch;
} geometry;

static const geometry geometries[] = {
    {"3x3 of one block", {64, 9, 9}, 64, {3, 3, 1, 1, 1, 1}, 1, 3},
    {"3x3 of narrow rows", {128, 7, 7}, 64, {3, 3, 1, 1, 1, 1}, 1, 2},
    {"long rows cut in two", {16, 3, 109}, 32, {3, 3, 1, 1, 1, 1}, 1, 2},
    {"3x3 stride 2", {64, 8, 8}, 128, {3, 3, 2, 2, 1, 1}, 1, 2},
    {"3x3 stride 2, odd size, no padding", {32, 9, 9}, 64, {3, 3, 2, 2, 0, 0}, 1, 2},
    {"3x3 stride 2, last column unused", {32, 8, 8}, 32, {3, 3, 2, 2, 0, 0}, 1, 2},
    {"1x1", {64, 6, 6}, 256, {1, 1, 1, 1, 0, 0}, 1, 3},
    {"1x1, a prime number of positions", {48, 13, 1}, 96, {1, 1, 1, 1, 0, 0}, 1, 3},
    {"1x1 stride 2", {64, 8, 8}, 128, {1, 1, 2, 2, 0, 0}, 1, 2},
    {"1x1 stride 3, padded", {32, 7, 7}, 32, {1, 1, 3, 3, 1, 1}, 1, 2},
    {"7x7 stride 2 of three channels", {3, 20, 20}, 64, {7, 7, 2, 2, 3, 3}, 1, 2},
    {"5x5 of one channel", {1, 12, 12}, 32, {5, 5, 1, 1, 2, 2}, 1, 5},
    {"5x5 of six channels", {6, 12, 12}, 16, {5, 5, 1, 1, 0, 0}, 1, 3},
    {"3x3 to 1000 filters", {16, 4, 4}, 1000, {1, 1, 1, 1, 0, 0}, 1, 2},
    {"1x1 from 1000 channels", {1000, 2, 2}, 20, {1, 1, 1, 1, 0, 0}, 1, 2},
    {"kernel and padding of two sizes", {32, 6, 9}, 32, {3, 5, 1, 2, 2, 1}, 1, 2},
    {"stride above the kernel", {16, 11, 11}, 16, {2, 2, 4, 4, 0, 0}, 1, 2},
    {"two groups", {64, 6, 6}, 128, {3, 3, 1, 1, 1, 1}, 2, 2},
    {"groups that no block fits", {20, 6, 6}, 30, {3, 3, 2, 2, 1, 1}, 5, 2},
    {"a group a channel", {32, 6, 6}, 32, {3, 3, 1, 1, 1, 1}, 32, 2},
    {"few positions, many images", {64, 2, 2}, 64, {3, 3, 1, 1, 1, 1}, 1, 20},
    {"few positions, stride 2", {64, 3, 4}, 32, {3, 3, 2, 2, 1, 1}, 1, 70},
    {"one position", {32, 1, 1}, 64, {1, 1, 1, 1, 0, 0}, 1, 9},
    {"many positions", {16, 40, 30}, 32, {3, 3, 1, 1, 1, 1}, 1, 3},
    {"large weights", {512, 4, 4}, 512, {3, 3, 1, 1, 1, 1}, 1, 2},
};
enum { GEOMETRY_COUNT = sizeof geometries / sizeof geometries[0] };

static float *random_floats(size_t count, uint64_t name)
{
    ech_random stream = ech_random_stream(7, ECH_RANDOM_TEST, name, 0, 0);
    float *values = ech_calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = 2.0f * ech_random_uniform_float(&stream) - 1.0f;
    }
    return values;
}

static ech_shape output_shape(const geometry *g)
{
    const ech_sliding_window *w = &g->window;
    return (ech_shape){g->filters,
                       (g->in.height + 2 * w->pad_height - w->kernel_height) / w->stride_height + 1,
                       (g->in.width + 2 * w->pad_width - w->kernel_width) / w->stride_width + 1};
}

typedef enum { FORWARD, BY_INPUT, BY_WEIGHTS } which_result;

/* Tensors in PyTorch's order. One of them, named by the direction, is made from the two others. */
typedef struct {
    double *input, *weights, *output;
} plain_tensors;

static void plain_one(which_result direction, const plain_tensors *t, size_t output_at,
                      size_t weights_at, size_t input_at)
{
    if (direction == FORWARD) {
        t->output[output_at] += t->input[input_at] * t->weights[weights_at];
    } else if (direction == BY_INPUT) {
        t->input[input_at] += t->output[output_at] * t->weights[weights_at];
    } else {
        t->weights[weights_at] += t->output[output_at] * t->input[input_at];
    }
}

/* All products of one output element, which is stored at `output_at`. */
static void plain_window(const geometry *g, which_result direction, const plain_tensors *t,
                         const size_t at[4], size_t output_at)
{
    const ech_sliding_window *w = &g->window;
    const size_t channels = g->in.channels / g->groups;
    const size_t first = at[1] / (g->filters / g->groups) * channels;
    for (size_t c = 0; c < channels; c++) {
        for (size_t r = 0; r < w->kernel_height; r++) {
            for (size_t s = 0; s < w->kernel_width; s++) {
                const size_t y = at[2] * w->stride_height + r - w->pad_height;
                const size_t x = at[3] * w->stride_width + s - w->pad_width;
                if (y < g->in.height && x < g->in.width) {
                    plain_one(direction, t, output_at,
                              ((at[1] * channels + c) * w->kernel_height + r) * w->kernel_width + s,
                              ((at[0] * g->in.channels + first + c) * g->in.height + y) *
                                      g->in.width +
                                  x);
                }
            }
        }
    }
}

static void plain_convolution(const geometry *g, which_result direction, const plain_tensors *t)
{
    const ech_shape out = output_shape(g);
    size_t output_at = 0;
    for (size_t n = 0; n < g->batch; n++) {
        for (size_t k = 0; k < out.channels; k++) {
            for (size_t y = 0; y < out.height; y++) {
                for (size_t x = 0; x < out.width; x++) {
                    plain_window(g, direction, t, (const size_t[4]){n, k, y, x}, output_at++);
                }
            }
        }
    }
}

static double *widen(const float *values, size_t count)
{
    double *wide = ech_calloc(count, sizeof *wide);
    for (size_t i = 0; i < count; i++) {
        wide[i] = (double)values[i];
    }
    return wide;
}

static void expect_close(const geometry *g, const char *what, const float *got, const double *want,
                         size_t count)
{
    double squares = 0.0, worst = 0.0;
    for (size_t i = 0; i < count; i++) {
        squares += want[i] * want[i];
        worst = fmax(worst, fabs((double)got[i] - want[i]));
    }
    const double rms = sqrt(squares / (double)count);
    cr_expect(worst <= 2e-5 * rms, "%s: %s is off by %g of its rms", g->name, what, worst / rms);
}

/* Everything of one case, in both arrangements. */
typedef struct {
    const geometry *g;
    ech_shape out;
    size_t in_count, out_count, weights_count;
    float *input, *weights, *gradient; /* PyTorch's order */
    float *blocked_input, *blocked_output, *blocked_gradient, *bordered, *blocked_input_gradient;
    float *view, *stored, *stored_gradient, *transposed, *plain_result;
    ech_convolution *convolution;
    size_t threads;
} fixture;

static size_t blocked_count(const fixture *f, ech_shape shape)
{
    return ech_format_count(ECH_FORMAT_BLOCKED, shape, f->g->batch);
}

static void setup(fixture *f, const geometry *g, size_t threads)
{
    *f = (fixture){.g = g, .out = output_shape(g), .threads = threads};
    const ech_convolution_spec spec = {g->in, f->out, g->window, g->groups, g->batch, true, true};
    cr_assert_eq(ech_convolution_create(&spec, &f->convolution), ECH_OK, "%s: %s", g->name,
                 ech_status_message());
    f->in_count = g->batch * ech_shape_count(g->in);
    f->out_count = g->batch * ech_shape_count(f->out);
    f->weights_count = (size_t)g->filters * (g->in.channels / g->groups) * g->window.kernel_height *
                       g->window.kernel_width;
    f->input = random_floats(f->in_count, 1);
    f->weights = random_floats(f->weights_count, 2);
    f->gradient = random_floats(f->out_count, 3);
    f->blocked_input = random_floats(blocked_count(f, g->in), 4);
    f->blocked_input_gradient = random_floats(blocked_count(f, g->in), 5);
    f->blocked_output = random_floats(blocked_count(f, f->out), 6);
    f->blocked_gradient = random_floats(blocked_count(f, f->out), 7);
    f->view = random_floats(ech_convolution_view_count(f->convolution) + 1, 8);
    f->bordered = random_floats(ech_convolution_gradient_count(f->convolution), 9);
    const size_t stored = ech_convolution_weights_count(f->convolution);
    f->stored = random_floats(stored, 10);
    f->stored_gradient = random_floats(stored, 11);
    f->transposed = random_floats(ech_convolution_transposed_count(f->convolution), 12);
    const size_t most = f->in_count > f->out_count ? f->in_count : f->out_count;
    f->plain_result = random_floats(most > f->weights_count ? most : f->weights_count, 13);
    ech_format_convert(ECH_FORMAT_PLAIN, f->input, ECH_FORMAT_BLOCKED, f->blocked_input, g->in,
                       g->batch, false, 1);
    ech_format_convert(ECH_FORMAT_PLAIN, f->gradient, ECH_FORMAT_BLOCKED, f->blocked_gradient,
                       f->out, g->batch, false, 1);
    ech_convolution_pack(f->convolution, f->weights, f->stored);
}

static void teardown(fixture *f)
{
    float *blocks[] = {f->input,
                       f->weights,
                       f->gradient,
                       f->blocked_input,
                       f->blocked_output,
                       f->blocked_gradient,
                       f->bordered,
                       f->view,
                       f->stored,
                       f->stored_gradient,
                       f->transposed,
                       f->plain_result,
                       f->blocked_input_gradient};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        ech_free(blocks[i]);
    }
    ech_convolution_destroy(&f->convolution);
}

static const float *run_view(fixture *f)
{
    if (ech_convolution_view_count(f->convolution) == 0) {
        return f->blocked_input;
    }
    ech_convolution_make_view(f->convolution, f->blocked_input, f->view, f->g->batch, f->threads);
    return f->view;
}

static void make_bordered(fixture *f)
{
    const uint32_t block = ech_format_channel_block(f->out.channels);
    const ech_blocked_size size = {f->g->batch, (f->out.channels + block - 1) / block,
                                   f->out.height, f->out.width, block};
    ech_reorder_pad(f->blocked_gradient, f->bordered, &size,
                    ech_convolution_border_rows(f->convolution),
                    ech_convolution_border_columns(f->convolution), f->threads);
}

static void run_all(fixture *f)
{
    const float *view = run_view(f);
    ech_convolution_forward(f->convolution, &(ech_direct_run_args){.in = view,
                                                                   .weights = f->stored,
                                                                   .out = f->blocked_output,
                                                                   .batch = f->g->batch,
                                                                   .threads = f->threads});
    make_bordered(f);
    ech_convolution_update(f->convolution,
                           &(ech_direct_update_args){.in = view,
                                                     .out_gradient = f->bordered,
                                                     .weights_gradient = f->stored_gradient,
                                                     .batch = f->g->batch,
                                                     .threads = f->threads});
    ech_convolution_transpose(f->convolution, f->stored, f->transposed, f->threads);
    ech_convolution_backward(f->convolution,
                             &(ech_direct_run_args){.in = f->bordered,
                                                    .weights = f->transposed,
                                                    .out = f->blocked_input_gradient,
                                                    .batch = f->g->batch,
                                                    .threads = f->threads});
}

static void check_direction(fixture *f, which_result direction)
{
    static const char *const names[] = {"the output", "the input's gradient",
                                        "the weights' gradient"};
    const geometry *g = f->g;
    plain_tensors t = {widen(f->input, f->in_count), widen(f->weights, f->weights_count),
                       widen(f->gradient, f->out_count)};
    double *wanted = direction == FORWARD ? t.output : direction == BY_INPUT ? t.input : t.weights;
    const size_t count = direction == FORWARD    ? f->out_count
                         : direction == BY_INPUT ? f->in_count
                                                 : f->weights_count;
    memset(wanted, 0, count * sizeof *wanted);
    plain_convolution(g, direction, &t);
    if (direction == FORWARD) {
        ech_format_convert(ECH_FORMAT_BLOCKED, f->blocked_output, ECH_FORMAT_PLAIN, f->plain_result,
                           f->out, g->batch, false, 1);
    } else if (direction == BY_INPUT) {
        ech_format_convert(ECH_FORMAT_BLOCKED, f->blocked_input_gradient, ECH_FORMAT_PLAIN,
                           f->plain_result, g->in, g->batch, false, 1);
    } else {
        ech_convolution_unpack(f->convolution, f->stored_gradient, f->plain_result);
    }
    expect_close(g, names[direction], f->plain_result, wanted, count);
    ech_free(t.input);
    ech_free(t.weights);
    ech_free(t.output);
}

Test(blocked_convolution, matches_plain_loops)
{
    for (size_t i = 0; i < GEOMETRY_COUNT; i++) {
        fixture f;
        setup(&f, &geometries[i], 1);
        run_all(&f);
        check_direction(&f, FORWARD);
        check_direction(&f, BY_INPUT);
        check_direction(&f, BY_WEIGHTS);
        teardown(&f);
    }
    cr_expect_eq(ech_memory_live_count(), 0);
}

Test(blocked_convolution, bits_do_not_depend_on_threads)
{
    for (size_t i = 0; i < GEOMETRY_COUNT; i++) {
        fixture one, three;
        setup(&one, &geometries[i], 1);
        setup(&three, &geometries[i], 3);
        run_all(&one);
        run_all(&three);
        cr_expect_arr_eq(one.blocked_output, three.blocked_output,
                         blocked_count(&one, one.out) * sizeof(float), "%s", geometries[i].name);
        cr_expect_arr_eq(one.blocked_input_gradient, three.blocked_input_gradient,
                         blocked_count(&one, one.g->in) * sizeof(float), "%s", geometries[i].name);
        cr_expect_arr_eq(one.stored_gradient, three.stored_gradient,
                         ech_convolution_weights_count(one.convolution) * sizeof(float), "%s",
                         geometries[i].name);
        teardown(&one);
        teardown(&three);
    }
}

Test(blocked_convolution, a_smaller_batch_and_accumulation)
{
    const geometry *g = &geometries[8]; /* 1x1 stride 2: three quarters of the inputs meet no tap */
    fixture f;
    setup(&f, g, 1);
    run_all(&f);
    const size_t image = blocked_count(&f, g->in) / g->batch;
    float *twice = random_floats(blocked_count(&f, g->in), 20);
    memcpy(twice, f.blocked_input_gradient, blocked_count(&f, g->in) * sizeof *twice);
    ech_convolution_backward(f.convolution, &(ech_direct_run_args){.in = f.bordered,
                                                                   .weights = f.transposed,
                                                                   .out = twice,
                                                                   .batch = 1,
                                                                   .accumulate = true,
                                                                   .threads = 1});
    for (size_t i = 0; i < 2 * image; i++) {
        const float once = f.blocked_input_gradient[i];
        cr_assert_float_eq(twice[i], i < image ? 2.0f * once : once, 1e-4f, "element %zu", i);
    }
    ech_free(twice);
    teardown(&f);
}

/* Products run along the images of a full batch there, and along positions otherwise. */
Test(blocked_convolution, a_partial_batch_gives_the_same_bits)
{
    for (size_t i = 0; i < GEOMETRY_COUNT; i++) {
        fixture f;
        setup(&f, &geometries[i], 1);
        run_all(&f);
        const size_t image = blocked_count(&f, f.out) / f.g->batch;
        float *alone = random_floats(blocked_count(&f, f.out), 20);
        ech_convolution_forward(
            f.convolution,
            &(ech_direct_run_args){
                .in = run_view(&f), .weights = f.stored, .out = alone, .batch = 1, .threads = 1});
        cr_expect_arr_eq(alone, f.blocked_output, image * sizeof *alone, "%s", f.g->name);
        ech_free(alone);
        teardown(&f);
    }
}
