#include "apps/fit/fit_job.h"

#include <stdarg.h>
#include <stdio.h>

#include "apps/fit/fit_base.h"
#include "apps/fit/fit_kept.h"
#include "apps/fit/fit_output.h"
#include "apps/fit/fit_process.h"
#include "apps/fit/fit_resume.h"
#include "apps/fit/fit_start.h"
#include "apps/fit/fit_totals.h"
#include "apps/fit_options.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/hardware.h"
#include "runtime/mpi/machine.h"
#include "runtime/mpi/pin.h"

enum { FACT_BYTES = 160, FACTS_MAX = 16, APP_NAMES_MAX = 64 };

typedef struct {
    ech_fit_base base;
    uint64_t start_ns;      /* monotonic */
    uint64_t start_wall_ns; /* since 1970 */
    ech_fit_process_handle *process;
    ech_checkpoint *checkpoint; /* rank 0, while it resumes */
    ech_record_mark mark;
    ech_fit_deadline deadline;
    uint64_t rounds_done;
    ech_fit_totals totals;  /* rank 0 */
    ech_fit_output *output; /* rank 0 */
    ech_app_registry *apps;
    ech_executor *executor;
} fit_job;

/* ---- start: every step is collective and ends with the same status on every rank ---- */

static ech_status agree(const fit_job *job, ech_status mine)
{
    return ech_fit_base_agree(&job->base, mine);
}

static ech_status find_checkpoint(fit_job *job)
{
    ech_status status = ECH_OK;
    if (job->base.is_first && job->base.arguments->resume) {
        status = ech_fit_resume_open(job->base.io, job->base.arguments->folder,
                                     job->base.config_text, job->base.engines, &job->checkpoint);
    }
    if (status == ECH_OK && job->checkpoint != NULL) {
        job->rounds_done = ech_checkpoint_describe(job->checkpoint)->round;
    }
    status = agree(job, status);
    if (status != ECH_OK) {
        return status;
    }
    return ech_comm_broadcast(job->base.comm, &job->rounds_done, sizeof job->rounds_done, 0);
}

static ech_fit_keepers keepers_of(const fit_job *job)
{
    return (ech_fit_keepers){
        .sync = ech_fit_process_sync(job->process),
        .async = ech_fit_process_async(job->process),
        .value_count = job->base.strategy->value_count,
    };
}

static ech_status fill_model(fit_job *job)
{
    const ech_state model = ech_fit_process_model(job->process);
    if (job->checkpoint == NULL) {
        const ech_trainer *trainer = job->base.trainer;
        return trainer->initialise(trainer->self, job->base.options.seed, model);
    }
    ech_status status = ech_fit_resume_read(job->checkpoint, job->base.layout, model,
                                            job->base.strategy, &job->mark, &job->deadline);
    if (status == ECH_OK) {
        const ech_fit_keepers keepers = keepers_of(job);
        status = ech_fit_kept_restore(job->checkpoint, &keepers);
    }
    ech_checkpoint_close(&job->checkpoint);
    return status;
}

/* ---- output ---- */

typedef struct {
    char texts[FACTS_MAX][FACT_BYTES];
    ech_record_fact facts[FACTS_MAX];
    size_t count;
} fact_list;

static void add_fact(fact_list *list, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add_fact(fact_list *list, const char *name, const char *format, ...)
{
    char *text = list->texts[list->count];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, FACT_BYTES, format, arguments);
    va_end(arguments);
    list->facts[list->count++] = (ech_record_fact){.name = name, .value = text};
}

static void list_facts(const fit_job *job, fact_list *list)
{
    add_fact(list, "ranks", "%d", ech_machine_rank_count(job->base.machine));
    add_fact(list, "hosts", "%d", ech_machine_host_count(job->base.machine));
    add_fact(list, "threads", "%u", job->base.options.threads);
    add_fact(list, "kernels", "%s", job->base.engines);
    ech_hardware hardware;
    if (ech_hardware_query(&hardware) == ECH_OK) {
        add_fact(list, "host", "%s", hardware.host);
        add_fact(list, "processor", "%s", hardware.cpu_model);
        add_fact(list, "cores", "%u", hardware.core_count);
        add_fact(list, "memory_bytes", "%llu", (unsigned long long)hardware.memory_bytes);
        add_fact(list, "mpi", "%s", hardware.mpi_version);
    }
}

static size_t list_apps(const fit_job *job, const char *names[APP_NAMES_MAX])
{
    size_t count = 0;
    while (count < APP_NAMES_MAX) {
        names[count] = ech_app_name(job->apps, (ech_app_id)count);
        if (names[count][0] == '\0') {
            break;
        }
        count++;
    }
    return count;
}

/* All but the names and facts. */
static ech_fit_output_options output_options_of(fit_job *job)
{
    const ech_fit_base *base = &job->base;
    const bool is_timeless = base->options.async.is_virtual && base->options.async.replay == NULL;
    return (ech_fit_output_options){
        .folder = base->arguments->folder,
        .config = base->config_text,
        .engines = base->engines,
        .resume = job->rounds_done > 0 ? &job->mark : NULL,
        .layout = base->layout,
        .strategy = base->strategy,
        .keepers = keepers_of(job),
        .rounds_done = job->rounds_done,
        .rounds = base->options.rounds,
        .checkpoint_every = base->options.checkpoint.every,
        .checkpoint_seconds = base->options.checkpoint.seconds,
        .checkpoint_keep = base->options.checkpoint.keep,
        .goes_on = base->options.checkpoint.goes_on,
        .epochs = base->options.train.epochs,
        .deadline = &job->deadline,
        .start_ns = is_timeless ? 0 : job->start_wall_ns,
        .totals = &job->totals,
    };
}

static ech_status create_output(fit_job *job)
{
    ech_status status =
        ech_fit_totals_create(&job->totals, ech_topology_tier_count(job->base.tree.topology),
                              (uint32_t)ech_machine_rank_count(job->base.machine),
                              (uint32_t)ech_machine_host_count(job->base.machine));
    if (status != ECH_OK) {
        return status;
    }
    job->totals.rounds = job->rounds_done;
    fact_list facts = {.count = 0};
    const char *names[APP_NAMES_MAX];
    list_facts(job, &facts);
    ech_fit_output_options options = output_options_of(job);
    options.machine = facts.facts;
    options.machine_count = facts.count;
    options.app_names = names;
    options.app_count = list_apps(job, names);
    status = ech_fit_output_create(job->base.io, &options, &job->output);
    if (status == ECH_OK) {
        ech_fit_process_observe(job->process, ech_fit_output_observer(job->output));
    }
    return status;
}

static ech_status prepare_on_rank_0(fit_job *job)
{
    if (!job->base.is_first) {
        return ECH_OK;
    }
    ech_status status = ech_fit_prepare_folder(job->base.arguments);
    if (status == ECH_OK) {
        status = fill_model(job);
    }
    return status == ECH_OK ? create_output(job) : status;
}

static ech_status create_executor(fit_job *job)
{
    ech_status status = ech_app_registry_create(&job->apps);
    if (status == ECH_OK) {
        status = ech_fit_process_register(job->process, job->apps);
    }
    if (status == ECH_OK) {
        status = prepare_on_rank_0(job);
    }
    status = agree(job, status);
    if (status != ECH_OK) {
        return status;
    }
    const ech_executor_options options = {
        .kind = ECH_EXECUTOR_MPI,
        .machine = job->base.machine,
        .sink = job->base.is_first ? ech_fit_output_sink(job->output) : NULL,
        .spill_folder = job->base.arguments->folder,
    };
    return ech_executor_create(job->apps, &options, &job->executor);
}

/* ---- the run ---- */

static ech_status start(fit_job *job, const ech_fit_arguments *arguments,
                        const ech_failure *prepared, ech_io **io)
{
    ech_guard_phase("start");
    ech_status status = ech_fit_base_start(&job->base, arguments, prepared, io);
    if (status == ECH_OK) {
        status = find_checkpoint(job);
    }
    if (status == ECH_OK) {
        status = ech_fit_base_open_sites(&job->base);
    }
    if (status == ECH_OK) {
        status = ech_fit_base_create_process(&job->base, job->rounds_done, &job->process);
    }
    if (status == ECH_OK) {
        status = create_executor(job);
    }
    /* The map of ranks is told once all input has been read: bad input is met by one line alone. */
    return status == ECH_OK && !arguments->json ? ech_pin_log(job->base.machine, &job->base.pinned)
                                                : status;
}

static ech_status run_rounds(ech_executor *executor, void *user)
{
    fit_job *job = user;
    job->totals.start_seconds = ech_clock_seconds(ech_clock_ns() - job->start_ns);
    return ech_fit_process_run(job->process, executor);
}

/* The model comes first, whatever the run ended with: an early stop keeps its last whole round. */
static ech_status save(fit_job *job, ech_status ran)
{
    if (!job->base.is_first || (ran != ECH_OK && ran != ECH_ERR_INTERRUPTED)) {
        return ran;
    }
    const ech_failure failure = ech_failure_keep(ran);
    const ech_state model = ech_fit_process_model(job->process);
    const ech_state_view view = {.values = model.values, .counters = model.counters};
    job->totals.model_hash = ech_layout_hash_values(job->base.layout, model.values);
    const ech_status status = ech_fit_output_save(job->output, view);
    return status == ECH_OK ? ech_failure_restore(&failure) : status;
}

static ech_status tell_totals(fit_job *job)
{
    job->totals.total_seconds = ech_clock_seconds(ech_clock_ns() - job->start_ns);
    job->totals.checkpoint_path = ech_fit_output_checkpoint(job->output);
    job->totals.record_path = ech_fit_output_record(job->output);
    if (job->base.arguments->json) {
        return ech_fit_totals_write_json(&job->totals);
    }
    ech_fit_totals_print(&job->totals);
    return ECH_OK;
}

/* With what is known at the end only. */
static ech_status conclude(fit_job *job, bool complete)
{
    ech_status status = ech_fit_base_measure_memory(&job->base, &job->totals);
    if (status == ECH_OK && job->base.is_first) {
        status = ech_fit_output_finish(job->output, complete);
        if (status == ECH_OK) {
            status = tell_totals(job);
        }
    }
    return agree(job, status);
}

static void clear(fit_job *job)
{
    ech_executor_destroy(&job->executor);
    ech_app_registry_destroy(&job->apps);
    ech_fit_output_destroy(&job->output);
    ech_fit_totals_clear(&job->totals);
    ech_checkpoint_close(&job->checkpoint);
    ech_fit_process_destroy(&job->process);
    ech_fit_base_clear(&job->base);
}

ech_status ech_fit_job_run(const ech_fit_arguments *arguments, const ech_failure *prepared,
                           ech_io **io)
{
    fit_job job = {
        .start_ns = ech_clock_ns(),
        .start_wall_ns = ech_clock_wall_ns(),
        .deadline = {.until_s = arguments->until_s},
    };
    ech_status status = start(&job, arguments, prepared, io);
    if (status == ECH_ERR_FILE) {
        status = ECH_ERR_CONFIG; /* until here only files that the user named were opened */
    }
    if (job.base.machine == NULL) {
        return status; /* nothing was made, and there is no communicator to agree by */
    }
    if (status == ECH_OK) {
        ech_guard_phase("run");
        status = ech_executor_run(job.executor, run_rounds, &job);
        status = agree(&job, save(&job, status));
        if (status == ECH_OK || status == ECH_ERR_INTERRUPTED) {
            const ech_failure failure = ech_failure_keep(status);
            const ech_status concluded = conclude(&job, status == ECH_OK);
            status = concluded == ECH_OK ? ech_failure_restore(&failure) : concluded;
        }
    }
    const ech_failure failure = ech_failure_keep(status);
    clear(&job);
    return ech_failure_restore(&failure);
}
