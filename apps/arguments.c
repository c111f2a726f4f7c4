#include "apps/arguments.h"

#include "runtime/base/text.h"

int64_t ech_argument_number(struct argp_state *state, const char *name, const char *text,
                            int64_t least, int64_t most)
{
    int64_t number = 0;
    const bool fits = ech_text_read_integer(text, &number) && number >= least && number <= most;
    if (!fits && most == INT64_MAX) {
        argp_error(state, "--%s %s: expected a number from %lld on", name, text, (long long)least);
    } else if (!fits) {
        argp_error(state, "--%s %s: expected a number from %lld to %lld", name, text,
                   (long long)least, (long long)most);
    }
    return number;
}

double ech_argument_positive(struct argp_state *state, const char *name, const char *text)
{
    double number = 0.0;
    if (!ech_text_read_real(text, &number) || number <= 0.0) {
        argp_error(state, "--%s %s: expected a number above 0", name, text);
    }
    return number;
}

ech_engine_choice ech_argument_engine(struct argp_state *state, const char *text)
{
    const ech_engine_choice choice = ech_engine_choice_find(text);
    if (choice == ECH_ENGINE_CHOICE_COUNT) {
        argp_error(state, "--engine %s: expected auto, lanes, blocked, blas or reference", text);
    }
    return choice;
}

ech_scheduler ech_argument_scheduler(struct argp_state *state, const char *text)
{
    const ech_scheduler scheduler = ech_scheduler_find(text);
    if (scheduler == ECH_SCHEDULER_COUNT) {
        argp_error(state, "--scheduler %s: expected local, slurm or pbs", text);
    }
    return scheduler;
}

void ech_argument_keep(struct argp_state *state, const char *what, const char **kept,
                       const char *text)
{
    if (*kept != NULL) {
        argp_error(state, "expected one %s, got %s and %s", what, *kept, text);
    }
    *kept = text;
}

void ech_argument_set(struct argp_state *state, const char **sets, size_t *count, const char *text)
{
    if (*count == ECH_ARGUMENT_SETS_MAX) {
        argp_error(state, "more than %d --set", ECH_ARGUMENT_SETS_MAX);
    }
    sets[(*count)++] = text;
}
