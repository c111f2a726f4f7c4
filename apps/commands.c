#include "apps/command.h"

#include <stddef.h>

const ech_command *ech_commands(void)
{
    static const ech_command commands[] = {
        {NULL, NULL, NULL},
    };
    return commands;
}
