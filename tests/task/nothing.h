/**
 * @file nothing.h
 * An app that does nothing: no input, no result.
 */
#ifndef ECH_TESTS_TASK_NOTHING_H
#define ECH_TESTS_TASK_NOTHING_H

#include "runtime/task/task.h"

ech_status nothing(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                   void *result, size_t result_capacity, size_t *result_bytes);

#endif
