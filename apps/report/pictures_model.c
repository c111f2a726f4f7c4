#include "apps/report/pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/report/pictures_priv.h"
#include "apps/report/published.h"

/* Above so many lines, a picture a strategy reads better than one for all. */
enum { LINES_TOGETHER_MAX = 8 };

typedef struct {
    const char *name; /* of the file */
    const char *title;
    const char *note;
    const char *y_title;
    bool over_time;
    bool is_loss;
} model_picture;

static bool was_evaluated(const ech_round_row *row)
{
    return isfinite(row->test_accuracy) || isfinite(row->test_loss);
}

static bool has_evaluations(const ech_run *run)
{
    for (size_t i = 0; i < run->round_count; i++) {
        if (was_evaluated(&run->rounds[i])) {
            return true;
        }
    }
    return false;
}

static size_t evaluation_count(const ech_run *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->round_count; i++) {
        count += was_evaluated(&run->rounds[i]) ? 1 : 0;
    }
    return count;
}

/* A line through the rounds that were evaluated; those between were not, and leave no gap. */
static void add_run(ech_series *series, const ech_run *run, size_t number,
                    const model_picture *picture)
{
    double *x;
    double *y;
    ech_series_add(series, run->label, number, evaluation_count(run), &x, &y);
    size_t used = 0;
    for (size_t i = 0; x != NULL && i < run->round_count; i++) {
        const ech_round_row *row = &run->rounds[i];
        if (was_evaluated(row)) {
            x[used] = picture->over_time ? row->start + row->total_seconds : (double)row->round;
            y[used] = picture->is_loss ? row->test_loss : row->test_accuracy;
            used++;
        }
    }
}

/* `strategy`: only runs of it; NULL: all. */
static bool is_chosen(const ech_run *run, const char *strategy)
{
    return has_evaluations(run) &&
           (strategy == NULL || ech_run_setting_is(run, "strategy.name", strategy));
}

/* The experiments whose curves were published, known by their model and number of workers. */
static void add_published(ech_series *series, const ech_runs *runs, const char *strategy)
{
    const ech_run *run = &runs->items[0];
    const char *name = strategy != NULL ? strategy : ech_run_setting_of(run, "strategy.name");
    if (!ech_run_setting_is(run, "model.name", "smallconv") || name == NULL) {
        return;
    }
    const bool one_strategy = strategy != NULL || ech_runs_agree_on(runs, "strategy.name");
    if (ech_run_workers(run) == 256.0 && one_strategy) {
        ech_published_hierarchy(series, name);
    } else if (ech_run_workers(run) == 8.0 && strcmp(name, "fedavg") == 0) {
        ech_published_remote(series);
    }
}

static ech_status draw(ech_page *page, const model_picture *picture, const char *strategy,
                       ech_series *series)
{
    char title[512];
    char name[96];
    snprintf(title, sizeof title, "%s%s%s", picture->title, strategy != NULL ? ", " : "",
             strategy != NULL ? strategy : "");
    snprintf(name, sizeof name, "%s%s%.64s", picture->name, strategy != NULL ? "-" : "",
             strategy != NULL ? strategy : "");
    const ech_chart chart = {
        .title = title,
        .note = picture->note,
        .x = {.title = picture->over_time ? "time since the run began" : "round",
              .unit = picture->over_time ? ECH_UNIT_SECONDS : ECH_UNIT_COUNT,
              .whole = !picture->over_time,
              .from_zero = picture->over_time,
              .exact = true},
        .y = {.title = picture->y_title},
    };
    return ech_report_put_lines(page, name, &chart, picture->over_time ? "seconds" : "round",
                                picture->is_loss ? "test_loss" : "test_accuracy", series, ECH_OK);
}

static ech_status one_picture(ech_page *page, const ech_runs *runs, const model_picture *picture,
                              const char *strategy, bool published)
{
    ech_series series = {0};
    for (size_t i = 0; i < runs->count; i++) {
        if (is_chosen(&runs->items[i], strategy)) {
            add_run(&series, &runs->items[i], series.count, picture);
        }
    }
    if (published && !picture->is_loss && !picture->over_time) {
        add_published(&series, runs, strategy);
    }
    return draw(page, picture, strategy, &series);
}

/* The strategy of run `number`, if no run before it had the same; otherwise NULL. */
static const char *new_strategy(const ech_runs *runs, size_t number)
{
    const char *name = ech_run_setting_of(&runs->items[number], "strategy.name");
    for (size_t i = 0; i < number && name != NULL; i++) {
        if (ech_run_setting_is(&runs->items[i], "strategy.name", name)) {
            return NULL;
        }
    }
    return name;
}

/* A strategy's name may be a plug-in's path: only a plain word can name a file. */
static bool is_word(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static bool are_split_by_strategy(const ech_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        const char *name = ech_run_setting_of(&runs->items[i], "strategy.name");
        if (name == NULL || !is_word(name)) {
            return false;
        }
    }
    return runs->count > LINES_TOGETHER_MAX && !ech_runs_agree_on(runs, "strategy.name");
}

static ech_status pictures_of(ech_page *page, const ech_runs *runs, const model_picture *picture,
                              bool published)
{
    if (!are_split_by_strategy(runs)) {
        return one_picture(page, runs, picture, NULL, published);
    }
    ech_status status = ECH_OK;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        const char *strategy = new_strategy(runs, i);
        if (strategy != NULL) {
            status = one_picture(page, runs, picture, strategy, published);
        }
    }
    return status;
}

ech_status ech_report_model(ech_page *page, const ech_runs *runs, bool published)
{
    static const model_picture pictures[] = {
        {"accuracy", "Test accuracy over rounds",
         "Share of the test samples that the model gets right after each round; round 0 is the "
         "initial model.",
         "test accuracy", false, false},
        {"loss", "Test loss over rounds", "Mean over the test samples after each round.",
         "test loss", false, true},
        {"accuracy-time", "Test accuracy over time",
         "The same accuracy at the time at which its round ended.", "test accuracy", true, false},
    };
    bool any = false;
    for (size_t i = 0; i < runs->count; i++) {
        any = any || has_evaluations(&runs->items[i]);
    }
    if (!any) {
        return ECH_OK;
    }
    ech_page_section(page, "Accuracy");
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures && status == ECH_OK; i++) {
        status = pictures_of(page, runs, &pictures[i], published);
    }
    return status;
}
