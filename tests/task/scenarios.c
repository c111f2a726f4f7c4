#include "tests/task/scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum { MANY = 2000, LARGE_BYTES = 300000, TEAM_RANKS = 2, FIBONACCI = 12, FIBONACCI_VALUE = 144 };

/* The first expectation that failed. */
typedef struct {
    ech_status status;
} checks;

static void expect(checks *done, bool condition, const char *what)
{
    if (!condition && done->status == ECH_OK) {
        char cause[512];
        snprintf(cause, sizeof cause, "%s", ech_status_message());
        done->status = ech_fail(ECH_ERR_TASK, "expected: %s (last message: %s)", what, cause);
    }
}

/* Apps. Each works on a few integers. */

static ech_status square(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                         void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments_bytes;
    (void)result_capacity;
    const int64_t x = *(const int64_t *)arguments;
    *(int64_t *)result = x * x;
    *result_bytes = sizeof(int64_t);
    return ECH_OK;
}

static ech_status sum(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                      void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)result_capacity;
    int64_t total = arguments_bytes == 0 ? 0 : *(const int64_t *)arguments;
    for (uint32_t i = 0; i < ech_task_input_count(context); i++) {
        size_t bytes = 0;
        const int64_t *value = ech_task_input(context, i, &bytes);
        if (bytes != sizeof *value) {
            return ech_fail(ECH_ERR_ARGUMENT, "input %u has %zu bytes", i, bytes);
        }
        total = 10 * total + *value; /* the order of the inputs matters */
    }
    *(int64_t *)result = total;
    *result_bytes = sizeof total;
    return ECH_OK;
}

static ech_status fail_until(ech_task_context *context, const void *arguments,
                             size_t arguments_bytes, void *result, size_t result_capacity,
                             size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const int64_t enough = *(const int64_t *)arguments;
    if ((int64_t)ech_task_attempt(context) < enough) {
        return ech_fail(ECH_ERR_NUMERIC, "the residual is not finite");
    }
    *(int64_t *)result = enough;
    *result_bytes = sizeof enough;
    return ECH_OK;
}

static ech_status reverse(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                          void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)result_capacity;
    const unsigned char *from = arguments;
    unsigned char *to = result;
    for (size_t i = 0; i < arguments_bytes; i++) {
        to[i] = from[arguments_bytes - 1 - i];
    }
    *result_bytes = arguments_bytes;
    return ECH_OK;
}

static ech_status fibonacci(ech_task_context *context, const void *arguments,
                            size_t arguments_bytes, void *result, size_t result_capacity,
                            size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const int64_t n = *(const int64_t *)arguments;
    int64_t value = n;
    if (n > 1) {
        ech_executor *executor = ech_task_executor(context);
        ech_app_id self = 0;
        ech_future *parts[2] = {NULL, NULL};
        ech_status status = ech_app_find(ech_task_user(context), "fibonacci", &self);
        for (int64_t i = 0; i < 2 && status == ECH_OK; i++) {
            const int64_t smaller = n - 1 - i;
            status = ech_submit(executor, self, &smaller, sizeof smaller, NULL, &parts[i]);
        }
        status = status == ECH_OK ? ech_future_wait_all(parts, 2) : status;
        if (status == ECH_OK) {
            value = *(const int64_t *)ech_future_value(parts[0], NULL) +
                    *(const int64_t *)ech_future_value(parts[1], NULL);
        }
        ech_future_release(&parts[0]);
        ech_future_release(&parts[1]);
        if (status != ECH_OK) {
            return status;
        }
    }
    *(int64_t *)result = value;
    *result_bytes = sizeof value;
    return ECH_OK;
}

/* Members exchange their numbers twice; the value is a check of both exchanges. */
static ech_status team(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const int64_t fails = *(const int64_t *)arguments;
    const int64_t mine = 1 + (int64_t)ech_task_member(context);
    int64_t all[8] = {0};
    int64_t total = 0;
    if (fails == mine) {
        return ech_fail(ECH_ERR_NUMERIC, "member %lld gives up", (long long)mine);
    }
    for (int64_t again = 1; again <= 2 && fails == 0; again++) {
        const int64_t part = again * mine;
        const ech_status status = ech_task_exchange(context, &part, sizeof part, all);
        if (status != ECH_OK) {
            return status;
        }
        for (uint32_t i = 0; i < ech_task_member_count(context); i++) {
            total += again * all[i];
        }
    }
    *(int64_t *)result = total;
    *result_bytes = sizeof total;
    return ECH_OK;
}

static ech_status leave_behind(ech_task_context *context, const void *arguments,
                               size_t arguments_bytes, void *result, size_t result_capacity,
                               size_t *result_bytes)
{
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    ech_app_id app = 0;
    ech_status status = ech_app_find(ech_task_user(context), "square", &app);
    for (int i = 0; i < 3 && status == ECH_OK; i++) {
        status =
            ech_submit(ech_task_executor(context), app, arguments, arguments_bytes, NULL, NULL);
    }
    return status;
}

static ech_status where(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                        void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments;
    (void)arguments_bytes;
    (void)result_capacity;
    *(int64_t *)result = 1000 * (int64_t)ech_task_host(context) + ech_task_rank(context);
    *result_bytes = sizeof(int64_t);
    return ECH_OK;
}

ech_status scenarios_register(ech_app_registry *apps)
{
    const size_t word = sizeof(int64_t);
    const ech_app all[] = {
        {"square", square, apps, word, word, 1},
        {"sum", sum, apps, word, word, 1},
        {"fail_until", fail_until, apps, word, word, 1},
        {"reverse", reverse, apps, LARGE_BYTES, LARGE_BYTES, 1},
        {"fibonacci", fibonacci, apps, word, word, 1},
        {"team", team, apps, word, word, 1},
        {"where", where, apps, word, word, 1},
        {"leave_behind", leave_behind, apps, word, 0, 1},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == ECH_OK; i++) {
        ech_app_id id = 0;
        status = ech_app_register(apps, &all[i], &id);
    }
    return status;
}

/* Submit an app that takes one integer. */
static ech_future *submit(ech_executor *executor, ech_app_registry *apps, const char *app,
                          int64_t argument, const ech_task_options *options)
{
    ech_app_id id = 0;
    ech_future *future = NULL;
    if (ech_app_find(apps, app, &id) != ECH_OK ||
        ech_submit(executor, id, &argument, sizeof argument, options, &future) != ECH_OK) {
        fprintf(stderr, "submitting '%s' failed: %s\n", app, ech_status_message());
        abort();
    }
    return future;
}

static int64_t value_of(ech_future *future)
{
    size_t bytes = 0;
    const int64_t *value = ech_future_value(future, &bytes);
    return value != NULL && bytes == sizeof *value ? *value : INT64_MIN;
}

static ech_status many_values(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status inputs_in_order(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status failure_travels(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status retries(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    ech_future_release(&enough);
    ech_future_release(&too_few);
    ech_future_release(&not_retried);
    return done.status;
}

static ech_status cancellation(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
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
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status wait_for_any(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status nested(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
    ech_future *future = submit(executor, user, "fibonacci", FIBONACCI, NULL);
    expect(&done, ech_future_wait(future) == ECH_OK, "nested waits end");
    expect(&done, value_of(future) == FIBONACCI_VALUE, "and give the right value");
    ech_future_release(&future);
    ech_future *parent = submit(executor, user, "leave_behind", 3, NULL);
    expect(&done, ech_future_wait(parent) == ECH_OK, "a task that does not wait for its own ends");
    ech_future_release(&parent);
    return done.status;
}

static ech_status large_values(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
    unsigned char *data = ech_alloc(LARGE_BYTES);
    ech_app_id app = 0;
    ech_future *futures[40] = {NULL};
    expect(&done, data != NULL && ech_app_find(user, "reverse", &app) == ECH_OK, "a buffer");
    for (size_t i = 0; i < 40 && done.status == ECH_OK; i++) {
        const size_t bytes = (size_t)LARGE_BYTES >> (i % 19);
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
        expect(&done, bytes == (size_t)LARGE_BYTES >> (i % 19), "its size is right");
        for (size_t k = 0; k < bytes; k++) {
            expect(&done, value[bytes - 1 - k] == (unsigned char)(k * 7 + i), "each byte is right");
        }
    }
    for (size_t i = 0; i < 40; i++) {
        ech_future_release(&futures[i]);
    }
    expect(&done, ech_submit(executor, app, data, LARGE_BYTES + 1, NULL, NULL) == ECH_ERR_ARGUMENT,
           "more than the bound is refused");
    ech_free(data);
    return done.status;
}

static ech_status memo(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status shell_commands(ech_executor *executor, void *user)
{
    (void)user;
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status teams(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
    const ech_task_options pair = {.ranks = TEAM_RANKS};
    ech_app_id app = 0;
    if (ech_app_find(user, "team", &app) != ECH_OK ||
        ech_submit(executor, app, &(int64_t){0}, sizeof(int64_t), &pair, NULL) != ECH_OK) {
        return done.status; /* too few ranks */
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
    return done.status;
}

static ech_status bad_submits(ech_executor *executor, void *user)
{
    (void)user;
    checks done = {ECH_OK};
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
    return done.status;
}

static ech_status affinities(ech_executor *executor, void *user)
{
    checks done = {ECH_OK};
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
    return done.status;
}

const scenario scenarios[] = {
    {"many_values", many_values},         {"inputs_in_order", inputs_in_order},
    {"failure_travels", failure_travels}, {"retries", retries},
    {"cancellation", cancellation},       {"continuations", continuations},
    {"wait_for_any", wait_for_any},       {"nested", nested},
    {"large_values", large_values},       {"memo", memo},
    {"shell_commands", shell_commands},   {"teams", teams},
    {"affinities", affinities},           {"bad_submits", bad_submits},
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
        status = ech_executor_create(apps, options, &executor);
    }
    if (status == ECH_OK) {
        status = ech_executor_run(executor, what->program, apps);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    return status;
}
