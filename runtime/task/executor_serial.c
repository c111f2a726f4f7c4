/* Everything in the calling thread, in the order of priority and submission: for debugging, and the
 * oracle of the other executors. */
#include "runtime/task/executor_priv.h"

static ech_status serial_create(ech_executor *executor)
{
    return ech_memo_load(&executor->memo);
}

static void serial_destroy(ech_executor *executor)
{
    (void)executor;
}

static void serial_release(ech_executor *executor)
{
    (void)executor; /* ready tasks wait in the graph for the next wait */
}

static bool serial_step(ech_executor *executor, bool run)
{
    ech_graph *graph = &executor->graph;
    const uint64_t ended_before = graph->ended_count;
    ech_executor_settle(executor);
    ech_future *node = NULL;
    if (run) {
        node = ech_graph_first_ready(graph, ech_lane_of_depth(ech_executor_depth(executor) + 1));
    }
    if (node == NULL) {
        return graph->ended_count != ended_before;
    }
    ech_graph_pop_ready(graph, node);
    ech_executor_run_here(executor, node);
    ech_executor_settle(executor);
    return true;
}

static void serial_idle(ech_executor *executor)
{
    (void)executor; /* there is always something to do: see task.h on futures and depths */
}

static bool serial_withdraw(ech_executor *executor, ech_future *node)
{
    (void)executor;
    (void)node; /* released here means running */
    return false;
}

static void serial_retract(ech_executor *executor)
{
    (void)executor;
}

static void serial_yield(ech_executor *executor)
{
    (void)executor;
}

static size_t serial_bytes_max(const ech_executor *executor)
{
    return executor->options.arena_bytes / 2;
}

static ech_status serial_check_team(const ech_executor *executor, uint32_t ranks)
{
    (void)executor;
    (void)ranks;
    return ECH_OK;
}

const ech_executor_variant ech_executor_serial = {
    .name = "serial",
    .has_black_box = true,
    .create = serial_create,
    .destroy = serial_destroy,
    .run = ech_executor_run_program,
    .release = serial_release,
    .step = serial_step,
    .idle = serial_idle,
    .withdraw = serial_withdraw,
    .retract = serial_retract,
    .yield = serial_yield,
    .bytes_max = serial_bytes_max,
    .check_team = serial_check_team,
};
