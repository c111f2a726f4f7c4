/* The apps of the scenarios. Each works on a few integers. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/task/scenarios_priv.h"

void expect(checks *done, bool condition, const char *what)
{
    if (!condition && done->status == ECH_OK) {
        char cause[512];
        snprintf(cause, sizeof cause, "%s", ech_status_message());
        ech_fail(ECH_ERR_TASK, "expected: %s (last message: %s)", what, cause);
        *done = ech_failure_keep(ECH_ERR_TASK);
    }
}

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

/* How many have run before it in this process. */
static ech_status turn(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    static int64_t turns;
    (void)context;
    (void)arguments;
    (void)arguments_bytes;
    (void)result_capacity;
    *(int64_t *)result = turns++;
    *result_bytes = sizeof turns;
    return ECH_OK;
}

ech_status scenarios_register(ech_app_registry *apps)
{
    const size_t word = sizeof(int64_t);
    const ech_app all[] = {
        {"square", square, apps, word, word, 1},
        {"sum", sum, apps, word, word, 1},
        {"fail_until", fail_until, apps, word, word, 1},
        {"reverse", reverse, apps, SCENARIO_LARGE_BYTES, SCENARIO_LARGE_BYTES, 1},
        {"fibonacci", fibonacci, apps, word, word, 1},
        {"team", team, apps, word, word, 1},
        {"where", where, apps, word, word, 1},
        {"leave_behind", leave_behind, apps, word, 0, 1},
        {"turn", turn, apps, word, word, 1},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == ECH_OK; i++) {
        ech_app_id id = 0;
        status = ech_app_register(apps, &all[i], &id);
    }
    return status;
}

ech_future *submit(ech_executor *executor, ech_app_registry *apps, const char *app,
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

int64_t value_of(ech_future *future)
{
    size_t bytes = 0;
    const int64_t *value = ech_future_value(future, &bytes);
    return value != NULL && bytes == sizeof *value ? *value : INT64_MIN;
}
