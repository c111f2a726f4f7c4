/**
 * @file shell.h
 * The app behind ech_submit_shell, in every registry from the start.
 */
#ifndef ECH_TASK_SHELL_H
#define ECH_TASK_SHELL_H

#include "runtime/task/task.h"

extern const ech_app ech_shell_app;

#endif
