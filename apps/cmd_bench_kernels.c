#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/arguments.h"
#include "apps/bench_kernels.h"
#include "apps/command.h"
#include "apps/open_model.h"
#include "runtime/base/json.h"

enum { KEY_SECONDS = 256, KEY_CLASSES, THREADS_MAX = 1024, BATCH_MAX = 65536 };

typedef struct {
    const char *model, *input;
    uint32_t classes;
    ech_bench_options options;
    bool json;
} arguments;

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case 'm':
        given->model = text;
        return 0;
    case 'i':
        given->input = text;
        return 0;
    case 'b':
        given->options.batch = (uint32_t)ech_argument_number(state, "batch", text, 1, BATCH_MAX);
        return 0;
    case 't':
        given->options.threads =
            (uint32_t)ech_argument_number(state, "threads", text, 1, THREADS_MAX);
        return 0;
    case 'e':
        given->options.engine = ech_argument_engine(state, text);
        return 0;
    case KEY_CLASSES:
        given->classes = (uint32_t)ech_argument_number(state, "classes", text, 1, INT32_MAX);
        return 0;
    case KEY_SECONDS:
        given->options.seconds = ech_argument_positive(state, "seconds", text);
        return 0;
    case 'j':
        given->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"model", 'm', "NAME", 0, "the model, or a file that describes one (smallconv)", 0},
    {"input", 'i', "C,H,W", 0, "shape of an image (the model's own)", 0},
    {"classes", KEY_CLASSES, "N", 0, "classes (the model's own)", 0},
    {"batch", 'b', "N", 0, "samples a step (32)", 0},
    {"threads", 't', "N", 0, "threads (1)", 0},
    {"engine", 'e', "NAME", 0, "auto (default), lanes, blocked, blas or reference", 0},
    {"seconds", KEY_SECONDS, "S", 0, "measure for at least this long (3)", 0},
    {"json", 'j', NULL, 0, "one JSON object on standard output", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .doc = "Measure training steps of a model on random images: gather, normalise, forward, loss, "
           "backward and update of fresh batches.",
};

static void print_step(const ech_step_info *info, double forward_ms, double backward_ms, void *user)
{
    ech_json *json = user;
    if (json == NULL) {
        printf("  %-9s %-40s forward %9.4f ms  backward %9.4f ms\n", info->engine, info->name,
               forward_ms, backward_ms);
        return;
    }
    ech_json_begin_object(json, NULL);
    ech_json_text(json, "name", info->name);
    ech_json_text(json, "engine", info->engine);
    ech_json_real(json, "forward_ms", forward_ms);
    ech_json_real(json, "backward_ms", backward_ms);
    ech_json_end_object(json);
}

static void write_result(ech_json *json, const arguments *given, const ech_bench_result *result)
{
    ech_json_text(json, "model", given->model);
    ech_json_unsigned(json, "batch", given->options.batch);
    ech_json_unsigned(json, "threads", given->options.threads);
    ech_json_text(json, "engine", ech_engine_choice_name(given->options.engine));
    ech_json_real(json, "samples_per_second", result->samples_per_second);
    ech_json_real(json, "step_ms", result->step_ms);
    ech_json_real(json, "step_ms_low", result->step_ms_low);
    ech_json_real(json, "step_ms_high", result->step_ms_high);
    ech_json_real(json, "gflops", result->gflops);
    ech_json_real(json, "peak_gflops", result->peak_gflops);
    ech_json_unsigned(json, "steps", result->steps);
    ech_json_unsigned(json, "peak_rss_bytes", result->peak_rss_bytes);
    ech_json_unsigned(json, "plan_bytes", result->plan_bytes);
    ech_json_unsigned(json, "held_bytes", result->held_bytes);
}

static void print_result(const arguments *given, const ech_bench_result *result)
{
    printf("%s, batch %u, %u threads: %.0f samples/s, step %.4f ms (%.4f to %.4f), "
           "%.1f GFLOP/s of %.1f a thread, %.1f MiB at most, plan %.1f MiB\n",
           given->model, given->options.batch, given->options.threads, result->samples_per_second,
           result->step_ms, result->step_ms_low, result->step_ms_high, result->gflops,
           result->peak_gflops, (double)result->peak_rss_bytes / 1048576.0,
           (double)result->plan_bytes / 1048576.0);
}

static ech_status measure(const arguments *given)
{
    ech_bench_result result;
    if (!given->json) {
        const ech_status status = ech_bench_kernels(&given->options, &result, print_step, NULL);
        if (status == ECH_OK) {
            print_result(given, &result);
        }
        return status;
    }
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_begin_list(&json, "layers");
    const ech_status status = ech_bench_kernels(&given->options, &result, print_step, &json);
    ech_json_end_list(&json);
    write_result(&json, given, &result);
    ech_json_end_object(&json);
    const ech_status written = ech_json_finish(&json);
    return status == ECH_OK ? written : status;
}

int ech_cmd_bench_kernels(int argc, char **argv)
{
    arguments given = {
        .model = "smallconv",
        .options = {.batch = 32, .threads = 1, .seconds = 3.0},
    };
    argp_parse(&parser, argc, argv, 0, NULL, &given);
    ech_network *network = NULL;
    ech_status status = ech_open_model(given.model, given.input, given.classes, &network);
    if (status == ECH_OK) {
        given.options.network = network;
        status = measure(&given);
    }
    ech_network_destroy(&network);
    return ech_command_exit(status);
}
