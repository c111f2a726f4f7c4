/* Running a node on the rank that submitted it, without a pool. */
#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"
#include "runtime/task/team.h"

void ech_executor_wait_zero(ech_executor *executor, const uint32_t *count)
{
    while (*count > 0) {
        if (!executor->variant->step(executor, true)) {
            executor->variant->idle(executor);
        }
    }
    executor->variant->retract(executor);
    ech_executor_settle(executor);
}

ech_call ech_executor_call_of(const ech_future *node)
{
    return (ech_call){
        .id = node->id,
        .walltime_ns = node->walltime_ns,
        .app = node->app,
        .depth = node->depth,
        .attempt = node->attempt,
        .in_team = node->in_team || node->ranks > 1,
        .input_count = node->input_count,
        .arguments_bytes = node->bytes,
    };
}

static void run_with_buffer(ech_executor *executor, ech_future *node, unsigned char *buffer,
                            size_t payload_bytes)
{
    ech_call call = ech_executor_call_of(node);
    ech_payload_pack(node, buffer);
    call.payload = buffer;
    call.result = buffer + payload_bytes;
    call.result_capacity = executor->apps->apps[node->app].result_bytes_max;
    ech_outcome outcome;
    if (node->ranks > 1) {
        ech_team_run_in_turn(executor, &call, node->ranks, &outcome);
    } else {
        ech_run_call(executor, &call, ech_ticks(), &outcome);
    }
    ech_executor_deliver(executor, node, &outcome);
}

void ech_executor_run_here(ech_executor *executor, ech_future *node)
{
    const size_t payload_bytes = (ech_payload_bytes(node) + 15) / 16 * 16;
    const size_t bytes = payload_bytes + executor->apps->apps[node->app].result_bytes_max;
    _Alignas(16) unsigned char small[1024];
    unsigned char *buffer = bytes <= sizeof small ? small : ech_alloc(bytes);
    node->state = ECH_NODE_RELEASED;
    if (buffer == NULL) {
        const ech_outcome outcome = {.status = ECH_ERR_MEMORY,
                                     .rank = (uint32_t)executor->rank,
                                     .host = (uint16_t)executor->host,
                                     .ended_ticks = ech_ticks(),
                                     .message = ech_status_message()};
        ech_executor_deliver(executor, node, &outcome);
        return;
    }
    run_with_buffer(executor, node, buffer, payload_bytes);
    if (buffer != small) {
        ech_free(buffer);
    }
}
