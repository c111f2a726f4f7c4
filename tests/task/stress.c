#include "tests/task/stress.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "tests/task/nothing.h"

enum {
    INPUTS_MAX = 4,
    RECENT = 64, /* inputs are drawn from the tasks just before */
    LARGE_BYTES = 4000,
    LARGE_SHARE = 50, /* one task in so many */
    TEAM_SHARE = 500,
    NESTED_SHARE = 10,
    CANCEL_SHARE = 40,
    FAIL_SHARE = 12,
};

typedef struct {
    uint64_t number;
    uint32_t failures; /* attempts that fail */
    uint32_t children; /* nested tasks */
    uint32_t result_bytes;
    uint32_t padding;
} stress_arguments;

typedef struct {
    ech_app_registry *apps;
    ech_app_id work, leaf, team, gate;
    stress *graph;
} stress_setup;

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 29;
}

static uint64_t mix_inputs(const ech_task_context *context, uint64_t value)
{
    for (uint32_t i = 0; i < ech_task_input_count(context); i++) {
        size_t bytes = 0;
        const unsigned char *input = ech_task_input(context, i, &bytes);
        value = mix(value, bytes == 0 ? 1 : ech_hash_bytes(input, bytes).low);
    }
    return value;
}

static ech_status leaf(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments_bytes;
    (void)result_capacity;
    *(uint64_t *)result = mix(*(const uint64_t *)arguments, 7);
    *result_bytes = sizeof(uint64_t);
    return ECH_OK;
}

static ech_status add_children(ech_task_context *context, const stress_arguments *what,
                               uint64_t *value)
{
    const stress_setup *setup = ech_task_user(context);
    ech_future *children[INPUTS_MAX] = {NULL};
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < what->children && status == ECH_OK; i++) {
        const uint64_t number = mix(what->number, i);
        status = ech_submit(ech_task_executor(context), setup->leaf, &number, sizeof number, NULL,
                            &children[i]);
    }
    for (uint32_t i = 0; i < what->children; i++) {
        if (status == ECH_OK) {
            status = ech_future_wait(children[i]);
        }
        if (status == ECH_OK) {
            *value = mix(*value, *(const uint64_t *)ech_future_value(children[i], NULL));
        }
        ech_future_release(&children[i]);
    }
    return status;
}

static ech_status work(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const stress_arguments *what = arguments;
    if (ech_task_attempt(context) < what->failures) {
        return ech_fail(ECH_ERR_NUMERIC, "task %llu fails on purpose",
                        (unsigned long long)what->number);
    }
    uint64_t value = mix_inputs(context, what->number);
    const ech_status status = add_children(context, what, &value);
    if (status != ECH_OK) {
        return status;
    }
    memset(result, (int)(value & 0xff), what->result_bytes);
    memcpy(result, &value, sizeof value);
    *result_bytes = what->result_bytes;
    return ECH_OK;
}

static ech_status team(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    uint64_t all[16] = {0};
    const uint64_t mine =
        mix(((const stress_arguments *)arguments)->number, ech_task_member(context));
    const ech_status status = ech_task_exchange(context, &mine, sizeof mine, all);
    uint64_t value = mix_inputs(context, 3);
    for (uint32_t i = 0; i < ech_task_member_count(context); i++) {
        value = mix(value, all[i]);
    }
    memcpy(result, &value, sizeof value);
    *result_bytes = sizeof value;
    return status;
}

static bool one_in(ech_random *random, uint64_t share)
{
    return ech_random_below(random, share) == 0;
}

/* Everything about task `i` but its inputs. */
static void draw_task(ech_random *random, const stress_setup *setup, uint64_t i,
                      stress_arguments *what, ech_task_options *options, ech_app_id *app)
{
    *what = (stress_arguments){.number = i, .result_bytes = sizeof(uint64_t)};
    *options = (ech_task_options){.priority = (int32_t)ech_random_below(random, 16) - 8};
    *app = setup->work;
    if (one_in(random, FAIL_SHARE)) {
        what->failures = 1 + (uint32_t)ech_random_below(random, 3);
    }
    options->attempts = 1 + (uint32_t)ech_random_below(random, 4);
    options->retry_elsewhere = one_in(random, 2);
    if (one_in(random, NESTED_SHARE)) {
        what->children = 1 + (uint32_t)ech_random_below(random, INPUTS_MAX - 1);
    }
    if (one_in(random, LARGE_SHARE)) {
        what->result_bytes = LARGE_BYTES;
    }
    if (one_in(random, TEAM_SHARE) && setup->graph->team_ranks > 1) {
        options->ranks = setup->graph->team_ranks;
        *app = setup->team;
    }
}

static uint32_t draw_inputs(ech_random *random, ech_future *const *futures, uint64_t i,
                            ech_future **inputs)
{
    const uint64_t recent = i < RECENT ? i : RECENT;
    uint32_t count = recent == 0 ? 0 : (uint32_t)ech_random_below(random, INPUTS_MAX);
    count = one_in(random, 2) ? count : 0;
    for (uint32_t k = 0; k < count; k++) {
        inputs[k] = futures[i - 1 - ech_random_below(random, recent)];
    }
    return count;
}

/* A cancelled task waits for the gate too, which cannot run before the program waits: it is not
 * released yet on any executor. */
static ech_status submit_all(ech_executor *executor, stress_setup *setup, ech_future **futures,
                             ech_future *shut)
{
    ech_random random =
        ech_random_stream(setup->graph->seed, ECH_RANDOM_TEST, 0, setup->graph->tasks, 0);
    for (uint64_t i = 0; i < setup->graph->tasks; i++) {
        stress_arguments what;
        ech_task_options options;
        ech_app_id app = 0;
        ech_future *inputs[INPUTS_MAX + 1];
        draw_task(&random, setup, i, &what, &options, &app);
        options.input_count = draw_inputs(&random, futures, i, inputs);
        const bool cancelled = one_in(&random, CANCEL_SHARE);
        if (cancelled) {
            inputs[options.input_count++] = shut;
        }
        options.inputs = inputs;
        const ech_status status =
            ech_submit(executor, app, &what, sizeof what, &options, &futures[i]);
        if (status != ECH_OK) {
            return status;
        }
        if (cancelled) {
            ech_future_cancel(futures[i]); /* false where an input has failed it already */
        }
    }
    return ECH_OK;
}

/* A task that was cancelled may have failed by an input before, where others run meanwhile: both
 * count as "not run". */
static uint64_t digest_of(ech_future *const *futures, uint32_t count)
{
    uint64_t digest = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = 0;
        const void *value = ech_future_value(futures[i], &bytes);
        ech_status status = ech_future_status(futures[i]);
        status = status == ECH_ERR_CANCELLED ? ECH_ERR_TASK : status;
        digest = mix(digest, (uint64_t)status);
        digest = mix(digest, value == NULL ? 5 : ech_hash_bytes(value, bytes).low);
    }
    return digest;
}

static ech_status program(ech_executor *executor, void *user)
{
    stress_setup *setup = user;
    const uint32_t count = setup->graph->tasks;
    const ech_task_options here = {.affinity = ECH_AFFINITY_RANK, .affinity_value = 0};
    ech_future *shut = NULL;
    ech_future **futures = ech_calloc(count, sizeof(ech_future *));
    ech_status status =
        futures == NULL ? ECH_ERR_MEMORY : ech_submit(executor, setup->gate, NULL, 0, &here, &shut);
    if (status == ECH_OK) {
        status = submit_all(executor, setup, futures, shut);
    }
    for (uint32_t i = 0; status == ECH_OK && i < count; i++) {
        ech_future_wait(futures[i]); /* how it ended goes into the digest */
    }
    if (status == ECH_OK) {
        setup->graph->digest = digest_of(futures, count);
    }
    for (uint32_t i = 0; futures != NULL && i < count; i++) {
        ech_future_release(&futures[i]);
    }
    ech_future_release(&shut);
    ech_free(futures);
    return status;
}

static ech_status register_apps(stress_setup *setup)
{
    const size_t arguments = sizeof(stress_arguments);
    const size_t word = sizeof(uint64_t);
    const struct {
        ech_app app;
        ech_app_id *id;
    } all[] = {
        {{"work", work, setup, arguments, LARGE_BYTES, 1}, &setup->work},
        {{"leaf", leaf, setup, word, word, 1}, &setup->leaf},
        {{"team", team, setup, arguments, word, 1}, &setup->team},
        {{"gate", nothing, setup, 0, 0, 1}, &setup->gate},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == ECH_OK; i++) {
        status = ech_app_register(setup->apps, &all[i].app, all[i].id);
    }
    return status;
}

ech_status stress_run(stress *graph, const ech_executor_options *options)
{
    stress_setup setup = {.graph = graph};
    ech_executor *executor = NULL;
    ech_status status = ech_app_registry_create(&setup.apps);
    if (status == ECH_OK) {
        status = register_apps(&setup);
    }
    if (status == ECH_OK) {
        status = ech_executor_create(setup.apps, options, &executor);
    }
    if (status == ECH_OK) {
        status = ech_executor_run(executor, program, &setup);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&setup.apps);
    return status;
}

uint32_t stress_setting(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : (uint32_t)strtoul(text, NULL, 10);
}
