#include <stddef.h>

#include "apps/command.h"

int ech_cmd_bench(int argc, char **argv)
{
    static const ech_command benches[] = {
        {"kernels", "measure training of one model on this machine", ech_cmd_bench_kernels},
        {"pool", "measure the task pool between the ranks of a job", ech_cmd_bench_pool},
        {"round", "measure a round without training: the model out and the updates in",
         ech_cmd_bench_round},
        {NULL, NULL, NULL},
    };
    return ech_command_dispatch(benches, argc, argv);
}
