#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "apps/command.h"
#include "io/foreign.h"

enum { EXIT_BAD_USAGE = 2 };

int main(int argc, char **argv)
{
    static char name[] = "echelon";
    char *no_arguments[] = {name, NULL};
    argp_err_exit_status = EXIT_BAD_USAGE;
    if (argc < 1) {
        return ech_command_dispatch(ech_commands(), 1, no_arguments);
    }
    if (argc > 1 && strcmp(argv[1], ECH_FOREIGN_COMMAND) == 0) {
        return ech_foreign_main(argc, argv);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("echelon " ECH_VERSION);
        return 0;
    }
    argv[0] = name;
    return ech_command_dispatch(ech_commands(), argc, argv);
}
