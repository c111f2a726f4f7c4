#define _GNU_SOURCE
#include "apps/command.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"

enum { NAME_BYTES = 128, COMMANDS_MAX = 64, EXIT_BAD_USAGE = 2 };

static size_t command_count(const ech_command *table)
{
    size_t count = 0;
    while (count < COMMANDS_MAX && table[count].name != NULL) {
        count++;
    }
    return count;
}

static void print_list(FILE *file, const char *name, const ech_command *table)
{
    fprintf(file, "Usage: %s COMMAND [OPTION...]\n\nCommands:\n", name);
    for (size_t i = 0; i < command_count(table); i++) {
        fprintf(file, "  %-10s %s\n", table[i].name, table[i].summary);
    }
    fprintf(file, "\n`%s COMMAND --help` tells more of each.\n", name);
}

static const ech_command *find(const ech_command *table, const char *name)
{
    for (size_t i = 0; i < command_count(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static int refuse_unknown(const char *name, const ech_command *table, const char *word)
{
    const char *words[COMMANDS_MAX];
    const size_t count = command_count(table);
    for (size_t i = 0; i < count; i++) {
        words[i] = table[i].name;
    }
    const char *nearest = ech_text_nearest(word, words, count);
    if (nearest != NULL) {
        ech_log(ECH_LOG_ERROR, "unknown command '%s %s': did you mean '%s %s'?", name, word, name,
                nearest);
    } else {
        ech_log(ECH_LOG_ERROR, "unknown command '%s %s': `%s --help` lists them", name, word, name);
    }
    return EXIT_BAD_USAGE;
}

int ech_command_dispatch(const ech_command *table, int argc, char **argv)
{
    if (argc < 2) {
        ech_log(ECH_LOG_ERROR, "a command is missing: `%s --help` lists them", argv[0]);
        return EXIT_BAD_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        print_list(stdout, argv[0], table);
        return 0;
    }
    const ech_command *command = find(table, argv[1]);
    if (command == NULL) {
        return refuse_unknown(argv[0], table, argv[1]);
    }
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s %s", argv[0], command->name);
    argv[1] = name;
    return command->run(argc - 1, argv + 1);
}

int ech_command_exit(ech_status status)
{
    if (status != ECH_OK) {
        ech_log(ECH_LOG_ERROR, "%s", ech_status_message());
    }
    return ech_status_exit_code(status);
}

int ech_command_exit_input(ech_status status)
{
    const int code = ech_command_exit(status);
    return status == ECH_ERR_FILE ? EXIT_BAD_USAGE : code;
}

int ech_command_end_job(ech_status status)
{
    const int exit_code = ech_status_exit_code(status);
    if (status != ECH_OK && ech_mpi_rank() == 0) {
        ech_log_set_rank(-1);
        ech_log(status == ECH_ERR_INTERRUPTED ? ECH_LOG_WARNING : ECH_LOG_ERROR, "%s",
                ech_status_message());
    }
    ech_guard_box()->reported = 1;
    ech_mpi_finish();
    return exit_code;
}
