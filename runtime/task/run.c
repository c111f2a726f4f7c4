#define _GNU_SOURCE
#include "runtime/task/run.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/mpi/guard.h"
#include "runtime/task/executor_priv.h"
#include "runtime/task/ticks.h"

static ech_status call_app(ech_task_context *context, size_t *result_bytes)
{
    const ech_call *call = context->call;
    const ech_app *app = &context->executor->apps->apps[call->app];
    ech_status_clear();
    const ech_status status = app->run(context, call->payload, call->arguments_bytes, call->result,
                                       app->result_bytes_max, result_bytes);
    if (status == ECH_OK && *result_bytes > app->result_bytes_max) {
        return ech_fail(ECH_ERR_LIMIT, "the result takes %zu bytes, over the app's bound of %zu",
                        *result_bytes, app->result_bytes_max);
    }
    return status;
}

/* The tasks that it submitted have its name in the black box too: they end before it does. */
static ech_status call_and_wait(ech_task_context *context, size_t *result_bytes)
{
    const ech_status status = call_app(context, result_bytes);
    if (context->open_children == 0) {
        return status;
    }
    char message[ECH_OUTCOME_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", ech_status_message());
    ech_executor_wait_zero(context->executor, &context->open_children);
    return status == ECH_OK ? ECH_OK : ech_fail(status, "%s", message);
}

static ech_status call_in_black_box(ech_task_context *context, size_t *result_bytes)
{
    const ech_executor *executor = context->executor;
    if (!executor->variant->has_black_box) {
        return call_and_wait(context, result_bytes);
    }
    ech_guard_task outer;
    if (context->outer != NULL) {
        outer = ech_guard_save_task();
    }
    ech_guard_enter_task(context->call->id, executor->apps->apps[context->call->app].name);
    const ech_status status = call_and_wait(context, result_bytes);
    if (context->outer != NULL) {
        ech_guard_restore_task(&outer);
    } else {
        ech_guard_leave_task();
    }
    return status;
}

/* A multi-rank member that runs in turn on a thread of its own is not watched: its entry would lie
 * between those of others. */
static ech_status call_watched(ech_task_context *context, size_t *result_bytes, uint8_t *flags)
{
    const ech_call *call = context->call;
    ech_executor *executor = context->executor;
    if (call->walltime_ns == 0 || (call->team != NULL && executor->hosts * executor->ranks == 1)) {
        return call_in_black_box(context, result_bytes);
    }
    ech_watch_entry entry = {.task = call->id,
                             .app = executor->apps->apps[call->app].name,
                             .rank = executor->rank,
                             .host = executor->host,
                             .walltime_ns = call->walltime_ns};
    ech_watch_enter(&executor->watch, &entry);
    const ech_status status = call_in_black_box(context, result_bytes);
    *flags = ech_watch_leave(&executor->watch, &entry) ? ECH_RECORD_LATE : 0;
    return status;
}

void ech_run_call(ech_executor *executor, const ech_call *call, uint64_t started_ticks,
                  ech_outcome *outcome)
{
    ech_task_context context = {.executor = executor, .call = call, .outer = executor->current};
    executor->current = &context;
    size_t result_bytes = 0;
    uint8_t flags = 0;
    const ech_status status = call_watched(&context, &result_bytes, &flags);
    executor->current = context.outer;
    *outcome = (ech_outcome){
        .status = status,
        .flags = flags,
        .rank = (uint32_t)executor->rank,
        .host = (uint16_t)executor->host,
        .core = (uint16_t)sched_getcpu(),
        .started_ticks = started_ticks,
        .ended_ticks = ech_ticks(),
        .result = call->result,
        .result_bytes = status == ECH_OK ? result_bytes : 0,
        .message = status == ECH_OK ? "" : ech_status_message(),
    };
}

static const ech_app *app_of(const ech_task_context *context)
{
    return &context->executor->apps->apps[context->call->app];
}

void *ech_task_user(const ech_task_context *context)
{
    return app_of(context)->user;
}

ech_executor *ech_task_executor(ech_task_context *context)
{
    return context->executor;
}

int ech_task_rank(const ech_task_context *context)
{
    return context->executor->rank;
}

int ech_task_host(const ech_task_context *context)
{
    return context->executor->host;
}

uint64_t ech_task_id(const ech_task_context *context)
{
    return context->call->id;
}

uint32_t ech_task_attempt(const ech_task_context *context)
{
    return context->call->attempt;
}

uint32_t ech_task_input_count(const ech_task_context *context)
{
    return context->call->input_count;
}

const void *ech_task_input(const ech_task_context *context, uint32_t which, size_t *bytes)
{
    const ech_call *call = context->call;
    const ech_payload_input *input =
        which < call->input_count ? &ech_payload_table(call->payload, call->arguments_bytes)[which]
                                  : NULL;
    if (bytes != NULL) {
        *bytes = input == NULL ? 0 : input->bytes;
    }
    return input == NULL ? NULL : call->payload + input->offset;
}

uint32_t ech_task_member(const ech_task_context *context)
{
    return context->call->team == NULL ? 0 : context->call->team->member;
}

uint32_t ech_task_member_count(const ech_task_context *context)
{
    return context->call->team == NULL ? 1 : context->call->team->count;
}

ech_status ech_task_exchange(ech_task_context *context, const void *mine, size_t bytes, void *all)
{
    const ech_team *team = context->call->team;
    if (team == NULL) {
        memcpy(all, mine, bytes);
        return ECH_OK;
    }
    return team->exchange(team->self, team->member, mine, bytes, all);
}

void ech_task_describe(ech_task_context *context, const char *format, ...)
{
    if (!context->executor->variant->has_black_box) {
        return;
    }
    char text[ECH_BLACK_BOX_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ech_guard_detail("%s", text);
}

void ech_task_yield(ech_task_context *context)
{
    context->executor->variant->yield(context->executor);
}
