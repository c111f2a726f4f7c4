#include "runtime/mpi/guard_priv.h"

#include <string.h>

typedef struct {
    char *bytes;
    size_t length;
} line_writer;

/* Keeps room for the line feed and the terminator. */
static void add_text(line_writer *line, const char *text)
{
    const size_t room = ECH_GUARD_LINE_BYTES - 2 - line->length;
    const size_t length = strlen(text);
    const size_t taken = length < room ? length : room;
    memcpy(line->bytes + line->length, text, taken);
    line->length += taken;
}

static void add_number(line_writer *line, uint64_t number)
{
    enum { DIGITS = 21 };
    char digits[DIGITS];
    size_t at = DIGITS - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_text(line, digits + at);
}

static void add_task(line_writer *line, const ech_black_box *box)
{
    if (box->task_id == ECH_BLACK_BOX_NO_TASK) {
        return;
    }
    add_text(line, ", in task ");
    add_number(line, box->task_id);
    add_text(line, " (");
    add_text(line, box->app);
    if (box->detail[0] != '\0') {
        add_text(line, ": ");
        add_text(line, box->detail);
    }
    add_text(line, ")");
}

size_t ech_guard_line(const ech_black_box *box, const char *cause, char bytes[ECH_GUARD_LINE_BYTES])
{
    line_writer line = {.bytes = bytes};
    add_text(&line, "echelon: error: rank ");
    if (box->rank >= 0) {
        add_number(&line, (uint64_t)box->rank);
    } else {
        add_text(&line, "unknown");
    }
    if (box->host[0] != '\0') {
        add_text(&line, " on host ");
        add_text(&line, box->host);
    }
    add_text(&line, ": ");
    add_text(&line, cause);
    add_task(&line, box);
    if (box->phase[0] != '\0') {
        add_text(&line, ", phase ");
        add_text(&line, box->phase);
    }
    bytes[line.length++] = '\n';
    bytes[line.length] = '\0';
    return line.length;
}
