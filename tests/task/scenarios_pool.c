/* Scenarios of what the executors do with tasks: where they run, what bounds them. */
#include <string.h>

#include "runtime/base/memory.h"
#include "tests/task/scenarios_priv.h"

enum {
    TEAM_RANKS = 2,
    HELD_BACK = 100,
    PENDING = 20000,
    PENDING_BYTES_MAX = 256,
    FEW_BYTES = 100000,
    BLOCK = 4096,
    KEYS = 3,
    KEYED = 30
};

ech_status large_values(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    unsigned char *data = ech_alloc(SCENARIO_LARGE_BYTES);
    ech_app_id app = 0;
    ech_future *futures[40] = {NULL};
    expect(&done, data != NULL && ech_app_find(user, "reverse", &app) == ECH_OK, "a buffer");
    for (size_t i = 0; data != NULL && i < 40 && done.status == ECH_OK; i++) {
        const size_t bytes = (size_t)SCENARIO_LARGE_BYTES >> (i % 19);
        for (size_t k = 0; k < bytes; k++) {
            data[k] = (unsigned char)(k * 7 + i);
        }
        expect(&done, ech_submit(executor, app, data, bytes, NULL, &futures[i]) == ECH_OK,
               "a large task is taken");
    }
    for (size_t i = 0; i < 40 && done.status == ECH_OK; i++) {
        expect(&done, ech_future_wait(futures[i]) == ECH_OK, "it succeeds");
        size_t bytes = 0;
        const unsigned char *value = ech_future_value(futures[i], &bytes);
        expect(&done, bytes == (size_t)SCENARIO_LARGE_BYTES >> (i % 19), "its size is right");
        for (size_t k = 0; k < bytes; k++) {
            expect(&done, value[bytes - 1 - k] == (unsigned char)(k * 7 + i), "each byte is right");
        }
    }
    for (size_t i = 0; i < 40; i++) {
        ech_future_release(&futures[i]);
    }
    expect(&done,
           ech_submit(executor, app, data, SCENARIO_LARGE_BYTES + 1, NULL, NULL) ==
               ECH_ERR_ARGUMENT,
           "more than the bound is refused");
    ech_free(data);
    return ech_failure_restore(&done);
}

ech_status shell_commands(ech_executor *executor, void *user)
{
    (void)user;
    checks done = {.status = ECH_OK};
    const ech_task_options short_time = {.walltime_ns = 50000000};
    ech_future *good = NULL;
    ech_future *bad = NULL;
    ech_future *slow = NULL;
    ech_submit_shell(executor, &(ech_shell){.command = "test $((6 * 7)) = 42"}, NULL, &good);
    ech_submit_shell(executor, &(ech_shell){.command = "exit 3"}, NULL, &bad);
    ech_submit_shell(executor, &(ech_shell){.command = "sleep 30"}, &short_time, &slow);
    expect(&done, ech_future_wait(good) == ECH_OK, "a command succeeds");
    expect(&done, ech_future_wait(bad) == ECH_ERR_TASK, "an exit code fails the task");
    expect(&done, strstr(ech_status_message(), "exit code 3") != NULL, "it is named");
    expect(&done, ech_future_wait(slow) == ECH_ERR_TIMEOUT, "the walltime ends a command");
    ech_future_release(&good);
    ech_future_release(&bad);
    ech_future_release(&slow);
    return ech_failure_restore(&done);
}

ech_status teams(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    const ech_task_options pair = {.ranks = TEAM_RANKS};
    ech_app_id app = 0;
    if (ech_app_find(user, "team", &app) != ECH_OK ||
        ech_submit(executor, app, &(int64_t){0}, sizeof(int64_t), &pair, NULL) != ECH_OK) {
        return ech_failure_restore(&done); /* too few ranks */
    }
    ech_future *futures[10];
    for (int64_t i = 0; i < 10; i++) {
        futures[i] = submit(executor, user, "team", 0, &pair);
        expect(&done, futures[i] != NULL, "a multi-rank task is taken");
    }
    ech_future *failing = submit(executor, user, "team", 2, &pair);
    for (int64_t i = 0; i < 10 && done.status == ECH_OK; i++) {
        expect(&done, ech_future_wait(futures[i]) == ECH_OK, "a multi-rank task succeeds");
        expect(&done, value_of(futures[i]) == 15, "its members exchanged");
        ech_future_release(&futures[i]);
    }
    expect(&done, ech_future_wait(failing) == ECH_ERR_NUMERIC, "a member's failure is the task's");
    expect(&done, strstr(ech_status_message(), "member 2 gives up") != NULL, "with its cause");
    ech_future_release(&failing);
    return ech_failure_restore(&done);
}

ech_status bad_submits(ech_executor *executor, void *user)
{
    (void)user;
    checks done = {.status = ECH_OK};
    const ech_task_options bad[] = {
        {.priority = 8},
        {.priority = -9},
        {.attempts = 101},
        {.affinity = ECH_AFFINITY_RANK, .affinity_value = 1000},
        {.affinity = ECH_AFFINITY_HOST, .affinity_value = 1000},
        {.ranks = 2, .affinity = ECH_AFFINITY_HOST},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect(&done, ech_submit(executor, 1, NULL, 0, &bad[i], NULL) == ECH_ERR_ARGUMENT,
               "bad options are refused");
    }
    expect(&done, ech_submit(executor, 999, NULL, 0, NULL, NULL) == ECH_ERR_ARGUMENT,
           "an app that does not exist is refused");
    return ech_failure_restore(&done);
}

ech_status affinities(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *futures[64];
    for (uint64_t i = 0; i < 64; i++) {
        const uint64_t ranks = (uint64_t)ech_executor_rank_count(executor);
        const uint64_t hosts = (uint64_t)ech_executor_host_count(executor);
        const ech_task_options bound[] = {
            {.affinity = ECH_AFFINITY_RANK, .affinity_value = i % ranks},
            {.affinity = ECH_AFFINITY_HOST, .affinity_value = i % hosts, .strict = true},
            {.affinity = ECH_AFFINITY_HOST, .affinity_value = i % hosts},
            {.affinity = ECH_AFFINITY_KEY, .affinity_value = i},
        };
        futures[i] = submit(executor, user, "where", (int64_t)(i % 4), &bound[i % 4]);
        expect(&done, futures[i] != NULL, "a bound task is taken");
    }
    for (uint64_t i = 0; i < 64 && done.status == ECH_OK; i++) {
        expect(&done, ech_future_wait(futures[i]) == ECH_OK, "a bound task succeeds");
        const int64_t where = value_of(futures[i]);
        const int64_t rank = where % 1000;
        const int64_t host = where / 1000;
        expect(&done, i % 4 != 0 || rank == (int64_t)i % ech_executor_rank_count(executor),
               "it ran on its rank");
        expect(&done, i % 4 != 1 || host == (int64_t)i % ech_executor_host_count(executor),
               "it ran on its host");
        ech_future_release(&futures[i]);
    }
    return ech_failure_restore(&done);
}

/* All on the rank that submits them, which begins when it waits. */
ech_status priorities_come_first(ech_executor *executor, void *user)
{
    static const int expected[6] = {2, 5, 1, 4, 0, 3};
    checks done = {.status = ECH_OK};
    ech_future *futures[6];
    for (int i = 0; i < 6; i++) {
        const ech_task_options options = {.affinity = ECH_AFFINITY_RANK, .priority = i % 3 - 1};
        futures[i] = submit(executor, user, "turn", 0, &options);
    }
    expect(&done, ech_future_wait_all(futures, 6) == ECH_OK, "all tasks succeed");
    for (int i = 1; i < 6; i++) {
        expect(&done, value_of(futures[expected[i - 1]]) < value_of(futures[expected[i]]),
               "larger priorities run first, and equal ones in the order of submission");
    }
    for (int i = 0; i < 6; i++) {
        ech_future_release(&futures[i]);
    }
    return ech_failure_restore(&done);
}

ech_status equal_keys_meet(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    int64_t hosts[KEYS] = {-1, -1, -1};
    for (int64_t i = 0; i < KEYED; i++) {
        const int64_t key = i % KEYS;
        const ech_task_options options = {
            .affinity = ECH_AFFINITY_KEY, .affinity_value = (uint64_t)key, .strict = true};
        ech_future *future = submit(executor, user, "where", 0, &options);
        expect(&done, ech_future_wait(future) == ECH_OK, "a task with a key succeeds");
        const int64_t host = value_of(future) / 1000;
        expect(&done, hosts[key] == -1 || hosts[key] == host, "a key always means one host");
        hosts[key] = host;
        ech_future_release(&future);
    }
    return ech_failure_restore(&done);
}

/* They are bound to the rank that submits them, which runs nothing as long as it does not wait. */
ech_status released_is_cancelled(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    const ech_task_options here = {.affinity = ECH_AFFINITY_RANK};
    ech_future *futures[HELD_BACK];
    for (int64_t i = 0; i < HELD_BACK; i++) {
        futures[i] = submit(executor, user, "square", i, &here);
    }
    for (int64_t i = 0; i < HELD_BACK; i += 2) {
        expect(&done, ech_future_cancel(futures[i]), "a task that nobody has begun is cancelled");
    }
    for (int64_t i = 0; i < HELD_BACK; i++) {
        const ech_status status = ech_future_wait(futures[i]);
        expect(&done, status == (i % 2 == 0 ? ECH_ERR_CANCELLED : ECH_OK), "and only that one");
        expect(&done, value_of(futures[i]) == (i % 2 == 0 ? INT64_MIN : i * i),
               "the others have their values");
        expect(&done, !ech_future_cancel(futures[i]), "what has ended is not cancelled");
        ech_future_release(&futures[i]);
    }
    return ech_failure_restore(&done);
}

/* They wait for a task that cannot run before this rank waits. Memory comes in blocks of up to
 * 4,096 tasks. */
ech_status pending_is_small(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *gate =
        submit(executor, user, "square", 1, &(ech_task_options){.affinity = ECH_AFFINITY_RANK});
    const ech_task_options behind = {.inputs = &gate, .input_count = 1};
    const size_t before = ech_executor_graph_bytes(executor);
    for (int64_t i = 0; i < PENDING; i++) {
        ech_future *future = submit(executor, user, "sum", i, &behind);
        ech_future_release(&future);
    }
    const size_t held = ech_executor_graph_bytes(executor) - before;
    expect(&done, held <= (size_t)(PENDING + BLOCK) * PENDING_BYTES_MAX,
           "a pending task takes 256 bytes");
    expect(&done, ech_future_wait(gate) == ECH_OK, "the gate opens");
    ech_future_release(&gate);
    return ech_failure_restore(&done);
}

/* With a small `pending_max`: the memory does not grow with the number of tasks. */
ech_status submit_waits_for_room(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    for (int64_t i = 0; i < PENDING; i++) {
        ech_future *future = submit(executor, user, "square", i, NULL);
        ech_future_release(&future);
    }
    expect(&done, ech_executor_graph_bytes(executor) < FEW_BYTES, "submits wait, nothing grows");
    return ech_failure_restore(&done);
}
