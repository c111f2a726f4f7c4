#include "apps/scale/script.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "apps/scale/templates.h"

enum { SETTINGS_MAX = 40, VALUE_BYTES = 4352, NUMBER_BYTES = 24, SECONDS_A_MINUTE = 60 };

typedef struct {
    const char *prefix; /* of the line */
    const char *format; /* of the value; one %s; NULL: as it is */
    const char *value;  /* NULL: the line goes */
} setting;

/* What stands behind the names of a template's settings. */
typedef struct {
    setting items[SETTINGS_MAX];
    size_t count;
} setting_list;

static void add(setting_list *list, const char *prefix, const char *format, const char *value)
{
    list->items[list->count++] = (setting){prefix, format, value};
}

ech_scheduler ech_scheduler_find(const char *name)
{
    static const char *const names[ECH_SCHEDULER_COUNT] = {"local", "slurm", "pbs"};
    int scheduler = 0;
    while (scheduler < ECH_SCHEDULER_COUNT && strcmp(name, names[scheduler]) != 0) {
        scheduler++;
    }
    return (ech_scheduler)scheduler;
}

const char *ech_script_runs(void)
{
    return ech_template_runs;
}

ech_status ech_script_check_path(const char *what, const char *path)
{
    for (const char *at = path; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("/._-+=,@", *at) == NULL) {
            return ech_fail(ECH_ERR_CONFIG,
                            "%s: %s: job scripts need a path of letters, digits and /._-+=,@", what,
                            path);
        }
    }
    return ECH_OK;
}

/* ---- filling ---- */

static const setting *find_setting(const setting_list *list, const char *line)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(line, list->items[i].prefix, strlen(list->items[i].prefix)) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* A value of a variable may be text of a user's: quoted, it is one word of the shell. */
static void add_word(ech_buffer *out, const char *text)
{
    const size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789/._-+=,@:");
    if (text[plain] == '\0') {
        ech_buffer_add(out, text);
        return;
    }
    ech_buffer_add(out, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            ech_buffer_add(out, "'\\''");
        } else {
            ech_buffer_add_bytes(out, text, 1);
        }
    }
    ech_buffer_add(out, "'");
}

static void add_filled(ech_buffer *out, const setting *what, const char *line, size_t length)
{
    if (what->value == NULL) {
        return;
    }
    ech_buffer_add(out, what->prefix);
    if (what->format != NULL) {
        ech_buffer_format(out, what->format, what->value);
    } else {
        add_word(out, what->value);
    }
    const char *comment = memchr(line + 1, '#', length - 1);
    if (comment != NULL) {
        ech_buffer_add(out, " ");
        ech_buffer_add_bytes(out, comment, length - (size_t)(comment - line));
    }
    ech_buffer_add(out, "\n");
}

static void fill(const char *template, const setting_list *list, ech_buffer *out)
{
    while (*template != '\0') {
        const size_t length = strcspn(template, "\n");
        const setting *what = find_setting(list, template);
        if (what != NULL) {
            add_filled(out, what, template, length);
        } else {
            ech_buffer_add_bytes(out, template, length);
            ech_buffer_add(out, "\n");
        }
        template += length + (template[length] == '\n');
    }
}

/* ---- what is filled in ---- */

/* The values of one script, as texts. */
typedef struct {
    char ranks[NUMBER_BYTES];
    char hosts[NUMBER_BYTES];
    char ranks_per_host[NUMBER_BYTES];
    char threads[NUMBER_BYTES];
    char walltime[NUMBER_BYTES];
    char margin[NUMBER_BYTES];
    char clock[NUMBER_BYTES]; /* the walltime as H:MM:SS */
    char select[4 * NUMBER_BYTES];
    char log[VALUE_BYTES];
    char script[VALUE_BYTES];
    char collect[VALUE_BYTES];
} value_texts;

static void number(char text[NUMBER_BYTES], uint64_t value)
{
    snprintf(text, NUMBER_BYTES, "%llu", (unsigned long long)value);
}

static void write_values(const ech_script_frame *frame, const char *name, const ech_study_job *size,
                         value_texts *out)
{
    const uint64_t seconds = frame->demands->walltime_seconds;
    const uint64_t minutes = seconds / SECONDS_A_MINUTE;
    number(out->ranks, size->ranks);
    number(out->hosts, size->hosts);
    number(out->ranks_per_host, size->ranks_per_host);
    number(out->threads, size->threads);
    number(out->walltime, seconds);
    number(out->margin, frame->demands->margin_seconds);
    snprintf(out->clock, sizeof out->clock, "%llu:%02u:%02u",
             (unsigned long long)(minutes / SECONDS_A_MINUTE),
             (unsigned)(minutes % SECONDS_A_MINUTE), (unsigned)(seconds % SECONDS_A_MINUTE));
    snprintf(out->select, sizeof out->select, "%u:ncpus=%u:mpiprocs=%u:ompthreads=%u", size->hosts,
             size->ranks_per_host * size->threads, size->ranks_per_host, size->threads);
    snprintf(out->log, sizeof out->log, "%s/%s.log", frame->here, name);
    snprintf(out->script, sizeof out->script, "%s/%s.sh", frame->here, name);
    snprintf(out->collect, sizeof out->collect, "%s/collect.sh", frame->here);
}

/* The directives of both schedulers: a template has those of one. */
static void list_directives(const ech_script_frame *frame, const char *name,
                            const value_texts *values, setting_list *list)
{
    const ech_study_demands *demands = frame->demands;
    const char *clock = demands->walltime_seconds > 0 ? values->clock : NULL;
    add(list, "#SBATCH --job-name=", "%s", name);
    add(list, "#SBATCH --nodes=", "%s", values->hosts);
    add(list, "#SBATCH --ntasks=", "%s", values->ranks);
    add(list, "#SBATCH --ntasks-per-node=", "%s", values->ranks_per_host);
    add(list, "#SBATCH --cpus-per-task=", "%s", values->threads);
    add(list, "#SBATCH --time=", "%s", clock);
    add(list, "#SBATCH --partition=", "%s", demands->partition);
    add(list, "#SBATCH --account=", "%s", demands->account);
    add(list, "#SBATCH --output=", "%s", values->log);
    add(list, "#PBS -N ", "%s", name);
    add(list, "#PBS -l select=", "%s", values->select);
    add(list, "#PBS -l walltime=", "%s", clock);
    add(list, "#PBS -q ", "%s", demands->partition);
    add(list, "#PBS -A ", "%s", demands->account);
    add(list, "#PBS -o ", "%s", values->log);
    add(list, "echelon=", NULL, frame->echelon);
    add(list, "here=", NULL, frame->here);
    add(list, "modules=", NULL, demands->modules != NULL ? demands->modules : "");
}

void ech_script_write_job(const ech_script_frame *frame, const ech_script_job *job, ech_buffer *out)
{
    static const char *const templates[ECH_SCHEDULER_COUNT] = {
        ech_template_local_job, ech_template_slurm_job, ech_template_pbs_job};
    value_texts values;
    setting_list list = {.count = 0};
    write_values(frame, job->name, job->size, &values);
    list_directives(frame, job->name, &values, &list);
    add(&list, "config=", NULL, job->config);
    add(&list, "list=", NULL, job->list);
    add(&list, "out=", NULL, job->out);
    add(&list, "ranks=", NULL, values.ranks);
    add(&list, "threads=", NULL, values.threads);
    add(&list, "walltime=", NULL, values.walltime);
    add(&list, "margin=", NULL, values.margin);
    add(&list, "keep=", NULL, frame->demands->keep_checkpoints ? "true" : "false");
    add(&list, "calibrate=", NULL, frame->demands->calibrate ? "true" : "false");
    add(&list, "collect=", NULL, job->collected ? values.collect : "");
    if (frame->scheduler != ECH_SCHEDULER_LOCAL) { /* which has one machine, whatever the size */
        add(&list, "hosts=", NULL, values.hosts);
        add(&list, "ranks_per_host=", NULL, values.ranks_per_host);
    }
    if (frame->scheduler == ECH_SCHEDULER_PBS) {
        add(&list, "script=", NULL, values.script);
    }
    fill(templates[frame->scheduler], &list, out);
}

void ech_script_write_collect(const ech_script_frame *frame, ech_buffer *out)
{
    static const char *const templates[ECH_SCHEDULER_COUNT] = {
        ech_template_local_collect, ech_template_slurm_collect, ech_template_pbs_collect};
    static const ech_study_job one = {.ranks = 1, .hosts = 1, .ranks_per_host = 1, .threads = 1};
    static const char name[] = "collect";
    value_texts values;
    setting_list list = {.count = 0};
    write_values(frame, name, &one, &values);
    list_directives(frame, name, &values, &list);
    add(&list, "study=", NULL, frame->study);
    fill(templates[frame->scheduler], &list, out);
}

void ech_script_write_submit(const ech_script_frame *frame, const char *jobs, ech_buffer *out)
{
    static const char *const templates[ECH_SCHEDULER_COUNT] = {
        ech_template_local_submit, ech_template_slurm_submit, ech_template_pbs_submit};
    setting_list list = {.count = 0};
    add(&list, "here=", NULL, frame->here);
    add(&list, "jobs=", NULL, jobs);
    fill(templates[frame->scheduler], &list, out);
}
