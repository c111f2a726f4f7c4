#include "tests/task/scenarios.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "tests/task/scenarios_priv.h"

enum { MANY = 2000, FIBONACCI = 12, FIBONACCI_VALUE = 144, FEW_PENDING = 64 };

static ech_status many_values(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *futures[MANY];
    for (int64_t i = 0; i < MANY; i++) {
        futures[i] = submit(executor, user, "square", i,
                            &(ech_task_options){.priority = (int32_t)(i % 16) - 8});
    }
    expect(&done, ech_future_wait_all(futures, MANY) == ECH_OK, "all tasks succeed");
    for (int64_t i = 0; i < MANY; i++) {
        expect(&done, value_of(futures[i]) == i * i, "each value is its argument's square");
        ech_future_release(&futures[i]);
    }
    return ech_failure_restore(&done);
}

static ech_status inputs_in_order(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *inputs[3];
    for (int64_t i = 0; i < 3; i++) {
        inputs[i] = submit(executor, user, "square", i + 1, NULL);
    }
    ech_future *twice[] = {inputs[0], inputs[1], inputs[2], inputs[0]};
    ech_future *total =
        submit(executor, user, "sum", 7, &(ech_task_options){.inputs = twice, .input_count = 4});
    for (int i = 0; i < 3; i++) {
        ech_future_release(&inputs[i]);
    }
    expect(&done, ech_future_wait(total) == ECH_OK, "the sum succeeds");
    expect(&done, value_of(total) == ((((70 + 1) * 10 + 4) * 10 + 9) * 10 + 1),
           "inputs arrive in the order given, also one given twice");
    ech_future_release(&total);
    return ech_failure_restore(&done);
}

static ech_status failure_travels(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *root = submit(executor, user, "fail_until", 1, NULL);
    ech_future *last = root;
    ech_future *chain[100];
    for (int i = 0; i < 100; i++) {
        chain[i] = submit(executor, user, "sum", 0,
                          &(ech_task_options){.inputs = &last, .input_count = 1});
        last = chain[i];
    }
    expect(&done, ech_future_wait(last) == ECH_ERR_TASK, "the last dependent fails");
    expect(&done, strstr(ech_status_message(), "fail_until") != NULL, "the root's app is named");
    expect(&done, strstr(ech_status_message(), "the residual is not finite") != NULL,
           "the root's cause is named");
    expect(&done, ech_future_wait(root) == ECH_ERR_NUMERIC, "the root keeps its own status");
    expect(&done, ech_future_value(root, NULL) == NULL, "a failed task has no value");
    for (int i = 0; i < 100; i++) {
        ech_future_release(&chain[i]);
    }
    ech_future_release(&root);
    return ech_failure_restore(&done);
}

static ech_status retries(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    const ech_task_options three = {.attempts = 3, .retry_elsewhere = true};
    ech_task_options other_error = three;
    other_error.retry_mask = 1U << ECH_ERR_FILE;
    ech_future *enough = submit(executor, user, "fail_until", 2, &three);
    ech_future *too_few = submit(executor, user, "fail_until", 3, &three);
    ech_future *not_retried = submit(executor, user, "fail_until", 1, &other_error);
    expect(&done, ech_future_wait(enough) == ECH_OK, "the third attempt succeeds");
    expect(&done, ech_future_wait(too_few) == ECH_ERR_NUMERIC, "three attempts are not enough");
    expect(&done, strstr(ech_status_message(), "attempt 3") != NULL, "the attempt is named");
    expect(&done, ech_future_wait(not_retried) == ECH_ERR_NUMERIC, "the mask excludes the error");
    expect(&done, strstr(ech_status_message(), "attempt 1") != NULL, "it ran once");
    ech_future *all[] = {enough, too_few, not_retried};
    expect(&done, ech_future_wait_all(all, 3) == ECH_ERR_NUMERIC, "one failure fails them all");
    expect(&done, strstr(ech_status_message(), "attempt 3") != NULL, "the first is named");
    ech_future_release(&enough);
    ech_future_release(&too_few);
    ech_future_release(&not_retried);
    return ech_failure_restore(&done);
}

static ech_status cancellation(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *first = submit(executor, user, "square", 3, NULL);
    ech_future *second =
        submit(executor, user, "sum", 0, &(ech_task_options){.inputs = &first, .input_count = 1});
    ech_future *third =
        submit(executor, user, "sum", 0, &(ech_task_options){.inputs = &second, .input_count = 1});
    expect(&done, ech_future_cancel(second), "a waiting task is cancelled");
    expect(&done, !ech_future_cancel(second), "but once only");
    expect(&done, ech_future_wait(second) == ECH_ERR_CANCELLED, "its waiter sees that");
    expect(&done, ech_future_wait(third) == ECH_ERR_TASK, "its dependent fails");
    expect(&done, ech_future_wait(first) == ECH_OK, "its input does not");
    ech_future_release(&first);
    ech_future_release(&second);
    ech_future_release(&third);
    return ech_failure_restore(&done);
}

typedef struct {
    ech_app_registry *apps;
    ech_executor *executor;
    ech_future *next;
    int calls;
} continuation_state;

static void submit_next(ech_future *future, void *user)
{
    continuation_state *state = user;
    state->calls++;
    state->next = submit(state->executor, state->apps, "square", value_of(future), NULL);
}

static ech_status continuations(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    continuation_state state = {.apps = user, .executor = executor};
    ech_future *first = submit(executor, user, "square", 3, NULL);
    expect(&done, ech_future_then(first, submit_next, &state) == ECH_OK, "then is taken");
    expect(&done, ech_future_wait(first) == ECH_OK, "the task succeeds");
    while (state.calls == 0) {
        ech_future_poll(first);
        ech_clock_sleep_ns(1000);
    }
    expect(&done, state.next != NULL && ech_future_wait(state.next) == ECH_OK, "the next one too");
    expect(&done, state.next != NULL && value_of(state.next) == 81, "it got the first's value");
    ech_future_release(&state.next);
    ech_future_release(&first);
    return ech_failure_restore(&done);
}

static ech_status wait_for_any(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *futures[20];
    size_t left = 20;
    int64_t total = 0;
    for (int64_t i = 0; i < 20; i++) {
        futures[i] = submit(executor, user, "square", i, NULL);
    }
    while (left > 0) {
        size_t which = 99;
        expect(&done, ech_future_wait_any(futures, left, &which) == ECH_OK, "one has ended");
        if (which >= left) {
            break;
        }
        total += value_of(futures[which]);
        ech_future_release(&futures[which]);
        futures[which] = futures[--left];
    }
    expect(&done, total == 2470, "each came once");
    return ech_failure_restore(&done);
}

static ech_status nested(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    ech_future *future = submit(executor, user, "fibonacci", FIBONACCI, NULL);
    expect(&done, ech_future_wait(future) == ECH_OK, "nested waits end");
    expect(&done, value_of(future) == FIBONACCI_VALUE, "and give the right value");
    ech_future_release(&future);
    ech_future *parent = submit(executor, user, "leave_behind", 3, NULL);
    expect(&done, ech_future_wait(parent) == ECH_OK, "a task that does not wait for its own ends");
    ech_future_release(&parent);
    return ech_failure_restore(&done);
}

static ech_status memo(ech_executor *executor, void *user)
{
    checks done = {.status = ECH_OK};
    const ech_task_options once = {.memoize = true};
    ech_future *first = submit(executor, user, "square", 12, &once);
    expect(&done, ech_future_wait(first) == ECH_OK, "the first run succeeds");
    ech_future *second = submit(executor, user, "square", 12, &once);
    expect(&done, ech_future_status(second) == ECH_OK && value_of(second) == 144,
           "the second is answered at once");
    ech_future *other = submit(executor, user, "square", 13, &once);
    expect(&done, ech_future_wait(other) == ECH_OK && value_of(other) == 169, "others run");
    ech_future_release(&first);
    ech_future_release(&second);
    ech_future_release(&other);
    return ech_failure_restore(&done);
}

const scenario scenarios[] = {
    {"many_values", many_values, 0},
    {"inputs_in_order", inputs_in_order, 0},
    {"failure_travels", failure_travels, 0},
    {"retries", retries, 0},
    {"cancellation", cancellation, 0},
    {"continuations", continuations, 0},
    {"wait_for_any", wait_for_any, 0},
    {"nested", nested, 0},
    {"large_values", large_values, 0},
    {"memo", memo, 0},
    {"shell_commands", shell_commands, 0},
    {"teams", teams, 0},
    {"affinities", affinities, 0},
    {"priorities_come_first", priorities_come_first, 0},
    {"equal_keys_meet", equal_keys_meet, 0},
    {"bad_submits", bad_submits, 0},
    {"released_is_cancelled", released_is_cancelled, 0},
    {"pending_is_small", pending_is_small, 0},
    {"submit_waits_for_room", submit_waits_for_room, FEW_PENDING},
};
const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];

ech_status scenario_run(const scenario *what, const ech_executor_options *options)
{
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_status status = ech_app_registry_create(&apps);
    if (status == ECH_OK) {
        status = scenarios_register(apps);
    }
    if (status == ECH_OK) {
        ech_executor_options own = *options;
        own.pending_max = what->pending_max;
        status = ech_executor_create(apps, &own, &executor);
    }
    if (status == ECH_OK) {
        status = ech_executor_run(executor, what->program, apps);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    return status;
}
