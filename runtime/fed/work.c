#include "runtime/fed/work.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"

ech_work_watch ech_work_start_phase(ech_step_result *step, ech_phase phase)
{
    return (ech_work_watch){.sum_ns = &step->phase_ns[phase], .start_ns = ech_clock_ns()};
}

void ech_work_stop_phase(ech_work_watch watch)
{
    *watch.sum_ns += ech_clock_ns() - watch.start_ns;
}

static ech_status run_work(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                           void *result, size_t capacity, size_t *result_bytes)
{
    const ech_work_binding *binding = ech_task_user(context);
    assert(capacity >= binding->result_bytes);
    (void)capacity;
    memset(result, 0, binding->result_bytes);
    ech_work work = {
        .context = context,
        .rank = binding->rank,
        .arguments = arguments,
        .arguments_bytes = arguments_bytes,
        .result = result,
        .result_bytes = binding->result_bytes,
    };
    const uint64_t start_ns = ech_clock_ns();
    const ech_status status = binding->run(&work);
    if (binding->phase != ECH_PHASE_COUNT) {
        ech_step_result *step = result;
        step->phase_ns[binding->phase] += ech_clock_ns() - start_ns;
    }
    *result_bytes = work.result_bytes;
    return status;
}

ech_status ech_work_register(ech_app_registry *registry, const ech_work_app *apps, size_t count,
                             void *rank, ech_work_binding *bindings)
{
    ech_status status = ECH_OK;
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        bindings[i] = (ech_work_binding){.run = apps[i].run,
                                         .phase = apps[i].phase,
                                         .result_bytes = apps[i].result_bytes,
                                         .rank = rank};
        const ech_app app = {
            .name = apps[i].name,
            .run = run_work,
            .user = &bindings[i],
            .arguments_bytes_max = apps[i].arguments_bytes,
            .result_bytes_max = apps[i].result_bytes,
            .version = 1,
        };
        status = ech_app_register(registry, &app, apps[i].id);
    }
    return status;
}
