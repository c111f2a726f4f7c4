#include <argp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/command.h"
#include "apps/fit/fit_enter.h"
#include "apps/fit/fit_job.h"
#include "apps/fit/fit_line.h"
#include "apps/fit_options.h"

int ech_cmd_fit(int argc, char **argv)
{
    ech_fit_line line;
    ech_fit_line_init(&line);
    argp_parse(ech_fit_line_parser(), argc, argv, 0, NULL, &line);
    if (line.keys) {
        size_t count = 0;
        const ech_option_section *sections = ech_fit_sections(&count);
        ech_options_print(stdout, sections, count);
        return EXIT_SUCCESS;
    }
    return ech_command_end_job(ech_fit_enter(&line.arguments, ech_fit_job_run));
}
