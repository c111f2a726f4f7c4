#include <criterion/criterion.h>
#include <stdbool.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/bytes.h"
#include "tests/support.h"

TestSuite(bytes, .fini = ech_test_expect_no_leak);

enum { TIERS_MAX = 16 };

/* REFERENCE: 2 x edges models in the tree; edges down and every worker's depth up for a flat
 * server. ResNet-152, height 8, 256 workers: 229.30 against 575.04 GB of 1,024 MiB. */
Test(bytes, all_workers_follow_the_published_formula)
{
    static const struct {
        uint32_t height;
        uint64_t edges, depth_sum;
    } cases[] = {{1, 256, 256}, {2, 272, 512}, {4, 340, 1024}, {8, 510, 2048}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ech_topology *t = NULL;
        ech_tier_traffic tiers[TIERS_MAX];
        cr_assert_eq(ech_topology_balanced(256, cases[i].height, &t), ECH_OK);
        cr_assert_eq(ech_bytes_count(t, NULL, 0, tiers), ECH_OK);
        uint64_t edges = 0;
        uint64_t updates = 0;
        for (uint32_t d = 0; d <= cases[i].height; d++) {
            edges += tiers[d].edges;
            updates += tiers[d].updates;
        }
        cr_expect_eq(edges, cases[i].edges);
        cr_expect_eq(updates, cases[i].depth_sum);
        ech_topology_destroy(&t);
    }
    const double resnet152_mib = 230.196;
    cr_expect_float_eq(2 * 510 * resnet152_mib / 1024, 229.30, 0.005);
    cr_expect_float_eq((510 + 2048) * resnet152_mib / 1024, 575.04, 0.005);
}

/* Walk up from every participant and mark each edge. */
static void count_by_marking(const ech_topology *t, const uint32_t *workers, uint32_t count,
                             ech_tier_traffic *tiers)
{
    bool *marked = ech_calloc(ech_topology_node_count(t), sizeof *marked);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t node = ech_topology_worker_node(t, workers[i]); node != 0;
             node = ech_topology_node(t, node)->parent) {
            const uint32_t tier = ech_topology_node(t, node)->tier;
            tiers[tier].edges += !marked[node];
            tiers[tier].updates++;
            marked[node] = true;
        }
    }
    ech_free(marked);
}

Test(bytes, any_participants_in_any_order)
{
    ech_random stream = ech_random_stream(41, ECH_RANDOM_TEST, 0, 0, 0);
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_balanced(300, 5, &t), ECH_OK);
    for (uint32_t count = 1; count <= 300; count += 23) {
        uint32_t workers[300];
        for (uint32_t i = 0; i < 300; i++) {
            workers[i] = i;
        }
        ech_random_shuffle_u32(&stream, workers, 300);
        ech_tier_traffic tiers[TIERS_MAX];
        ech_tier_traffic expected[TIERS_MAX] = {0};
        cr_assert_eq(ech_bytes_count(t, workers, count, tiers), ECH_OK);
        count_by_marking(t, workers, count, expected);
        cr_expect_arr_eq(tiers, expected, ech_topology_tier_count(t) * sizeof *tiers);
    }
    ech_topology_destroy(&t);
}
