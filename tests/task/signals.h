/**
 * @file signals.h
 * Files by which ranks tell each other that something has happened, where the executor must not
 * carry it: `folder/what-number` is there once it has.
 */
#ifndef ECH_TESTS_TASK_SIGNALS_H
#define ECH_TESTS_TASK_SIGNALS_H

#include <stdbool.h>

#include "runtime/task/task.h"

enum { SIGNALS_PATH_BYTES = 128 };

/** A new folder; its path is the argument of tasks that use it. */
ech_status signals_create(char path[SIGNALS_PATH_BYTES]);
void signals_destroy(const char *path);

void signals_say(const char *path, const char *what, int number);
/** Was it said by `first` and the `count - 1` numbers behind it? */
bool signals_heard(const char *path, const char *what, int first, int count);
/** Wait until it was; `context` may be NULL, else it yields meanwhile. ECH_ERR_TIMEOUT after 30 s
 *  (tests/limits.h). */
ech_status signals_wait(const char *path, const char *what, int first, int count,
                        ech_task_context *context);

#endif
