#include "runtime/fed/collect_rule.h"

#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy.h"

enum { BLOCK = 2048 /* values of an update that stay in the first-level cache */ };

static double square_of_block(const float *restrict a, const float *restrict b, uint64_t count)
{
    double lanes[8] = {0.0};
    uint64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        for (int lane = 0; lane < 8; lane++) {
            const double difference = (double)a[i + (uint64_t)lane] - (double)b[i + (uint64_t)lane];
            lanes[lane] += difference * difference;
        }
    }
    for (; i < count; i++) {
        const double difference = (double)a[i] - (double)b[i];
        lanes[0] += difference * difference;
    }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* Block by block, so that all updates' blocks are read from memory once. */
void ech_collect_squares(const float *const *updates, uint64_t value_count, uint32_t first,
                         uint32_t end, double *squares)
{
    size_t pairs = 0;
    for (uint32_t row = first; row < end; row++) {
        pairs += row;
    }
    memset(squares, 0, pairs * sizeof *squares);
    for (uint64_t from = 0; from < value_count; from += BLOCK) {
        const uint64_t left = value_count - from;
        double *at = squares;
        for (uint32_t row = first; row < end; row++) {
            for (uint32_t other = 0; other < row; other++) {
                *at++ += square_of_block(updates[row] + from, updates[other] + from,
                                         left < BLOCK ? left : BLOCK);
            }
        }
    }
}

static void order(float *restrict low, float *restrict high)
{
    for (int i = 0; i < ECH_COLLECT_WIDTH; i++) {
        const float a = low[i];
        const float b = high[i];
        low[i] = b < a ? b : a;
        high[i] = b < a ? a : b;
    }
}

/* Merge exchange (Batcher 1968; Knuth, "The art of computer programming" 3, algorithm 5.2.2M): the
 * exchanges do not depend on the numbers, so all columns take each at once. */
static void sort_columns(float *rows, uint32_t count)
{
    uint32_t top = 1;
    while (2 * top < count) {
        top *= 2;
    }
    for (uint32_t p = top; p > 0; p /= 2) {
        uint32_t q = top;
        uint32_t r = 0;
        uint32_t d = p;
        for (;;) {
            for (uint32_t i = 0; i + d < count; i++) {
                if ((i & p) == r) {
                    order(rows + (size_t)i * ECH_COLLECT_WIDTH,
                          rows + (size_t)(i + d) * ECH_COLLECT_WIDTH);
                }
            }
            if (q == p) {
                break;
            }
            d = q - p;
            q /= 2;
            r = p;
        }
    }
}

/* Columns beyond the last element are zeros. */
static ech_status combine_by_order(const ech_strategy *strategy, const float *const *updates,
                                   uint32_t update_count, uint64_t first, uint64_t count,
                                   float *out)
{
    float *rows = ech_calloc((size_t)update_count * ECH_COLLECT_WIDTH, sizeof *rows);
    if (rows == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint64_t from = first; from < first + count; from += ECH_COLLECT_WIDTH) {
        const uint64_t left = first + count - from;
        const size_t width = left < ECH_COLLECT_WIDTH ? (size_t)left : ECH_COLLECT_WIDTH;
        for (uint32_t u = 0; u < update_count; u++) {
            memcpy(rows + (size_t)u * ECH_COLLECT_WIDTH, updates[u] + from, width * sizeof *rows);
        }
        sort_columns(rows, update_count);
        float picked[ECH_COLLECT_WIDTH];
        strategy->rule->collect->pick(strategy, rows, update_count, picked);
        memcpy(out + from, picked, width * sizeof *picked);
    }
    ech_free(rows);
    return ECH_OK;
}

static void combine_by_share(const float *const *updates, uint32_t update_count,
                             const double *shares, uint64_t first, uint64_t count, float *out)
{
    double totals[ECH_COLLECT_WIDTH];
    for (uint64_t from = first; from < first + count; from += ECH_COLLECT_WIDTH) {
        const uint64_t left = first + count - from;
        const size_t width = left < ECH_COLLECT_WIDTH ? (size_t)left : ECH_COLLECT_WIDTH;
        memset(totals, 0, sizeof totals);
        for (uint32_t u = 0; u < update_count; u++) {
            for (size_t i = 0; i < width && shares[u] != 0.0; i++) {
                totals[i] += shares[u] * (double)updates[u][from + i];
            }
        }
        for (size_t i = 0; i < width; i++) {
            out[from + i] = (float)totals[i];
        }
    }
}

ech_status ech_collect_combine(const ech_strategy *strategy, const float *const *updates,
                               uint32_t update_count, const double *shares, uint64_t first,
                               uint64_t count, float *out)
{
    if (shares == NULL) {
        return combine_by_order(strategy, updates, update_count, first, count, out);
    }
    combine_by_share(updates, update_count, shares, first, count, out);
    return ECH_OK;
}
