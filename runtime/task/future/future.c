/* The public calls on futures: submit, wait, cancel. */

#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"

enum { TASK_NUMBER_BITS = 40 };

static ech_status check_options(const ech_executor *executor, const ech_task_options *options)
{
    if (options->priority < ECH_PRIORITY_MIN || options->priority > ECH_PRIORITY_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "priority %d is not between %d and %d", options->priority,
                        ECH_PRIORITY_MIN, ECH_PRIORITY_MAX);
    }
    if (options->attempts > ECH_ATTEMPTS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%u attempts are more than %d", options->attempts,
                        ECH_ATTEMPTS_MAX);
    }
    if (options->affinity == ECH_AFFINITY_RANK &&
        options->affinity_value >= (uint64_t)executor->ranks) {
        return ech_fail(ECH_ERR_ARGUMENT, "affinity to rank %llu of %d",
                        (unsigned long long)options->affinity_value, executor->ranks);
    }
    if (options->affinity == ECH_AFFINITY_HOST &&
        options->affinity_value >= (uint64_t)executor->hosts) {
        return ech_fail(ECH_ERR_ARGUMENT, "affinity to host %llu of %d",
                        (unsigned long long)options->affinity_value, executor->hosts);
    }
    return ECH_OK;
}

static ech_status check_team(const ech_executor *executor, const ech_task_options *options)
{
    if (options->ranks <= 1) {
        return ECH_OK;
    }
    if (executor->current != NULL && executor->current->call->in_team) {
        return ech_fail(ECH_ERR_LIMIT,
                        "a multi-rank task within a multi-rank task could wait for ranks for ever");
    }
    if (options->affinity != ECH_AFFINITY_NONE) {
        return ech_fail(ECH_ERR_ARGUMENT, "a multi-rank task has no affinity");
    }
    return executor->variant->check_team(executor, options->ranks);
}

/* The last lane stays on its rank: see ECH_LOCAL_LANE. */
static ech_status check_depth(const ech_executor *executor, const ech_task_options *options,
                              uint32_t depth)
{
    const bool elsewhere = (options->affinity == ECH_AFFINITY_RANK &&
                            options->affinity_value != (uint64_t)executor->rank) ||
                           (options->affinity == ECH_AFFINITY_HOST && options->strict &&
                            options->affinity_value != (uint64_t)executor->host) ||
                           options->ranks > 1;
    if (depth >= ECH_LOCAL_LANE && elsewhere) {
        return ech_fail(ECH_ERR_LIMIT,
                        "a task of depth %u cannot be bound to other ranks: %d is the limit", depth,
                        ECH_LOCAL_LANE - 1);
    }
    return ECH_OK;
}

static ech_status check_submit(const ech_executor *executor, ech_app_id app, size_t arguments_bytes,
                               const ech_task_options *options, uint32_t depth)
{
    if (app >= executor->apps->count) {
        return ech_fail(ECH_ERR_ARGUMENT, "there is no app %u", app);
    }
    const ech_app *what = &executor->apps->apps[app];
    if (arguments_bytes > what->arguments_bytes_max) {
        return ech_fail(ECH_ERR_ARGUMENT, "app '%s' takes at most %zu bytes of arguments, not %zu",
                        what->name, what->arguments_bytes_max, arguments_bytes);
    }
    if (depth > UINT16_MAX) {
        return ech_fail(ECH_ERR_LIMIT, "tasks are nested %u deep", depth);
    }
    ech_status status = check_options(executor, options);
    if (status == ECH_OK) {
        status = check_team(executor, options);
    }
    return status != ECH_OK ? status : check_depth(executor, options, depth);
}

static void copy_options(ech_future *node, const ech_task_options *options)
{
    node->priority = (int8_t)options->priority;
    node->affinity = (uint8_t)options->affinity;
    node->affinity_value = options->affinity_value;
    node->strict = options->strict || options->affinity == ECH_AFFINITY_RANK;
    node->ranks = options->ranks;
    node->walltime_ns = options->walltime_ns;
    node->attempts = (uint8_t)options->attempts;
    node->retry_mask = options->retry_mask;
    node->retry_elsewhere = options->retry_elsewhere;
    node->memoize = options->memoize;
}

static ech_status connect_inputs(ech_graph *graph, ech_future *node,
                                 const ech_task_options *options)
{
    for (uint32_t i = options->input_count; i > 0; i--) {
        const ech_status status = ech_graph_connect(graph, options->inputs[i - 1], node);
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

static void make_progress(ech_executor *executor)
{
    if (!executor->variant->step(executor, true)) {
        executor->variant->idle(executor);
    }
}

static void wait_for_room(ech_executor *executor, uint32_t lane)
{
    if (executor->graph.pending[lane] < executor->options.pending_max) {
        return;
    }
    while (executor->graph.pending[lane] >= executor->options.pending_max) {
        make_progress(executor);
    }
    executor->variant->retract(executor);
}

static void enter_graph(ech_executor *executor, ech_future *node, uint32_t depth)
{
    node->executor = executor;
    node->id = (uint64_t)executor->rank << TASK_NUMBER_BITS | ++executor->submitted;
    node->queued_ticks = ech_ticks();
    node->depth = (uint16_t)depth;
    if (executor->continuing != NULL) {
        node->open_children = executor->continuing->open_children;
    } else {
        node->open_children = executor->current == NULL ? &executor->open_children
                                                        : &executor->current->open_children;
    }
    node->in_team = executor->current != NULL && executor->current->call->in_team;
    (*node->open_children)++;
    executor->graph.pending[ech_lane_of_depth(depth)]++;
}

ech_status ech_submit(ech_executor *executor, ech_app_id app, const void *arguments,
                      size_t arguments_bytes, const ech_task_options *options, ech_future **out)
{
    static const ech_task_options defaults;
    const ech_task_options *chosen = options != NULL ? options : &defaults;
    const uint32_t depth = executor->continuing != NULL ? executor->continuing->depth
                                                        : ech_executor_depth(executor) + 1;
    ech_status status = check_submit(executor, app, arguments_bytes, chosen, depth);
    if (status != ECH_OK) {
        return status;
    }
    if (executor->continuing == NULL) {
        wait_for_room(executor, ech_lane_of_depth(depth));
    }
    ech_future *node = ech_graph_add(&executor->graph, arguments, arguments_bytes);
    if (node == NULL) {
        return ECH_ERR_MEMORY;
    }
    node->app = (uint16_t)app;
    copy_options(node, chosen);
    status = connect_inputs(&executor->graph, node, chosen);
    if (status != ECH_OK) {
        ech_graph_discard(&executor->graph, node);
        return status;
    }
    if (out != NULL) {
        node->references++;
        *out = node;
    }
    enter_graph(executor, node, depth);
    if (node->unresolved == 0) {
        ech_executor_resolve(executor, node);
        executor->variant->release(executor);
    }
    return ECH_OK;
}

static ech_status status_with_message(const ech_future *future)
{
    if (future->status == ECH_OK) {
        return ECH_OK;
    }
    if (future->cause != NULL) {
        return ech_fail((ech_status)future->status, "%s", future->cause->text);
    }
    return ech_fail((ech_status)future->status, "task %llu (%s): %s",
                    (unsigned long long)future->id,
                    ech_app_name(future->executor->apps, future->app),
                    ech_status_string((ech_status)future->status));
}

static void wait_until_ended(ech_executor *executor, const ech_future *future)
{
    while (future->state != ECH_NODE_ENDED) {
        make_progress(executor);
    }
    executor->variant->retract(executor);
}

static ech_status refuse_within_continuation(void)
{
    return ech_fail(ECH_ERR_UNSUPPORTED, "a continuation must not wait");
}

ech_status ech_future_wait(ech_future *future)
{
    ech_executor *executor = future->executor;
    if (future->state != ECH_NODE_ENDED && executor->continuing != NULL) {
        return refuse_within_continuation();
    }
    if (future->state != ECH_NODE_ENDED) {
        wait_until_ended(executor, future);
    }
    return status_with_message(future);
}

ech_status ech_future_wait_all(ech_future *const *futures, size_t count)
{
    const ech_future *failed = NULL;
    for (size_t i = 0; i < count; i++) {
        const ech_status status = ech_future_wait(futures[i]);
        if (futures[i]->state != ECH_NODE_ENDED) {
            return status;
        }
        if (status != ECH_OK && failed == NULL) {
            failed = futures[i];
        }
    }
    return failed == NULL ? ECH_OK : status_with_message(failed);
}

static bool find_ended(ech_future *const *futures, size_t count, size_t *which)
{
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->state == ECH_NODE_ENDED) {
            *which = i;
            return true;
        }
    }
    return false;
}

ech_status ech_future_wait_any(ech_future *const *futures, size_t count, size_t *which)
{
    if (count == 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "wait_any has no futures to wait for");
    }
    ech_executor *executor = futures[0]->executor;
    uint64_t seen = executor->graph.ended_count;
    while (!find_ended(futures, count, which)) {
        if (executor->continuing != NULL) {
            return refuse_within_continuation();
        }
        while (executor->graph.ended_count == seen) {
            make_progress(executor);
        }
        seen = executor->graph.ended_count;
    }
    executor->variant->retract(executor);
    return status_with_message(futures[*which]);
}

bool ech_future_poll(ech_future *future)
{
    ech_executor *executor = future->executor;
    if (future->state != ECH_NODE_ENDED && executor->continuing == NULL) {
        executor->variant->step(executor, false);
    }
    return future->state == ECH_NODE_ENDED;
}

ech_status ech_future_status(const ech_future *future)
{
    return (ech_status)future->status;
}

const void *ech_future_value(const ech_future *future, size_t *bytes)
{
    const bool has_value = future->state == ECH_NODE_ENDED && future->status == ECH_OK;
    if (bytes != NULL) {
        *bytes = has_value ? future->bytes : 0;
    }
    return has_value ? ech_node_data(future) : NULL;
}

bool ech_future_cancel(ech_future *future)
{
    ech_executor *executor = future->executor;
    if (future->state == ECH_NODE_ENDED) {
        return false;
    }
    if (future->state == ECH_NODE_RELEASED) {
        if (!executor->variant->withdraw(executor, future)) {
            return false;
        }
        future->references++; /* until its cell comes back */
    } else if (future->state == ECH_NODE_READY) {
        ech_graph_remove_ready(&executor->graph, future);
    }
    ech_executor_end_unrun(executor, future, ECH_ERR_CANCELLED, 0, NULL, 0, NULL);
    if (executor->continuing == NULL) {
        ech_executor_settle(executor);
    }
    return true;
}

ech_status ech_future_then(ech_future *future, void (*run)(ech_future *future, void *user),
                           void *user)
{
    if (future->state == ECH_NODE_ENDED) {
        run(future, user);
        return ECH_OK;
    }
    ech_continuation *added = ech_alloc(sizeof *added);
    if (added == NULL) {
        return ECH_ERR_MEMORY;
    }
    *added = (ech_continuation){.run = run, .user = user};
    ech_continuation **end = &future->continuations;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = added;
    return ECH_OK;
}

void ech_future_release(ech_future **future)
{
    if (future == NULL || *future == NULL) {
        return;
    }
    ech_graph_unrefer(&(*future)->executor->graph, *future);
    *future = NULL;
}

uint64_t ech_future_task_id(const ech_future *future)
{
    return future->id;
}
