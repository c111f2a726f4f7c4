#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/memo_file.h"
#include "io/record.h"
#include "io/shards.h"
#include "io/split_file.h"
#include "tests/fuzz/fuzz.h"

static void open_dataset(const char *path)
{
    ech_dataset *dataset = NULL;
    (void)ech_dataset_open(fuzz_io(), path, &dataset);
    ech_dataset_close(&dataset);
}

static void read_split(const char *path)
{
    ech_split_file split;
    (void)ech_split_file_read(fuzz_io(), path, &split);
    ech_split_file_free(&split);
}

static void open_checkpoint(const char *path)
{
    ech_checkpoint *checkpoint = NULL;
    (void)ech_checkpoint_open(fuzz_io(), path, &checkpoint);
    ech_checkpoint_close(&checkpoint);
}

static void open_record(const char *path)
{
    ech_record *record = NULL;
    (void)ech_record_open(fuzz_io(), path, &record);
    ech_record_close(&record);
}

static void read_memo(const char *path)
{
    ech_memo_file_info info;
    (void)ech_memo_file_read_info(fuzz_io(), path, &info);
}

static void read_shards(const char *path)
{
    ech_shards shards;
    (void)ech_shards_read(fuzz_io(), path, &shards);
    ech_shards_free(&shards);
}

/* Echelon's own files: each reader gets each file, whatever kind it says it is. What is not sealed
 * goes to the child that reads files of others. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static void (*const readers[])(const char *) = {open_dataset, read_split, open_checkpoint,
                                                    open_record,  read_memo,  read_shards};
    (void)fuzz_io();
    const size_t before = fuzz_balance();
    const char *path = fuzz_store("file.h5", data, bytes);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        readers[i](path);
    }
    fuzz_remove("file.h5");
    fuzz_expect_balance(before);
    return 0;
}
