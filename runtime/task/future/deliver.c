/* What happens to a node after its run: its record, another attempt or its end, and what follows
 * for those that depend on it. */
#include <stdio.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"

static void record(ech_executor *executor, const ech_future *node, const ech_outcome *outcome)
{
    ech_task_record *entry = ech_recorder_next(&executor->recorder);
    *entry = (ech_task_record){
        .task = node->id,
        .queued_ns = node->queued_ticks,
        .started_ns = outcome->started_ticks,
        .ended_ns = outcome->ended_ticks,
        .argument_bytes = ech_payload_bytes(node),
        .result_bytes = outcome->result_bytes,
        .rank = outcome->rank,
        .host = outcome->host,
        .core = outcome->core,
        .app = node->app,
        .status = (uint8_t)outcome->status,
        .attempt = node->attempt,
        .flags = outcome->flags,
        .priority = node->priority,
        .depth = node->depth < UINT8_MAX ? (uint8_t)node->depth : UINT8_MAX,
    };
}

static bool may_retry(const ech_future *node, ech_status status)
{
    return node->attempt + 1U < node->attempts &&
           (node->retry_mask == 0 || (node->retry_mask >> (unsigned)status & 1U) != 0);
}

static ech_cause *cause_of(const ech_executor *executor, const ech_future *node,
                           const ech_outcome *outcome)
{
    char text[ECH_OUTCOME_MESSAGE_BYTES];
    snprintf(text, sizeof text, "task %llu (%s) on rank %u, attempt %u: %s",
             (unsigned long long)node->id, ech_app_name(executor->apps, node->app), outcome->rank,
             node->attempt + 1U,
             outcome->message[0] != '\0' ? outcome->message : ech_status_string(outcome->status));
    return ech_cause_create(text);
}

static void keep_memo(ech_executor *executor, const ech_future *node, const ech_outcome *outcome)
{
    const ech_status status =
        ech_memo_keep(&executor->memo, node->memo_key, outcome->result, outcome->result_bytes);
    if (status != ECH_OK) {
        ech_log(ECH_LOG_WARNING, "the result of task %llu is not kept: %s",
                (unsigned long long)node->id, ech_status_message());
    }
}

void ech_executor_deliver(ech_executor *executor, ech_future *node, const ech_outcome *outcome)
{
    if (node->state == ECH_NODE_ENDED) { /* cancelled; its cell has come back */
        ech_graph_unrefer(&executor->graph, node);
        return;
    }
    record(executor, node, outcome);
    if (outcome->status == ECH_OK) {
        if (node->memoize) {
            keep_memo(executor, node, outcome);
        }
        ech_graph_end(&executor->graph, node, ECH_OK, outcome->result, outcome->result_bytes, NULL);
        return;
    }
    if (may_retry(node, outcome->status)) {
        node->attempt++;
        node->avoid_rank = node->retry_elsewhere ? outcome->rank + 1 : 0;
        ech_graph_push_ready(&executor->graph, node);
        return;
    }
    ech_cause *cause = cause_of(executor, node, outcome);
    ech_graph_end(&executor->graph, node, outcome->status, NULL, 0, cause);
    ech_cause_unrefer(cause);
}

void ech_executor_end_unrun(ech_executor *executor, ech_future *node, ech_status status,
                            uint8_t record_flags, const void *value, size_t value_bytes,
                            ech_cause *cause)
{
    record(executor, node,
           &(ech_outcome){.status = status,
                          .flags = record_flags,
                          .rank = (uint32_t)executor->rank,
                          .host = (uint16_t)executor->host,
                          .ended_ticks = ech_ticks(),
                          .result_bytes = value_bytes});
    ech_graph_end(&executor->graph, node, status, value, value_bytes, cause);
}

static const ech_future *failed_input(const ech_future *node)
{
    for (const ech_edge *edge = node->inputs; edge != NULL; edge = edge->next_input) {
        if (edge->input->status != ECH_OK) {
            return edge->input;
        }
    }
    return NULL;
}

static void fail_with_input(ech_executor *executor, ech_future *node, const ech_future *input)
{
    if (input->cause != NULL) {
        ech_executor_end_unrun(executor, node, ECH_ERR_TASK, 0, NULL, 0, input->cause);
        return;
    }
    char text[ECH_APP_NAME_BYTES + 128];
    snprintf(text, sizeof text, "task %llu (%s): %s", (unsigned long long)input->id,
             ech_app_name(executor->apps, input->app),
             ech_status_string((ech_status)input->status));
    ech_cause *cause = ech_cause_create(text);
    ech_executor_end_unrun(executor, node, ECH_ERR_TASK, 0, NULL, 0, cause);
    ech_cause_unrefer(cause);
}

/* Two arguments and inputs that differ in how bytes are dealt out must differ in their keys. */
static ech_status memo_key(const ech_executor *executor, ech_future *node)
{
    ech_hasher *hasher = NULL;
    const ech_status status = ech_hasher_create(&hasher);
    if (status != ECH_OK) {
        return status;
    }
    const ech_hash128 app = ech_app_fingerprint(&executor->apps->apps[node->app]);
    ech_hasher_add(hasher, &app, sizeof app);
    ech_hasher_add(hasher, &node->bytes, sizeof node->bytes);
    ech_hasher_add(hasher, ech_node_data(node), node->bytes);
    for (const ech_edge *edge = node->inputs; edge != NULL; edge = edge->next_input) {
        ech_hasher_add(hasher, &edge->input->bytes, sizeof edge->input->bytes);
        ech_hasher_add(hasher, ech_node_data(edge->input), edge->input->bytes);
    }
    node->memo_key = ech_hasher_digest(hasher);
    ech_hasher_destroy(&hasher);
    return ECH_OK;
}

static bool answered_from_memo(ech_executor *executor, ech_future *node)
{
    if (!node->memoize || memo_key(executor, node) != ECH_OK) {
        node->memoize = false;
        return false;
    }
    size_t bytes = 0;
    const void *value = ech_memo_find(&executor->memo, node->memo_key, &bytes);
    if (value == NULL) {
        return false;
    }
    ech_executor_end_unrun(executor, node, ECH_OK, ECH_RECORD_MEMO, value, bytes, NULL);
    return true;
}

static size_t bytes_of(const ech_executor *executor, const ech_future *node)
{
    return ech_payload_bytes(node) + executor->apps->apps[node->app].result_bytes_max;
}

static void fail_too_large(ech_executor *executor, ech_future *node)
{
    char text[ECH_APP_NAME_BYTES + 160];
    snprintf(text, sizeof text,
             "task %llu (%s) needs %zu bytes for arguments, inputs and result, more than the %zu "
             "that arena_bytes allows",
             (unsigned long long)node->id, ech_app_name(executor->apps, node->app),
             bytes_of(executor, node), executor->variant->bytes_max(executor));
    ech_cause *cause = ech_cause_create(text);
    ech_executor_end_unrun(executor, node, ECH_ERR_LIMIT, 0, NULL, 0, cause);
    ech_cause_unrefer(cause);
}

void ech_executor_resolve(ech_executor *executor, ech_future *node)
{
    const ech_future *failed = node->inputs == NULL ? NULL : failed_input(node);
    if (failed != NULL) {
        fail_with_input(executor, node, failed);
    } else if (bytes_of(executor, node) > executor->variant->bytes_max(executor)) {
        fail_too_large(executor, node);
    } else if (!answered_from_memo(executor, node)) {
        ech_graph_push_ready(&executor->graph, node);
    }
}

static void tell_dependents(ech_executor *executor, ech_future *node)
{
    ech_edge *edge = node->dependents;
    node->dependents = NULL;
    while (edge != NULL) {
        ech_edge *next = edge->next_dependent; /* the edge goes when its dependent fails */
        ech_future *dependent = edge->dependent;
        if (ech_graph_input_ended(&executor->graph, dependent)) {
            ech_executor_resolve(executor, dependent);
        }
        edge = next;
    }
}

static void run_continuations(ech_executor *executor, ech_future *node)
{
    const ech_future *outer = executor->continuing;
    executor->continuing = node;
    while (node->continuations != NULL) {
        ech_continuation *first = node->continuations;
        node->continuations = first->next;
        first->run(node, first->user);
        ech_free(first);
    }
    executor->continuing = outer;
}

/* The ended ones are a queue, not a recursion: a chain of a million dependents may fail at once. */
void ech_executor_settle(ech_executor *executor)
{
    ech_graph *graph = &executor->graph;
    for (ech_future *node; (node = ech_graph_next_ended(graph)) != NULL;) {
        tell_dependents(executor, node);
        if (node->continuations != NULL) {
            run_continuations(executor, node);
        }
        ech_graph_unrefer(graph, node); /* the task's own reference */
    }
}
