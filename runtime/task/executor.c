#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"

enum {
    DEFAULT_PENDING = 1 << 20,
    DEFAULT_RELEASED = 4096,
    RELEASED_MIN = 64,
    RELEASED_MAX = 32768
};
static const uint64_t default_arena_bytes = (uint64_t)64 << 20;

static const ech_executor_variant *const variants[] = {
    [ECH_EXECUTOR_SERIAL] = &ech_executor_serial,
    [ECH_EXECUTOR_THREADS] = &ech_executor_threads,
    [ECH_EXECUTOR_MPI] = &ech_executor_mpi,
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

ech_status ech_executor_kind_parse(const char *text, ech_executor_kind *out)
{
    for (size_t i = 0; i < VARIANTS; i++) {
        if (strcmp(text, variants[i]->name) == 0) {
            *out = (ech_executor_kind)i;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_ARGUMENT, "no executor is named '%s': serial, threads or mpi", text);
}

static ech_status fill_defaults(ech_executor_options *options)
{
    if (options->pending_max == 0) {
        options->pending_max = DEFAULT_PENDING;
    }
    if (options->released_max == 0) {
        options->released_max = DEFAULT_RELEASED;
    }
    if (options->arena_bytes == 0) {
        options->arena_bytes = default_arena_bytes;
    }
    if (options->released_max < RELEASED_MIN || options->released_max > RELEASED_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "released_max is %u, not between %d and %d",
                        options->released_max, RELEASED_MIN, RELEASED_MAX);
    }
    if ((unsigned)options->kind >= VARIANTS) {
        return ech_fail(ECH_ERR_ARGUMENT, "executor kind %d does not exist", (int)options->kind);
    }
    return ECH_OK;
}

ech_status ech_executor_init(ech_executor *executor, const ech_app_registry *apps,
                             const ech_executor_options *options)
{
    executor->apps = apps;
    executor->options = *options;
    executor->ranks = 1;
    executor->hosts = 1;
    const ech_status status = fill_defaults(&executor->options);
    if (status != ECH_OK) {
        return status;
    }
    executor->variant = variants[executor->options.kind];
    ech_graph_init(&executor->graph);
    ech_recorder_init(&executor->recorder, options->sink);
    ech_memo_init(&executor->memo, options->store);
    ech_watch_init(&executor->watch);
    return ECH_OK;
}

void ech_executor_clear(ech_executor *executor)
{
    ech_watch_clear(&executor->watch);
    ech_graph_clear(&executor->graph);
    ech_memo_clear(&executor->memo);
}

ech_status ech_executor_create(const ech_app_registry *apps, const ech_executor_options *options,
                               ech_executor **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_executor_init(*out, apps, options);
    if (status == ECH_OK) {
        status = (*out)->variant->create(*out);
    }
    if (status != ECH_OK) {
        ech_executor_destroy(out);
    }
    return status;
}

void ech_executor_destroy(ech_executor **executor)
{
    if (executor == NULL || *executor == NULL) {
        return;
    }
    if ((*executor)->variant != NULL) {
        (*executor)->variant->destroy(*executor);
        ech_executor_clear(*executor);
    }
    ech_free(*executor);
    *executor = NULL;
}

ech_status ech_executor_run(ech_executor *executor, ech_program program, void *user)
{
    return executor->variant->run(executor, program, user);
}

ech_status ech_executor_run_program(ech_executor *executor, ech_program program, void *user)
{
    const ech_status status = program(executor, user);
    char message[ECH_OUTCOME_MESSAGE_BYTES];
    strncpy(message, ech_status_message(), sizeof message - 1);
    message[sizeof message - 1] = '\0';
    ech_executor_wait_zero(executor, &executor->open_children);
    ech_recorder_flush(&executor->recorder);
    const ech_status kept = ech_memo_flush(&executor->memo);
    return status != ECH_OK ? ech_fail(status, "%s", message) : kept;
}

void ech_executor_look_after(ech_executor *executor, ech_service service)
{
    executor->service = service;
}

int ech_executor_rank(const ech_executor *executor)
{
    return executor->rank;
}

int ech_executor_rank_count(const ech_executor *executor)
{
    return executor->ranks;
}

int ech_executor_host(const ech_executor *executor)
{
    return executor->host;
}

int ech_executor_host_count(const ech_executor *executor)
{
    return executor->hosts;
}

size_t ech_executor_graph_bytes(const ech_executor *executor)
{
    return ech_graph_held_bytes(&executor->graph);
}
