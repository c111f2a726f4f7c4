#include "apps/report/pictures.h"

#include <math.h>
#include <stdio.h>

#include "apps/report/chart_histogram.h"
#include "apps/report/chart_schedule.h"
#include "apps/report/pictures_priv.h"
#include "apps/report/timeline.h"
#include "runtime/base/memory.h"

enum { APPS_MAX = 64 };

/* What the tasks of one app did. */
typedef struct {
    uint64_t tasks;
    uint64_t failed;
    uint64_t retried; /* runs after the first */
    double busy_s;
    ech_histogram wait;
    ech_histogram run;
} app_sums;

/* All that is kept of a run's tasks. */
typedef struct {
    const ech_run *run;
    uint64_t rows;
    uint64_t begin_ns; /* the first task's submission: time 0 of the pictures */
    uint64_t end_ns;
    int32_t rank_high;
    app_sums *apps; /* app_count, the last for tasks of unknown apps */
    size_t app_count;
    bool ran[APPS_MAX];          /* by app */
    uint32_t number[APPS_MAX];   /* of those that ran, in their order */
    const char *names[APPS_MAX]; /* by that number */
    size_t ran_count;
    ech_histogram wait;
    ech_histogram busy;
    ech_schedule *schedule;
    ech_timeline *running;
    ech_timeline *queued;
} task_sums;

static bool is_sound(const ech_task_row *row)
{
    return row->queued_ns <= row->started_ns && row->started_ns <= row->ended_ns && row->rank >= 0;
}

static size_t app_of(const task_sums *sums, const ech_task_row *row)
{
    return row->app < sums->app_count ? row->app : sums->app_count - 1;
}

static ech_status measure_rows(void *user, const void *rows, size_t count)
{
    task_sums *sums = user;
    const ech_task_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        if (!is_sound(row)) {
            continue;
        }
        const bool first = sums->rows == 0;
        sums->begin_ns = first || row->queued_ns < sums->begin_ns ? row->queued_ns : sums->begin_ns;
        sums->end_ns = row->ended_ns > sums->end_ns ? row->ended_ns : sums->end_ns;
        sums->rank_high = row->rank > sums->rank_high ? row->rank : sums->rank_high;
        sums->ran[app_of(sums, row)] = true;
        sums->rows++;
    }
    return ECH_OK;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) * 1e-9;
}

static void count_row(task_sums *sums, const ech_task_row *row)
{
    app_sums *app = &sums->apps[app_of(sums, row)];
    const double wait_s = seconds_between(row->queued_ns, row->started_ns);
    const double run_s = seconds_between(row->started_ns, row->ended_ns);
    const double queued_s = seconds_between(sums->begin_ns, row->queued_ns);
    const double started_s = seconds_between(sums->begin_ns, row->started_ns);
    app->tasks++;
    app->failed += row->status != ECH_OK ? 1 : 0;
    app->retried += row->attempt > 0 ? 1 : 0;
    app->busy_s += run_s;
    ech_histogram_add(&app->wait, wait_s);
    ech_histogram_add(&app->run, run_s);
    ech_histogram_add(&sums->wait, wait_s);
    ech_histogram_add(&sums->busy, run_s);
    const ech_schedule_bar bar = {(uint64_t)row->rank, started_s, started_s + run_s,
                                  sums->number[app_of(sums, row)]};
    ech_schedule_add(sums->schedule, &bar);
    ech_timeline_add(sums->running, started_s, started_s + run_s);
    ech_timeline_add(sums->queued, queued_s, started_s);
}

static ech_status count_rows(void *user, const void *rows, size_t count)
{
    const ech_task_row *row = rows;
    for (size_t i = 0; i < count; i++, row++) {
        if (is_sound(row)) {
            count_row(user, row);
        }
    }
    return ECH_OK;
}

static double run_length(const task_sums *sums)
{
    return sums->rows > 0 ? fmax(seconds_between(sums->begin_ns, sums->end_ns), 1e-9) : 0.0;
}

/* Ranks that could run tasks, whether they did or not. */
static double rank_count(const task_sums *sums)
{
    const double seen = (double)sums->rank_high + 1.0;
    return fmax(ech_run_number(ech_run_fact(sums->run, "ranks"), seen), seen);
}

static const char *app_name(const task_sums *sums, size_t app)
{
    return app + 1 < sums->app_count ? sums->run->info->app_names[app] : "others";
}

/* So that colours go to apps that there is something to see of. */
static void number_apps(task_sums *sums)
{
    for (size_t i = 0; i < sums->app_count; i++) {
        if (sums->ran[i]) {
            sums->number[i] = (uint32_t)sums->ran_count;
            sums->names[sums->ran_count++] = app_name(sums, i);
        }
    }
}

static ech_status measure(const ech_run *run, task_sums *sums)
{
    sums->run = run;
    sums->app_count = run->info->app_count < APPS_MAX ? run->info->app_count + 1 : APPS_MAX;
    ech_status status = ech_run_visit(run, ECH_RECORD_TASKS, measure_rows, sums);
    number_apps(sums);
    if (status == ECH_OK && sums->rows > 0) {
        sums->apps = ech_calloc(sums->app_count, sizeof *sums->apps);
        status = sums->apps != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    return status;
}

static ech_status gather(task_sums *sums, ech_range time)
{
    ech_status status = ech_schedule_create((uint64_t)rank_count(sums), time, &sums->schedule);
    if (status == ECH_OK) {
        status = ech_timeline_create(time, &sums->running);
    }
    if (status == ECH_OK) {
        status = ech_timeline_create(time, &sums->queued);
    }
    return status == ECH_OK ? ech_run_visit(sums->run, ECH_RECORD_TASKS, count_rows, sums) : status;
}

static void free_sums(task_sums *sums)
{
    ech_free(sums->apps);
    ech_schedule_destroy(&sums->schedule);
    ech_timeline_destroy(&sums->running);
    ech_timeline_destroy(&sums->queued);
}

static ech_status put_schedule(ech_page *page, const task_sums *sums, size_t number)
{
    char title[512];
    char name[32];
    snprintf(title, sizeof title, "Tasks by rank: %s", sums->run->label);
    snprintf(name, sizeof name, "tasks-%zu", number + 1);
    const ech_chart chart = {
        .title = title,
        .note = "A bar a task, coloured by its app; where there are more tasks than pixels, paler "
                "means idle for a part of the time.",
        .x = {.title = "time since the first task was submitted",
              .unit = ECH_UNIT_SECONDS,
              .from_zero = true,
              .exact = true},
        .y = {.title = "rank"}};
    const ech_schedule_kinds kinds = {
        .names = sums->names, .count = sums->ran_count, .noun = "app"};
    const ech_rows rows = {.count = (size_t)rank_count(sums)};
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_schedule(&svg, &chart, sums->schedule, rows, &kinds);
    ech_csv_schedule(&csv, sums->schedule, rows, &kinds);
    return ech_page_picture(page, name, &svg, &csv);
}

/* A line a run of what its timelines held. */
static ech_status put_timelines(ech_page *page, const task_sums *sums, size_t count,
                                const ech_chart *chart, const char *name, bool queue)
{
    ech_series series = {0};
    for (size_t i = 0; i < count; i++) {
        if (sums[i].rows == 0) {
            continue;
        }
        double *x;
        double *y;
        ech_series_add(&series, sums[i].run->label, i, ECH_TIMELINE_BINS, &x, &y);
        if (x != NULL) {
            ech_timeline_means(queue ? sums[i].queued : sums[i].running,
                               queue ? 1.0 : 1.0 / rank_count(&sums[i]), x, y);
        }
    }
    return ech_report_put_lines(page, name, chart, "seconds", name, &series, ECH_OK);
}

static ech_status put_over_time(ech_page *page, const task_sums *sums, size_t count)
{
    const ech_axis time = {.title = "time since the first task was submitted",
                           .unit = ECH_UNIT_SECONDS,
                           .from_zero = true,
                           .exact = true};
    const ech_chart utilisation = {.title = "Utilisation over time",
                                   .note = "Share of the ranks that run a task.",
                                   .x = time,
                                   .y = {.unit = ECH_UNIT_PERCENT, .from_zero = true}};
    const ech_chart queue = {
        .title = "Queue length over time",
        .note = "Tasks that were submitted and not yet started, waiting for others included.",
        .x = time,
        .y = {.title = "tasks", .unit = ECH_UNIT_COUNT, .from_zero = true}};
    const ech_status status = put_timelines(page, sums, count, &utilisation, "utilisation", false);
    return status == ECH_OK ? put_timelines(page, sums, count, &queue, "queue", true) : status;
}

static void label_with_quantiles(ech_buffer *label, const char *name, const ech_histogram *values)
{
    char half[ECH_VALUE_BYTES];
    char most[ECH_VALUE_BYTES];
    ech_unit_write(ECH_UNIT_SECONDS, ech_histogram_quantile(values, 0.5), half);
    ech_unit_write(ECH_UNIT_SECONDS, ech_histogram_quantile(values, 0.99), most);
    ech_buffer_format(label, "%s (median %s, 99 %% within %s)", name, half, most);
}

typedef struct {
    const char *name;
    const char *title;
    const char *note;
    bool wait;
} histogram_picture;

static ech_status draw_histogram(ech_page *page, const histogram_picture *picture,
                                 const ech_histogram_series *series, size_t count)
{
    const ech_chart chart = {
        .title = picture->title,
        .note = picture->note,
        .x = {.unit = ECH_UNIT_SECONDS, .scale = ECH_SCALE_LOG10, .exact = true},
        .y = {.title = "share of the tasks", .unit = ECH_UNIT_PERCENT, .from_zero = true}};
    ech_buffer svg = {0};
    ech_buffer csv = {0};
    ech_chart_histogram(&svg, &chart, series, count);
    ech_csv_histogram(&csv, series, count);
    return ech_page_picture(page, picture->name, &svg, &csv);
}

static ech_status put_histogram(ech_page *page, const task_sums *sums, size_t count,
                                const histogram_picture *picture)
{
    ech_histogram_series *series = ech_calloc(count, sizeof *series);
    ech_buffer *labels = ech_calloc(count, sizeof *labels);
    ech_status status = series != NULL && labels != NULL ? ECH_OK : ECH_ERR_MEMORY;
    size_t used = 0;
    for (size_t i = 0; status == ECH_OK && i < count; i++) {
        const ech_histogram *values = picture->wait ? &sums[i].wait : &sums[i].busy;
        if (sums[i].rows > 0) {
            label_with_quantiles(&labels[used], sums[i].run->label, values);
            status = labels[used].status;
            series[used] = (ech_histogram_series){labels[used].bytes, (int)(i % ECH_COLOUR_COUNT),
                                                  (int)(i / ECH_COLOUR_COUNT), values};
            used++;
        }
    }
    if (status == ECH_OK) {
        status = draw_histogram(page, picture, series, used);
    }
    for (size_t i = 0; labels != NULL && i < count; i++) {
        ech_buffer_clear(&labels[i]);
    }
    ech_free(labels);
    ech_free(series);
    return status;
}

static void quantile_cell(ech_page *page, const ech_histogram *values, double share)
{
    char text[ECH_VALUE_BYTES];
    ech_unit_write(ECH_UNIT_SECONDS, ech_histogram_quantile(values, share), text);
    ech_page_cell(page, text);
}

static void count_cell(ech_page *page, uint64_t count)
{
    char text[ECH_VALUE_BYTES];
    ech_unit_write(ECH_UNIT_COUNT, (double)count, text);
    ech_page_cell(page, text);
}

static void put_app(ech_page *page, const char *name, const app_sums *app)
{
    char busy[ECH_VALUE_BYTES];
    ech_unit_write(ECH_UNIT_SECONDS, app->busy_s, busy);
    ech_page_row_open(page, name);
    count_cell(page, app->tasks);
    count_cell(page, app->failed);
    count_cell(page, app->retried);
    ech_page_cell(page, busy);
    quantile_cell(page, &app->run, 0.5);
    quantile_cell(page, &app->run, 0.99);
    quantile_cell(page, &app->wait, 0.5);
    quantile_cell(page, &app->wait, 0.99);
    ech_page_row_close(page);
}

static void put_apps(ech_page *page, const task_sums *sums)
{
    static const char *const heads[] = {"app",       "tasks",        "failed",
                                        "retries",   "busy",         "run, median",
                                        "run, 99 %", "wait, median", "wait, 99 %"};
    char caption[512];
    snprintf(caption, sizeof caption, "Apps: %s", sums->run->label);
    ech_page_table_open(page, caption, false, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < sums->app_count; i++) {
        if (sums->apps[i].tasks > 0) {
            put_app(page, app_name(sums, i), &sums->apps[i]);
        }
    }
    ech_page_table_close(page);
}

static ech_status put_all(ech_page *page, task_sums *sums, size_t count)
{
    ech_page_section(page, "Tasks");
    ech_status status = ECH_OK;
    ech_time_span span = {0};
    for (size_t i = 0; i < count; i++) {
        ech_time_span_add(&span, run_length(&sums[i]));
    }
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        if (sums[i].rows > 0) {
            status = gather(&sums[i], ech_time_span_axis(&span, run_length(&sums[i])));
        }
        if (status == ECH_OK && sums[i].rows > 0) {
            put_apps(page, &sums[i]);
        }
    }
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        if (sums[i].rows > 0) {
            status = put_schedule(page, &sums[i], i);
        }
    }
    if (status == ECH_OK) {
        status = put_over_time(page, sums, count);
    }
    static const histogram_picture pictures[] = {
        {"wait-times", "Wait times of tasks", "From submission to start.", true},
        {"run-times", "Run times of tasks", "From start to end.", false},
    };
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures && status == ECH_OK; i++) {
        status = put_histogram(page, sums, count, &pictures[i]);
    }
    return status;
}

ech_status ech_report_tasks(ech_page *page, const ech_runs *runs)
{
    task_sums *sums = ech_calloc(runs->count, sizeof *sums);
    ech_status status = sums != NULL ? ECH_OK : ECH_ERR_MEMORY;
    bool any = false;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        status = measure(&runs->items[i], &sums[i]);
        any = any || sums[i].rows > 0;
    }
    if (status == ECH_OK && any) {
        status = put_all(page, sums, runs->count);
    }
    for (size_t i = 0; sums != NULL && i < runs->count; i++) {
        free_sums(&sums[i]);
    }
    ech_free(sums);
    return status;
}
