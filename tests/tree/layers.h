/**
 * @file layers.h
 * Which includes the layers of the source tree allow (see DESIGN: apps over fed over task over mpi
 * over base; kernels and io beside them).
 */
#ifndef ECH_TESTS_LAYERS_H
#define ECH_TESTS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

enum { LAYERS_PROBLEM_BYTES = 512 };

/**
 * Is one line of a source file in order?
 *
 * @param path          the file, from the top of the tree: "runtime/mpi/window.c".
 * @param line          its text.
 * @param[out] problem  what is wrong with it; "" if nothing.
 */
void layers_check_line(const char *path, const char *line, char problem[LAYERS_PROBLEM_BYTES]);

typedef void (*layers_report)(const char *path, size_t line, const char *problem);

/** Check each C file of each layer below `top`. @return files seen. */
size_t layers_check_tree(const char *top, layers_report report);

#endif
