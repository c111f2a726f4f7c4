#include <criterion/criterion.h>

#include "runtime/fed/placement.h"
#include "tests/support.h"

TestSuite(placement, .fini = ech_test_expect_no_leak);

static ech_placement *place(const ech_topology *t, const uint32_t *ranks, uint32_t hosts)
{
    ech_placement *placement = NULL;
    cr_assert_eq(ech_placement_create(t, ranks, hosts, &placement), ECH_OK);
    return placement;
}

static uint32_t leaves_of(const ech_placement *placement, uint32_t host)
{
    uint32_t first = 0;
    return ech_placement_leaves(placement, host, &first);
}

Test(placement, leaves_follow_the_hosts_ranks)
{
    static const uint32_t ranks[] = {1, 3, 4};
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_tiers((uint32_t[]){8000}, 1, &t), ECH_OK);
    ech_placement *placement = place(t, ranks, 3);
    for (uint32_t h = 0; h < 3; h++) {
        cr_expect_eq(leaves_of(placement, h), 1000 * ranks[h]);
    }
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}

/* 3 hosts over 4 subtrees of 16: even cuts at 21 and 42 move to no boundary of 16 (too far), but
 * to those of 4. */
Test(placement, cuts_go_to_the_largest_boundary_nearby)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_tiers((uint32_t[]){4, 16, 64}, 3, &t), ECH_OK);
    ech_placement *placement = place(t, (uint32_t[]){1, 1, 1}, 3);
    cr_expect_eq(leaves_of(placement, 0), 20);
    cr_expect_eq(leaves_of(placement, 1), 20);
    cr_expect_eq(leaves_of(placement, 2), 24);
    ech_placement_destroy(&placement);

    placement = place(t, (uint32_t[]){15, 17}, 2);
    cr_expect_eq(leaves_of(placement, 0), 32, "30 is near the boundary of two halves");
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}

/* Between two boundaries in reach the nearer one: 17 lies in [15, 18). */
Test(placement, cuts_go_to_the_nearer_end_of_a_subtree)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_tiers((uint32_t[]){16, 48}, 2, &t), ECH_OK);
    ech_placement *placement = place(t, (uint32_t[]){17, 31}, 2);
    cr_expect_eq(leaves_of(placement, 0), 18);
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}

static void expect_runs_cover(const ech_placement *placement, uint32_t leaf_count)
{
    uint32_t next = 0;
    for (uint32_t h = 0; h < ech_placement_host_count(placement); h++) {
        uint32_t first = 0;
        const uint32_t count = ech_placement_leaves(placement, h, &first);
        cr_assert_eq(first, next);
        next += count;
    }
    cr_assert_eq(next, leaf_count);
}

Test(placement, an_aggregator_lives_with_most_of_its_leaves)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_balanced(1000, 4, &t), ECH_OK);
    ech_placement *placement = place(t, (uint32_t[]){2, 5, 1, 8, 3}, 5);
    expect_runs_cover(placement, 1000);
    for (uint32_t i = 1; i < ech_topology_node_count(t); i++) {
        const ech_node *node = ech_topology_node(t, i);
        uint32_t counts[5] = {0};
        for (uint32_t leaf = 0; leaf < node->leaf_count; leaf++) {
            const uint32_t at = ech_topology_leaf_node(t, node->first_leaf + leaf);
            counts[ech_placement_worker_host(placement, ech_topology_node(t, at)->worker)]++;
        }
        const uint32_t host = ech_placement_node_host(placement, i);
        for (uint32_t h = 0; h < 5; h++) {
            cr_assert(counts[h] < counts[host] || (counts[h] == counts[host] && h >= host));
        }
    }
    cr_expect_eq(ech_placement_node_host(placement, 0), 0);
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}

Test(placement, more_hosts_than_workers)
{
    static const uint32_t ranks[] = {1, 1, 1, 1, 1, 1, 1};
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_tiers((uint32_t[]){2, 3}, 2, &t), ECH_OK);
    ech_placement *placement = place(t, ranks, 7);
    expect_runs_cover(placement, 3);
    for (uint32_t w = 0; w < 3; w++) {
        cr_expect_eq(leaves_of(placement, ech_placement_worker_host(placement, w)), 1);
    }
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}

Test(placement, a_hosts_ranks_share_its_leaves_evenly)
{
    static const uint32_t ranks[] = {3, 1};
    enum { WORKERS = 8 };
    static const uint32_t hosts_of[WORKERS] = {0, 0, 0, 0, 0, 0, 1, 1};
    static const uint32_t ranks_of[WORKERS] = {0, 0, 1, 1, 2, 2, 0, 0};
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_tiers((uint32_t[]){WORKERS}, 1, &t), ECH_OK);
    ech_placement *placement = place(t, ranks, 2);
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        cr_expect_eq(ech_placement_worker_host(placement, worker), hosts_of[worker]);
        cr_expect_eq(ech_placement_worker_rank(placement, worker), ranks_of[worker]);
    }
    ech_placement_destroy(&placement);
    ech_topology_destroy(&t);
}
