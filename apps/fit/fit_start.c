#define _POSIX_C_SOURCE 200809L
#include "apps/fit/fit_start.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"

enum { PATH_BYTES = 4096 };

/* ---- the configuration ---- */

static ech_status load_on_rank_0(const ech_fit_arguments *arguments, ech_config **config,
                                 char **text)
{
    const ech_status status =
        ech_fit_config_load(arguments->config_path, arguments->sets, arguments->set_count, config);
    return status == ECH_OK ? ech_config_write(*config, text) : status;
}

/* Rank 0's text on every rank, each its own copy, and its bytes with the terminator; the same
 * status on every rank. */
static ech_status tell_text(ech_comm *comm, char **text, uint64_t *length)
{
    const bool tells = ech_comm_rank(comm) == 0;
    uint64_t bytes = tells && *text != NULL ? strlen(*text) + 1 : 0;
    ech_status status = ech_comm_broadcast(comm, &bytes, sizeof bytes, 0);
    *length = bytes;
    if (status != ECH_OK) {
        return status;
    }
    if (!tells) {
        *text = ech_alloc(bytes);
    }
    status = ech_comm_agree(comm, *text != NULL ? ECH_OK : ECH_ERR_MEMORY);
    return status == ECH_OK ? ech_comm_broadcast(comm, *text, bytes, 0) : status;
}

static ech_status tell_config(ech_comm *comm, const ech_fit_arguments *arguments,
                              ech_config **config, char **text)
{
    uint64_t bytes = 0;
    ech_status status = tell_text(comm, text, &bytes);
    if (status == ECH_OK && ech_comm_rank(comm) != 0) {
        size_t count = 0;
        const ech_option_section *sections = ech_fit_sections(&count);
        status = ech_config_load_text(*text, bytes - 1,
                                      arguments->config_path != NULL ? arguments->config_path
                                                                     : "command line",
                                      NULL, 0, sections, count, config);
    }
    return ech_comm_agree(comm, status);
}

ech_status ech_fit_load_config(ech_machine *machine, const ech_fit_arguments *arguments,
                               ech_config **config, char **text)
{
    ech_comm *comm = ech_machine_comm(machine);
    *config = NULL;
    *text = NULL;
    ech_status status = ECH_OK;
    if (ech_comm_rank(comm) == 0) {
        status = load_on_rank_0(arguments, config, text);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = tell_config(comm, arguments, config, text);
    }
    if (status != ECH_OK) {
        ech_config_destroy(config);
        ech_free(*text);
        *text = NULL;
    }
    return status;
}

/* ---- a model of the user's own ---- */

static ech_status read_model(const char *path, char **text)
{
    char *raw = NULL;
    size_t bytes = 0;
    ech_status status = ech_yaml_file_text(path, &raw, &bytes);
    if (status == ECH_OK && memchr(raw, '\0', bytes) != NULL) {
        status = ech_fail(ECH_ERR_CONFIG, "%s: holds a zero byte: not a text", path);
    }
    if (status == ECH_OK) {
        *text = ech_calloc(bytes + 1, 1);
        status = *text != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        memcpy(*text, raw, bytes);
    }
    ech_free(raw);
    return status;
}

ech_status ech_fit_load_model(ech_machine *machine, const ech_fit_options *options, char **text)
{
    *text = NULL;
    if (options->model.file == NULL) {
        return ECH_OK;
    }
    ech_comm *comm = ech_machine_comm(machine);
    ech_status status = ECH_OK;
    if (ech_comm_rank(comm) == 0) {
        status = read_model(options->model.file, text);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        uint64_t bytes = 0;
        status = tell_text(comm, text, &bytes);
    }
    if (status != ECH_OK) {
        ech_free(*text);
        *text = NULL;
    }
    return status;
}

/* ---- the folder ---- */

static bool is_output(const char *name)
{
    return strncmp(name, "checkpoint-", strlen("checkpoint-")) == 0 || strcmp(name, "run.h5") == 0;
}

static ech_status refuse_folder(const char *folder, const char *what)
{
    return ech_fail(ECH_ERR_CONFIG, "--out %s: %s: %s", folder, what, strerror(errno));
}

/* Finds what an earlier run left; removes it if told to. */
static ech_status sweep_folder(const ech_fit_arguments *arguments)
{
    DIR *directory = opendir(arguments->folder);
    if (directory == NULL) {
        return refuse_folder(arguments->folder, "cannot be read");
    }
    ech_status status = ECH_OK;
    const struct dirent *entry = NULL;
    while (status == ECH_OK && (entry = readdir(directory)) != NULL) {
        if (!is_output(entry->d_name)) {
            continue;
        }
        if (!arguments->overwrite) {
            status = ech_fail(ECH_ERR_CONFIG,
                              "--out %s: holds %s of an earlier run; expected an empty folder, or "
                              "--resume to go on, or --overwrite to begin anew",
                              arguments->folder, entry->d_name);
        } else if (unlinkat(dirfd(directory), entry->d_name, 0) != 0) {
            status = refuse_folder(arguments->folder, entry->d_name);
        }
    }
    closedir(directory);
    return status;
}

/* Each missing folder of a path, as mkdir -p, for the user alone. */
static int make_folders(const char *folder)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
            return -1;
        }
        *slash = '/';
    }
    return mkdir(path, S_IRWXU) != 0 && errno != EEXIST ? -1 : 0;
}

ech_status ech_fit_prepare_folder(const ech_fit_arguments *arguments)
{
    if (make_folders(arguments->folder) != 0) {
        return refuse_folder(arguments->folder, "cannot be made");
    }
    struct stat folder;
    const bool is_there = stat(arguments->folder, &folder) == 0;
    if (is_there && !S_ISDIR(folder.st_mode)) {
        return ech_fail(ECH_ERR_CONFIG, "--out %s: expected a folder, a file is there",
                        arguments->folder);
    }
    if (!is_there || access(arguments->folder, W_OK | X_OK) != 0) {
        return refuse_folder(arguments->folder, "cannot be written");
    }
    if ((folder.st_mode & S_IWOTH) != 0) {
        return ech_fail(ECH_ERR_CONFIG,
                        "--out %s: everybody may write into it, and could plant a checkpoint: "
                        "expected a folder of your own",
                        arguments->folder);
    }
    return arguments->resume ? ECH_OK : sweep_folder(arguments);
}
