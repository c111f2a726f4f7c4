#include "apps/arguments.h"

#include "runtime/base/text.h"

int64_t ech_argument_number(struct argp_state *state, const char *name, const char *text,
                            int64_t least, int64_t most)
{
    int64_t number = 0;
    if (!ech_text_read_integer(text, &number) || number < least || number > most) {
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
