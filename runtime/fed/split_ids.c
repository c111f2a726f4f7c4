/* Natural splits: samples that bear the number of who wrote, spoke or took them. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/split_priv.h"

static int compare(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The distinct ids, ascending; `distinct` has room for all. */
static uint32_t find_distinct(const uint32_t *ids, uint32_t sample_count, uint32_t *distinct)
{
    memcpy(distinct, ids, sample_count * sizeof *ids);
    qsort(distinct, sample_count, sizeof *distinct, compare);
    uint32_t count = 0;
    for (uint32_t i = 0; i < sample_count; i++) {
        if (distinct[i] != ECH_SPLIT_NOBODY && (count == 0 || distinct[count - 1] != distinct[i])) {
            distinct[count++] = distinct[i];
        }
    }
    return count;
}

static void find_owners(const uint32_t *ids, uint32_t sample_count, const uint32_t *distinct,
                        uint32_t distinct_count, uint32_t worker_count, uint32_t *owners)
{
    for (uint32_t i = 0; i < sample_count; i++) {
        const uint32_t *place =
            bsearch(&ids[i], distinct, distinct_count, sizeof *distinct, compare);
        owners[i] = place == NULL
                        ? ECH_SPLIT_NOBODY
                        : (uint32_t)((uint64_t)(place - distinct) * worker_count / distinct_count);
    }
}

ech_status ech_split_from_ids(const uint32_t *ids, uint32_t sample_count, uint32_t worker_count,
                              ech_split **out)
{
    *out = NULL;
    uint32_t *distinct = ech_alloc(sample_count * sizeof *distinct);
    uint32_t *owners = ech_alloc(sample_count * sizeof *owners);
    ech_status status = distinct != NULL && owners != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        const uint32_t count = find_distinct(ids, sample_count, distinct);
        if (worker_count == 0 || count < worker_count) {
            status = ech_fail(ECH_ERR_CONFIG, "split: %u ids cannot be dealt to %u workers", count,
                              worker_count);
        } else {
            find_owners(ids, sample_count, distinct, count, worker_count, owners);
            status = ech_split_from_owners(owners, sample_count, worker_count, out);
        }
    }
    ech_free(distinct);
    ech_free(owners);
    return status;
}
