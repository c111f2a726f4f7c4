#include "apps/command.h"

#include <stddef.h>

const ech_command *ech_commands(void)
{
    static const ech_command commands[] = {
        {"data", "import, split, lay out and show data sets", ech_cmd_data},
        {"inspect", "show what is in a file of Echelon", ech_cmd_inspect},
        {"report", "draw run records as one page that compares them", ech_cmd_report},
        {"fit", "train one model across many workers", ech_cmd_fit},
        {"run", "run fit on N ranks, and again from a checkpoint when one dies", ech_cmd_run},
        {"plan", "say what a job will need before it runs", ech_cmd_plan},
        {"site", "train the workers of a node for a leader elsewhere", ech_cmd_site},
        {"scale", "expand a scaling study into jobs, run or submit them", ech_cmd_scale},
        {"topo", "show a federation's tree and the bytes of a round", ech_cmd_topo},
        {"bench", "measure this machine", ech_cmd_bench},
        {"verify", "check the kernels against golden files", ech_cmd_verify},
        {NULL, NULL, NULL},
    };
    return commands;
}
