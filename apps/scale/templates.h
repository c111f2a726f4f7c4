/**
 * @file templates.h
 * The scripts of jobs/ as texts: made from them when the program is built, so that it needs no
 * files beside it.
 */
#ifndef ECH_APPS_SCALE_TEMPLATES_H
#define ECH_APPS_SCALE_TEMPLATES_H

extern const char ech_template_runs[];
extern const char ech_template_local_job[];
extern const char ech_template_local_collect[];
extern const char ech_template_local_submit[];
extern const char ech_template_slurm_job[];
extern const char ech_template_slurm_collect[];
extern const char ech_template_slurm_submit[];
extern const char ech_template_pbs_job[];
extern const char ech_template_pbs_collect[];
extern const char ech_template_pbs_submit[];

#endif
