#define _POSIX_C_SOURCE 200809L
#include "apps/plan/job_plan.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"

enum { FILE_BYTES = PATH_MAX + 64, MARGIN_SECONDS = 60, WALLTIME_STEP = 600 };

static const double walltime_factor = 1.5; /* of the time that is predicted */

/* ---- making ---- */

static void add_measured(ech_job_plan *plan)
{
    const ech_forecast_needs *needs = plan->needs;
    const ech_calibration_rounds *rounds =
        ech_forecast_nearest(plan->calibration, &needs->rounds[0]);
    if (rounds == NULL) {
        return;
    }
    const uint64_t ranks = plan->subject->ranks_per_host;
    ech_memory_forecast_add(&plan->memory, "program and MPI", rounds->rank_bytes,
                            rounds->host_bytes * ranks / rounds->manner.ranks);
    plan->is_calibrated = true;
    const double now = needs->rounds[0].bytes_per_second;
    plan->bytes_per_second = isnan(now) ? rounds->bytes_per_second : now;
    const ech_calibration_kernels *kernels =
        needs->trains ? ech_calibration_find_kernels(plan->calibration, &needs->kernels) : NULL;
    if (kernels != NULL) {
        ech_memory_forecast_add(&plan->memory, "libraries of the kernels", kernels->library_bytes,
                                ranks * kernels->library_bytes);
    }
}

ech_status ech_job_plan_make(ech_job_plan *plan)
{
    plan->bytes_per_second = NAN;
    plan->tiers =
        ech_calloc(ech_topology_tier_count(plan->subject->tree.topology), sizeof *plan->tiers);
    ech_status status = plan->tiers != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_subject_bytes(plan->subject, plan->tiers);
    }
    if (status == ECH_OK) {
        status = ech_memory_forecast_make(plan->subject, &plan->memory);
    }
    if (status == ECH_OK) {
        add_measured(plan);
        status = ech_time_forecast_make(plan->subject, plan->calibration, plan->needs, &plan->time);
    }
    return status;
}

void ech_job_plan_clear(ech_job_plan *plan)
{
    ech_free(plan->tiers);
    ech_buffer_clear(&plan->script);
    plan->tiers = NULL;
}

/* ---- the script ---- */

/* A local job has no walltime; a scheduler's is what the run is predicted to take, and half of it
 * more. */
static ech_study_demands demands_of(const ech_job_plan *plan, ech_scheduler scheduler)
{
    ech_study_demands demands = {.keep_checkpoints = true};
    if (scheduler != ECH_SCHEDULER_LOCAL && plan->time.known) {
        const double seconds = walltime_factor * plan->time.total_seconds + MARGIN_SECONDS;
        demands.walltime_seconds = (uint64_t)ceil(seconds / WALLTIME_STEP) * WALLTIME_STEP;
        demands.margin_seconds = MARGIN_SECONDS;
    }
    return demands;
}

ech_status ech_job_plan_write_script(ech_job_plan *plan, ech_scheduler scheduler,
                                     const char *folder)
{
    const ech_subject *subject = plan->subject;
    char program[PATH_MAX];
    char config[FILE_BYTES];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) {
        return ech_fail(ECH_ERR_SYSTEM, "/proc/self/exe cannot be read: %s", strerror(errno));
    }
    program[length] = '\0';
    ech_status status = ech_script_check_path("--out", folder);
    if (status == ECH_OK) {
        status = ech_script_check_path("the program", program);
    }
    if (status != ECH_OK) {
        return status;
    }
    const ech_study_demands demands = demands_of(plan, scheduler);
    const ech_study_job size = {.variant = ECH_STUDY_POOLED,
                                .ranks = subject->hosts * subject->ranks_per_host,
                                .hosts = subject->hosts,
                                .ranks_per_host = subject->ranks_per_host,
                                .threads = subject->options.threads};
    const ech_script_frame frame = {.scheduler = scheduler,
                                    .name = "job",
                                    .echelon = program,
                                    .here = folder,
                                    .study = folder,
                                    .demands = &demands};
    snprintf(config, sizeof config, "%s/config.yaml", folder);
    const ech_script_job job = {
        .name = "job", .config = config, .list = "", .out = folder, .size = &size};
    ech_script_write_job(&frame, &job, &plan->script);
    return plan->script.status;
}

static ech_status put(const char *folder, const char *name, const char *text)
{
    char path[FILE_BYTES];
    ech_buffer buffer = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ech_buffer_add(&buffer, text);
    const ech_status status =
        buffer.status == ECH_OK ? ech_buffer_write(&buffer, path) : buffer.status;
    ech_buffer_clear(&buffer);
    return status;
}

static ech_status put_plan(const ech_job_plan *plan, const char *folder)
{
    char path[FILE_BYTES];
    snprintf(path, sizeof path, "%s/" ECH_JOB_PLAN_FILE, folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    }
    const ech_status status = ech_job_plan_write_json(plan, file);
    return fclose(file) == 0 || status != ECH_OK
               ? status
               : ech_fail(ECH_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
}

ech_status ech_job_plan_save(const ech_job_plan *plan, const char *folder)
{
    ech_status status = put(folder, "job.sh", plan->script.bytes);
    if (status == ECH_OK) {
        status = put(folder, "runs.sh", ech_script_runs());
    }
    if (status == ECH_OK) {
        status = put(folder, "config.yaml", plan->subject->config_text);
    }
    return status == ECH_OK ? put_plan(plan, folder) : status;
}
