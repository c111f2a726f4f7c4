#define _GNU_SOURCE
#include "tests/tree/layers.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 4096, NAME_BYTES = 256, USES_MAX = 8 };

typedef struct {
    const char *folder;
    const char *uses[USES_MAX]; /* besides itself */
} layer;

static const layer layers[] = {
    {"runtime/base", {NULL}},
    {"runtime/mpi", {"runtime/base"}},
    {"runtime/task", {"runtime/mpi", "runtime/base"}},
    {"runtime/fed", {"runtime/task", "runtime/mpi", "runtime/base"}},
    {"kernels", {"runtime/base"}},
    {"io", {"runtime/base"}},
    {"apps", {"runtime/fed", "runtime/task", "runtime/mpi", "runtime/base", "kernels", "io"}},
    {"tests",
     {"apps", "runtime/fed", "runtime/task", "runtime/mpi", "runtime/base", "kernels", "io"}},
};

/* Headers of libraries that only some layers know. */
typedef struct {
    const char *prefix;
    const char *layers[USES_MAX];
} library;

static const library libraries[] = {
    {"hwloc", {"runtime/mpi"}},
    {"hdf5", {"io"}},
    {"H5", {"io"}},
    {"zlib", {"io"}},
    {"cblas", {"kernels"}},
    {"openblas", {"kernels"}},
    {"libxsmm", {"kernels"}},
    {"omp.h", {"kernels"}},
    {"yaml.h", {"runtime/base"}},
    {"xxhash", {"runtime/base"}},
    {"Random123", {"runtime/base"}},
    {"hiredis", {"runtime/fed"}},
    {"openssl", {"runtime/fed"}},
    {"zmq", {"runtime/fed", "tests"}},
    {"zstd", {"runtime/fed"}},
    {"mpi.h", {"runtime/mpi", "runtime/task", "runtime/fed", "apps"}},
};

enum { LAYERS = sizeof layers / sizeof *layers, LIBRARIES = sizeof libraries / sizeof *libraries };

static bool lies_in(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static const layer *layer_of(const char *path)
{
    for (size_t i = 0; i < LAYERS; i++) {
        if (lies_in(path, layers[i].folder)) {
            return &layers[i];
        }
    }
    return NULL;
}

static bool is_among(const char *word, const char *const words[USES_MAX])
{
    for (size_t i = 0; i < USES_MAX && words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void check_own(const layer *from, const char *header, char problem[LAYERS_PROBLEM_BYTES])
{
    const layer *to = layer_of(header);
    if (to == NULL) {
        snprintf(problem, LAYERS_PROBLEM_BYTES,
                 "\"%s\" is not written from the top of the tree, such as \"runtime/base/log.h\"",
                 header);
    } else if (to != from && !is_among(to->folder, from->uses)) {
        snprintf(problem, LAYERS_PROBLEM_BYTES, "%s may not use %s (\"%s\")", from->folder,
                 to->folder, header);
    } else if (to != from && ends_with(header, "_priv.h") && strcmp(from->folder, "tests") != 0) {
        snprintf(problem, LAYERS_PROBLEM_BYTES, "\"%s\" is private to %s", header, to->folder);
    }
}

static void check_foreign(const layer *from, const char *header, char problem[LAYERS_PROBLEM_BYTES])
{
    for (size_t i = 0; i < LIBRARIES && strcmp(from->folder, "tests") != 0; i++) {
        const library *known = &libraries[i];
        if (strncmp(header, known->prefix, strlen(known->prefix)) == 0 &&
            !is_among(from->folder, known->layers)) {
            snprintf(problem, LAYERS_PROBLEM_BYTES, "<%s> is not for %s", header, from->folder);
        }
    }
}

void layers_check_line(const char *path, const char *line, char problem[LAYERS_PROBLEM_BYTES])
{
    problem[0] = '\0';
    char bracket = '\0';
    char header[NAME_BYTES];
    const layer *from = layer_of(path);
    if (from == NULL || sscanf(line, " # include %c%255[^\">]", &bracket, header) != 2) {
        return;
    }
    if (bracket == '"') {
        check_own(from, header, problem);
    } else if (bracket == '<') {
        check_foreign(from, header, problem);
    }
}

static void check_file(const char *path, const char *name, layers_report report)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "cannot read %s: %s", path, strerror(errno));
    char line[LINE_BYTES];
    for (size_t number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        char problem[LAYERS_PROBLEM_BYTES];
        layers_check_line(name, line, problem);
        if (problem[0] != '\0') {
            report(name, number, problem);
        }
    }
    fclose(file);
}

size_t layers_check_tree(const char *top, layers_report report)
{
    size_t count = 0;
    for (size_t i = 0; i < LAYERS; i++) {
        char folder[LINE_BYTES];
        snprintf(folder, sizeof folder, "%s/%s", top, layers[i].folder);
        char *const folders[] = {folder, NULL};
        FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        cr_assert_not_null(tree);
        for (const FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree)) {
            const char *path = entry->fts_path;
            if (entry->fts_info == FTS_F && (ends_with(path, ".c") || ends_with(path, ".h"))) {
                check_file(path, path + strlen(top) + 1, report);
                count++;
            }
        }
        fts_close(tree);
    }
    return count;
}
