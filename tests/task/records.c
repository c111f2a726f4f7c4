#include "tests/task/records.h"

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "tests/task/nothing.h"
#include "tests/task/signals.h"

enum { EACH = 20000, NUMBER_BITS = 40, FLAKY = 20, KEPT_MAX = 100, NAP_NS = 1000000 };

typedef struct {
    ech_app_registry *apps;
    ech_app_id leaf, burst, away;
    int ranks;
    uint8_t *seen; /* rank 0: by rank and number of the task there, which begins with 1 */
    uint64_t strays;
} busy_setup;

static ech_status submit_leaves(ech_task_context *context, ech_future **futures)
{
    const busy_setup *setup = ech_task_user(context);
    ech_status status = ECH_OK;
    for (int i = 0; i < EACH && status == ECH_OK; i++) {
        status = ech_submit(ech_task_executor(context), setup->leaf, NULL, 0, NULL, &futures[i]);
    }
    if (status == ECH_OK) {
        status = ech_future_wait_all(futures, EACH);
    }
    for (int i = 0; i < EACH; i++) {
        ech_future_release(&futures[i]);
    }
    return status;
}

static ech_status burst(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                        void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    const int hosts = ech_executor_host_count(ech_task_executor(context));
    ech_future **futures = ech_calloc(EACH, sizeof(ech_future *));
    ech_status status = futures == NULL ? ECH_ERR_MEMORY : ECH_OK;
    signals_say(arguments, "ready", ech_task_rank(context));
    if (status == ECH_OK) {
        status = signals_wait(arguments, "away", 0, hosts, NULL);
    }
    if (status == ECH_OK) {
        status = submit_leaves(context, futures);
    }
    ech_free(futures);
    signals_say(arguments, "done", ech_task_rank(context));
    return status;
}

/* Look away until all that are not leader ranks have done what they had to do. */
static ech_status look_away(const char *folder, const ech_executor *executor)
{
    const int hosts = ech_executor_host_count(executor);
    signals_say(folder, "away", ech_executor_rank(executor));
    return signals_wait(folder, "done", hosts, ech_executor_rank_count(executor) - hosts, NULL);
}

static ech_status away(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    return look_away(arguments, ech_task_executor(context));
}

/* Serve until the others have begun. */
static void wait_for_others(const char *folder, ech_executor *executor, ech_future *any)
{
    const int hosts = ech_executor_host_count(executor);
    const int ranks = ech_executor_rank_count(executor);
    while (!ech_future_poll(any) && !(signals_heard(folder, "ready", hosts, ranks - hosts) &&
                                      signals_heard(folder, "away", 1, hosts - 1))) {
        ech_clock_sleep_ns(NAP_NS);
    }
}

static ech_status busy_program(ech_executor *executor, void *user)
{
    const busy_setup *setup = user;
    ech_future *futures[KEPT_MAX] = {NULL};
    char folder[SIGNALS_PATH_BYTES] = "";
    ech_status status = signals_create(folder);
    for (int rank = setup->ranks - 1; rank > 0 && status == ECH_OK; rank--) {
        const bool is_leader = rank < ech_executor_host_count(executor);
        const ech_task_options bound = {.affinity = ECH_AFFINITY_RANK,
                                        .affinity_value = (uint64_t)rank};
        status = ech_submit(executor, is_leader ? setup->away : setup->burst, folder, sizeof folder,
                            &bound, &futures[rank]);
    }
    if (status == ECH_OK) {
        wait_for_others(folder, executor, futures[setup->ranks - 1]);
        status = look_away(folder, executor);
    }
    for (int rank = 1; rank < setup->ranks; rank++) {
        const ech_status waited = futures[rank] == NULL ? ECH_OK : ech_future_wait(futures[rank]);
        status = status == ECH_OK ? waited : status;
        ech_future_release(&futures[rank]);
    }
    signals_destroy(folder);
    return status;
}

static void note_leaves(void *self, const ech_task_record *records, size_t count)
{
    busy_setup *setup = self;
    for (size_t i = 0; i < count; i++) {
        const uint64_t rank = records[i].task >> NUMBER_BITS;
        const uint64_t number = records[i].task & ((UINT64_C(1) << NUMBER_BITS) - 1);
        if (records[i].app != setup->leaf) {
            continue;
        }
        if (rank < (uint64_t)setup->ranks && number >= 1 && number <= EACH &&
            setup->seen[rank * EACH + number - 1] == 0) {
            setup->seen[rank * EACH + number - 1] = 1;
        } else {
            setup->strays++;
        }
    }
}

static ech_status register_busy(busy_setup *setup)
{
    const struct {
        ech_app app;
        ech_app_id *id;
    } all[] = {
        {{.name = "leaf", .run = nothing}, &setup->leaf},
        {{.name = "burst", .run = burst, .user = setup, .arguments_bytes_max = SIGNALS_PATH_BYTES},
         &setup->burst},
        {{.name = "away", .run = away, .arguments_bytes_max = SIGNALS_PATH_BYTES}, &setup->away},
    };
    ech_status status = ech_app_registry_create(&setup->apps);
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == ECH_OK; i++) {
        status = ech_app_register(setup->apps, &all[i].app, all[i].id);
    }
    return status;
}

static ech_status judge(const busy_setup *setup, int hosts, uint64_t *missing)
{
    uint64_t came = 0;
    for (int i = 0; i < setup->ranks * EACH; i++) {
        came += setup->seen[i];
    }
    *missing = (uint64_t)(setup->ranks - hosts) * EACH - came;
    return setup->strays == 0 ? ECH_OK
                              : ech_fail(ECH_ERR_TASK, "%llu records came twice or of no task",
                                         (unsigned long long)setup->strays);
}

ech_status records_of_busy_leaders(const ech_executor_options *options, uint64_t *missing)
{
    busy_setup setup = {0};
    const ech_task_record_sink sink = {&setup, note_leaves};
    ech_executor_options own = *options;
    ech_executor *executor = NULL;
    own.sink = &sink;
    ech_status status = register_busy(&setup);
    if (status == ECH_OK) {
        status = ech_executor_create(setup.apps, &own, &executor);
    }
    if (status == ECH_OK) {
        setup.ranks = ech_executor_rank_count(executor);
        setup.seen = ech_calloc((size_t)setup.ranks * EACH, 1);
        status = ech_executor_run(executor, busy_program, &setup);
    }
    if (status == ECH_OK && ech_executor_rank(executor) == 0) {
        status = judge(&setup, ech_executor_host_count(executor), missing);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&setup.apps);
    ech_free(setup.seen);
    return status;
}

/* ---- attempts ---- */

typedef struct {
    ech_app_id flaky, slow;
    ech_task_record kept[KEPT_MAX];
    size_t count;
} attempts_setup;

static ech_status flaky(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                        void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    return ech_task_attempt(context) > 0 ? ECH_OK : ech_fail(ECH_ERR_NUMERIC, "not at once");
}

static ech_status slow(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    ech_clock_sleep_ns(20 * NAP_NS);
    return ECH_OK;
}

static ech_status attempts_program(ech_executor *executor, void *user)
{
    const attempts_setup *setup = user;
    const ech_task_options twice = {
        .attempts = 2, .retry_elsewhere = true, .walltime_ns = UINT64_C(3600000000000)};
    const ech_task_options hurried = {.walltime_ns = NAP_NS};
    ech_status status = ECH_OK;
    for (int i = 0; i < FLAKY && status == ECH_OK; i++) {
        ech_future *future = NULL;
        status = ech_submit(executor, setup->flaky, NULL, 0, &twice, &future);
        status = status == ECH_OK ? ech_future_wait(future) : status;
        ech_future_release(&future);
    }
    return status == ECH_OK ? ech_submit(executor, setup->slow, NULL, 0, &hurried, NULL) : status;
}

static void keep_records(void *self, const ech_task_record *records, size_t count)
{
    attempts_setup *setup = self;
    for (size_t i = 0; i < count && setup->count < KEPT_MAX; i++) {
        setup->kept[setup->count++] = records[i];
    }
}

static bool is_retry_elsewhere(const ech_task_record *one, const ech_task_record *other)
{
    return one->task == other->task && one->attempt == 0 && other->attempt == 1 &&
           one->rank != other->rank && one->status == ECH_ERR_NUMERIC && other->status == ECH_OK;
}

static ech_status judge_attempts(const attempts_setup *setup)
{
    int elsewhere = 0;
    int late = 0;
    for (size_t i = 0; i < setup->count; i++) {
        const bool is_late = (setup->kept[i].flags & ECH_RECORD_LATE) != 0;
        late += is_late ? 1 : 0;
        if (is_late && setup->kept[i].app != setup->slow) {
            return ech_fail(ECH_ERR_TASK, "a task within its walltime is recorded as late");
        }
        for (size_t k = 0; k < setup->count; k++) {
            elsewhere += is_retry_elsewhere(&setup->kept[i], &setup->kept[k]) ? 1 : 0;
        }
    }
    if (setup->count != 2 * FLAKY + 1 || elsewhere != FLAKY || late != 1) {
        return ech_fail(ECH_ERR_TASK, "%zu records, %d retries elsewhere, %d late", setup->count,
                        elsewhere, late);
    }
    return ECH_OK;
}

ech_status records_of_attempts(const ech_executor_options *options)
{
    attempts_setup setup = {0};
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    const ech_task_record_sink sink = {&setup, keep_records};
    ech_executor_options own = *options;
    own.sink = &sink;
    ech_status status = ech_app_registry_create(&apps);
    if (status == ECH_OK) {
        status = ech_app_register(apps, &(ech_app){.name = "flaky", .run = flaky}, &setup.flaky);
    }
    if (status == ECH_OK) {
        status = ech_app_register(apps, &(ech_app){.name = "slow", .run = slow}, &setup.slow);
    }
    if (status == ECH_OK) {
        status = ech_executor_create(apps, &own, &executor);
    }
    if (status == ECH_OK) {
        status = ech_executor_run(executor, attempts_program, &setup);
    }
    if (status == ECH_OK && ech_executor_rank(executor) == 0) {
        status = judge_attempts(&setup);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    return status;
}
