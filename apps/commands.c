#include "apps/command.h"

#include <stddef.h>

const ech_command *ech_commands(void)
{
    static const ech_command commands[] = {
        {"verify", "check the kernels against golden files", ech_cmd_verify},
        {NULL, NULL, NULL},
    };
    return commands;
}
