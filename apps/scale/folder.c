#define _GNU_SOURCE
#include "apps/scale/folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"

enum { NAME_BYTES = 64, PROGRAM_BYTES = 4096, FILE_BYTES = ECH_STUDY_PATH_BYTES + 2 * NAME_BYTES };

typedef struct {
    const ech_study *study;
    const char *folder; /* absolute */
    char jobs[ECH_STUDY_PATH_BYTES];
    char runs[ECH_STUDY_PATH_BYTES];
    char program[PROGRAM_BYTES];
    ech_script_frame frame;
} writing;

static ech_status make_folder(const char *path)
{
    return mkdir(path, S_IRWXU) == 0 || errno == EEXIST
               ? ECH_OK
               : ech_fail(ECH_ERR_FILE, "%s: cannot be made: %s", path, strerror(errno));
}

/* "folder/name"; the buffer is given back empty. */
static ech_status put(const char *folder, const char *name, ech_buffer *text)
{
    char path[FILE_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const ech_status status = text->status == ECH_OK ? ech_buffer_write(text, path) : text->status;
    ech_buffer_clear(text);
    return status;
}

static ech_status put_text(const char *folder, const char *name, const char *text)
{
    ech_buffer buffer = {0};
    ech_buffer_add(&buffer, text);
    return put(folder, name, &buffer);
}

static ech_status put_configs(const writing *all)
{
    char *text = NULL;
    ech_status status = ech_config_write(all->study->config, &text);
    if (status == ECH_OK) {
        status = put_text(all->folder, "study.yaml", text);
    }
    ech_free(text);
    return status == ECH_OK ? put_text(all->folder, "base.yaml", all->study->base_text) : status;
}

/* A line a run: its name, and its options. */
static ech_status put_list(const writing *all, size_t job, const char *name)
{
    char sets[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES];
    ech_buffer text = {0};
    for (size_t i = 0; i < all->study->run_count; i++) {
        const ech_study_run *run = &all->study->runs[i];
        if (run->job != job) {
            continue;
        }
        ech_buffer_add(&text, run->id);
        const size_t count = ech_study_run_sets(all->study, run, sets);
        for (size_t s = 0; s < count; s++) {
            ech_buffer_format(&text, " --set %s", sets[s]);
        }
        ech_buffer_add(&text, "\n");
    }
    char file[NAME_BYTES];
    snprintf(file, sizeof file, "%.50s.runs", name);
    return put(all->jobs, file, &text);
}

static ech_status put_job(const writing *all, size_t number, const char *name)
{
    char config[FILE_BYTES];
    char list[FILE_BYTES];
    char file[NAME_BYTES];
    snprintf(config, sizeof config, "%s/base.yaml", all->folder);
    snprintf(list, sizeof list, "%s/%s.runs", all->jobs, name);
    snprintf(file, sizeof file, "%.50s.sh", name);
    const ech_script_job job = {.name = name,
                                .config = config,
                                .list = list,
                                .out = all->runs,
                                .size = &all->study->jobs[number],
                                .collected = true};
    ech_buffer script = {0};
    ech_script_write_job(&all->frame, &job, &script);
    const ech_status status = put(all->jobs, file, &script);
    return status == ECH_OK ? put_list(all, number, name) : status;
}

static ech_status put_scripts(const writing *all)
{
    ech_status status = put_text(all->jobs, "runs.sh", ech_script_runs());
    ech_buffer names = {0};
    for (size_t i = 0; i < all->study->job_count && status == ECH_OK; i++) {
        char name[NAME_BYTES];
        ech_study_job_name(&all->study->jobs[i], name, sizeof name);
        ech_buffer_format(&names, "%s%s", i > 0 ? " " : "", name);
        status = put_job(all, i, name);
    }
    ech_buffer script = {0};
    if (status == ECH_OK) {
        ech_script_write_collect(&all->frame, &script);
        status = put(all->jobs, "collect.sh", &script);
    }
    if (status == ECH_OK && names.status == ECH_OK) {
        ech_script_write_submit(&all->frame, names.bytes, &script);
        status = put(all->jobs, "submit.sh", &script);
    }
    status = status == ECH_OK ? names.status : status;
    ech_buffer_clear(&names);
    return status;
}

static ech_status name_places(writing *all)
{
    const ssize_t length = readlink("/proc/self/exe", all->program, sizeof all->program - 1);
    if (length < 0) {
        return ech_fail(ECH_ERR_SYSTEM, "/proc/self/exe cannot be read: %s", strerror(errno));
    }
    all->program[length] = '\0';
    if (strlen(all->folder) + NAME_BYTES > sizeof all->jobs) {
        return ech_fail(ECH_ERR_CONFIG, "--out: the path is too long");
    }
    snprintf(all->jobs, sizeof all->jobs, "%s/jobs", all->folder);
    snprintf(all->runs, sizeof all->runs, "%s/runs", all->folder);
    const ech_status status = ech_script_check_path("--out", all->folder);
    return status == ECH_OK ? ech_script_check_path("the program", all->program) : status;
}

ech_status ech_study_write(const ech_study *study, ech_scheduler scheduler, const char *folder)
{
    ech_status status = make_folder(folder);
    char *absolute = status == ECH_OK ? realpath(folder, NULL) : NULL;
    if (status == ECH_OK && absolute == NULL) {
        status = ech_fail(ECH_ERR_FILE, "%s: cannot be entered: %s", folder, strerror(errno));
    }
    if (status != ECH_OK) {
        return status;
    }
    writing all = {.study = study, .folder = absolute};
    status = name_places(&all);
    if (status == ECH_OK) {
        status = make_folder(all.jobs);
    }
    if (status == ECH_OK) {
        status = make_folder(all.runs);
    }
    all.frame = (ech_script_frame){.scheduler = scheduler,
                                   .name = study->name,
                                   .echelon = all.program,
                                   .here = all.jobs,
                                   .study = absolute,
                                   .demands = &study->demands};
    if (status == ECH_OK) {
        status = put_configs(&all);
    }
    if (status == ECH_OK) {
        status = put_scripts(&all);
    }
    free(absolute);
    return status;
}

ech_status ech_study_submit(const char *folder)
{
    char path[ECH_STUDY_PATH_BYTES];
    snprintf(path, sizeof path, "%s/jobs/submit.sh", folder);
    fflush(NULL);
    execlp("bash", "bash", path, (char *)NULL);
    return ech_fail(ECH_ERR_SYSTEM, "bash cannot be started: %s", strerror(errno));
}

void ech_study_print(const ech_study *study)
{
    printf("%-20s %8s %8s %8s %8s %8s\n", "job", "hosts", "ranks", "a host", "threads", "runs");
    for (size_t i = 0; i < study->job_count; i++) {
        const ech_study_job *job = &study->jobs[i];
        char name[NAME_BYTES];
        size_t runs = 0;
        for (size_t r = 0; r < study->run_count; r++) {
            runs += study->runs[r].job == i;
        }
        ech_study_job_name(job, name, sizeof name);
        printf("%-20s %8u %8u %8u %8u %8zu\n", name, job->hosts, job->ranks, job->ranks_per_host,
               job->threads, runs);
    }
    if (study->left_out > 0) {
        printf("%zu sizes are left out: more workers than workers_most, more ranks than "
               "ranks_most, or fewer workers than ranks\n",
               study->left_out);
    }
}
