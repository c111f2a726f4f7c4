#include "apps/options/section.h"

#include <math.h>

#include "io/dataset.h"

enum { AUGMENT_CROP_MAX = 1024 };

static const ech_option options[] = {
    {.key = "data.shards",
     .type = ECH_OPTION_PATH,
     .help = "instead of data.file and data.split: a data set laid out by worker, the folder that "
             "`echelon data shard` made; a host reads its own workers' samples alone"},
    {.key = "data.memory",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = 0x1p53,
     .help = "with data.shards: bytes of samples that a host keeps at most; where its workers' do "
             "not fit, a rank reads a worker's samples when it trains it, or each batch's"},
    {.key = "data.file",
     .type = ECH_OPTION_PATH,
     .only_if = "data.shards=",
     .help = "data set, made by `echelon data import`; not needed where train.epochs is 0"},
    {.key = "data.normalize.mean",
     .type = ECH_OPTION_REALS,
     .standard = "[0]",
     .help = "a pixel p becomes (p / 255 - mean) / std; one a channel, or one for all"},
    {.key = "data.normalize.std",
     .type = ECH_OPTION_REALS,
     .standard = "[1]",
     .above = true,
     .most = INFINITY,
     .help = "see data.normalize.mean"},
    {.key = "data.augment.crop",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = AUGMENT_CROP_MAX,
     .help =
         "pixels of zeros around a training image, which is then cropped to its size at random"},
    {.key = "data.augment.flip",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .help = "mirror a training image left to right with probability 1/2"},
    {.key = "data.split.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "iid|dirichlet|label|classes|shards|log-normal|ids|file",
     .standard = "iid",
     .only_if = "data.shards=",
     .help = "how the training samples are dealt to the workers"},
    {.key = "data.split.samples_alpha",
     .type = ECH_OPTION_REAL,
     .standard = "3.0",
     .above = true,
     .most = INFINITY,
     .only_if = "data.split.kind=dirichlet",
     .help = "the larger, the more equal the workers' numbers of samples"},
    {.key = "data.split.labels_alpha",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .above = true,
     .most = INFINITY,
     .only_if = "data.split.kind=dirichlet|label",
     .help = "the larger, the more alike the workers' labels"},
    {.key = "data.split.least",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 0,
     .most = UINT32_MAX,
     .only_if = "data.split.kind=label",
     .help = "samples that each worker has at least: drawn again until it holds"},
    {.key = "data.split.classes",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = ECH_DATASET_CLASSES_MAX,
     .only_if = "data.split.kind=classes",
     .help = "classes of a worker"},
    {.key = "data.split.shards",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "data.split.kind=shards",
     .help = "shards of a worker, of the samples sorted by class"},
    {.key = "data.split.sigma",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .least = 0,
     .most = ECH_SPLIT_SIGMA_MAX,
     .only_if = "data.split.kind=log-normal",
     .help = "spread of the logarithms of the workers' numbers of samples"},
    {.key = "data.split.file",
     .type = ECH_OPTION_PATH,
     .required = true,
     .only_if = "data.split.kind=ids|file",
     .help = "HDF5 file that holds a number for each training sample: of its worker (file), or of "
             "whoever it is from (ids: dealt to the workers in runs)"},
    {.key = "data.split.dataset",
     .type = ECH_OPTION_TEXT,
     .required = true,
     .only_if = "data.split.kind=ids|file",
     .help = "dataset in data.split.file; -1 or the type's largest value: no worker"},
};

static ech_status check_data(const ech_config *config)
{
    size_t means = 0;
    size_t deviations = 0;
    ech_config_reals(config, "data.normalize.mean", &means);
    ech_config_reals(config, "data.normalize.std", &deviations);
    if (means != deviations && means != 1 && deviations != 1) {
        return ech_config_fail(config, "data.normalize.std",
                               "expected %zu numbers, as in data.normalize.mean, got %zu", means,
                               deviations);
    }
    const bool has_shards = ech_config_has(config, "data.shards");
    const bool has_data = has_shards || ech_config_has(config, "data.file");
    if (!has_shards && ech_config_has(config, "data.memory")) {
        return ech_config_fail(config, "data.memory", "expected data.shards with it");
    }
    if (ech_config_has(config, "train.plugin")) {
        return !has_data ? ECH_OK
                         : ech_config_fail(config, has_shards ? "data.shards" : "data.file",
                                           "expected none: train.plugin brings its own data");
    }
    if (!has_data && ech_config_integer(config, "train.epochs") > 0) {
        return ech_config_fail(config, "data.file",
                               "missing: expected a data set where train.epochs is above 0");
    }
    return ECH_OK;
}

static void read_split(const ech_config *config, ech_fit_options *out)
{
    if (!ech_config_has(config, "data.split.kind")) {
        return; /* data.shards: dealt already */
    }
    const int kind = ech_config_choice(config, "data.split.kind");
    ech_split_rule *rule = &out->split.rule;
    if (kind >= ECH_SPLIT_KIND_COUNT) {
        out->split.source = (ech_fit_split_source)(kind - ECH_SPLIT_KIND_COUNT + ECH_FIT_SPLIT_IDS);
        out->split.file = ech_config_text(config, "data.split.file");
        out->split.dataset = ech_config_text(config, "data.split.dataset");
        return;
    }
    rule->kind = (ech_split_kind)kind;
    ech_fit_read_real(config, "data.split.samples_alpha", &rule->samples_alpha);
    ech_fit_read_real(config, "data.split.labels_alpha", &rule->labels_alpha);
    ech_fit_read_real(config, "data.split.sigma", &rule->sigma);
    ech_fit_read_number(config, "data.split.least", &rule->least);
    ech_fit_read_number(config, "data.split.classes", &rule->classes_each);
    ech_fit_read_number(config, "data.split.shards", &rule->shards_each);
}

static void read_data(const ech_config *config, ech_fit_options *out)
{
    out->data.file = ech_config_text(config, "data.file");
    out->data.shards = ech_config_text(config, "data.shards");
    out->data.memory_bytes = ech_config_has(config, "data.memory")
                                 ? (uint64_t)ech_config_integer(config, "data.memory")
                                 : UINT64_MAX;
    out->data.mean = ech_config_reals(config, "data.normalize.mean", &out->data.mean_count);
    out->data.std = ech_config_reals(config, "data.normalize.std", &out->data.std_count);
    read_split(config, out);
}

const ech_fit_section ech_fit_data_section = {
    .options = {"Data", options, sizeof options / sizeof *options},
    .check = check_data,
    .read = read_data,
};
