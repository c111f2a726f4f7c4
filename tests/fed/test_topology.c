/* Trees, generated and from files: shape, numbers, names. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/fed/topology.h"
#include "tests/support.h"

TestSuite(topology, .fini = ech_test_expect_no_leak);

/* What holds for every tree: tiers, parents and children agree, leaves are contiguous. */
static void expect_sound(const ech_topology *t)
{
    uint32_t next_child = 1;
    uint32_t workers = 0;
    for (uint32_t i = 0; i < ech_topology_node_count(t); i++) {
        const ech_node *node = ech_topology_node(t, i);
        cr_assert(i >= ech_topology_tier_begin(t, node->tier) &&
                  i < ech_topology_tier_begin(t, node->tier + 1U));
        cr_assert_eq(node->kind == ECH_NODE_LEADER, i == 0);
        cr_assert_eq(node->kind == ECH_NODE_WORKER, node->child_count == 0);
        uint32_t leaf = node->first_leaf;
        for (uint32_t c = 0; c < node->child_count; c++) {
            const ech_node *child = ech_topology_node(t, node->first_child + c);
            cr_assert_eq(node->first_child + c, next_child++);
            cr_assert_eq(child->parent, i);
            cr_assert_eq(child->tier, node->tier + 1);
            cr_assert_eq(child->first_leaf, leaf);
            leaf += child->leaf_count;
        }
        if (node->kind == ECH_NODE_WORKER) {
            workers++;
            cr_assert_eq(node->leaf_count, 1);
            cr_assert_eq(ech_topology_leaf_node(t, node->first_leaf), i);
            cr_assert_eq(ech_topology_worker_node(t, node->worker), i);
        } else {
            cr_assert_eq(leaf, node->first_leaf + node->leaf_count);
            cr_assert_eq(node->worker, ECH_NODE_NONE);
        }
    }
    cr_assert_eq(workers, ech_topology_worker_count(t));
    cr_assert_eq(next_child, ech_topology_node_count(t));
    cr_assert_eq(ech_topology_node(t, 0)->leaf_count, workers);
    cr_assert_eq(ech_topology_node(t, 0)->parent, ECH_NODE_NONE);
}

static void expect_tiers(const ech_topology *t, const uint32_t *counts, uint32_t count)
{
    cr_assert_eq(ech_topology_tier_count(t), count);
    for (uint32_t d = 0; d < count; d++) {
        cr_expect_eq(ech_topology_tier_begin(t, d + 1) - ech_topology_tier_begin(t, d), counts[d],
                     "tier %u", d);
    }
}

/* The hierarchy experiment's trees, and one whose powers are not integers. */
Test(topology, balanced_tiers_are_rounded_powers)
{
    static const struct {
        uint32_t workers, height, tiers[9];
    } cases[] = {
        {256, 1, {1, 256}},
        {256, 2, {1, 16, 256}},
        {256, 4, {1, 4, 16, 64, 256}},
        {256, 8, {1, 2, 4, 8, 16, 32, 64, 128, 256}},
        {100, 3, {1, 5, 22, 100}},
        {2, 4, {1, 1, 1, 2, 2}},
        {1, 3, {1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ech_topology *t = NULL;
        cr_assert_eq(ech_topology_balanced(cases[i].workers, cases[i].height, &t), ECH_OK);
        expect_tiers(t, cases[i].tiers, cases[i].height + 1);
        expect_sound(t);
        ech_topology_destroy(&t);
    }
}

Test(topology, children_are_dealt_out_evenly)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_balanced(100, 3, &t), ECH_OK);
    for (uint32_t i = 0; i < ech_topology_tier_begin(t, 3); i++) {
        const ech_node *node = ech_topology_node(t, i);
        const uint32_t tier = node->tier;
        const uint32_t parents =
            ech_topology_tier_begin(t, tier + 1) - ech_topology_tier_begin(t, tier);
        const uint32_t children =
            ech_topology_tier_begin(t, tier + 2) - ech_topology_tier_begin(t, tier + 1);
        cr_expect(node->child_count == children / parents ||
                  node->child_count == children / parents + 1);
    }
    ech_topology_destroy(&t);
}

Test(topology, generated_workers_are_numbered_from_left_to_right)
{
    ech_topology *t = NULL;
    char name[ECH_TOPOLOGY_NAME_BYTES];
    cr_assert_eq(ech_topology_tiers((uint32_t[]){3, 7}, 2, &t), ECH_OK);
    for (uint32_t w = 0; w < 7; w++) {
        cr_expect_eq(ech_topology_worker_node(t, w), 4 + w);
        cr_expect_eq(ech_topology_leaf_node(t, w), 4 + w);
    }
    static const uint32_t children[] = {3, 2, 2}; /* child j of 7 belongs to floor(3 j / 7) */
    for (uint32_t a = 0; a < 3; a++) {
        cr_expect_eq(ech_topology_node(t, 1 + a)->child_count, children[a]);
    }
    cr_expect_str_eq(ech_topology_name(t, 0, name), "leader");
    cr_expect_str_eq(ech_topology_name(t, 3, name), "aggregator-1.2");
    cr_expect_str_eq(ech_topology_name(t, 10, name), "worker-6");
    cr_expect_null(ech_topology_extra(t, 3, "speed"));
    ech_topology_destroy(&t);
}

Test(topology, a_shape_is_its_aggregators_over_the_workers)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_shape((uint32_t[]){2, 5}, 2, 11, &t), ECH_OK);
    expect_tiers(t, (uint32_t[]){1, 2, 5, 11}, 4);
    expect_sound(t);
    ech_topology_destroy(&t);
}

/* Every aggregator has someone below it, nobody is deeper than allowed, and the seed decides. */
Test(topology, random_trees_are_sound_and_repeat)
{
    static const struct {
        uint32_t workers, aggregators, height;
    } cases[] = {{1, 0, 1}, {1, 1, 2}, {40, 0, 1}, {40, 12, 2}, {40, 12, 9}, {40, 40, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            ech_topology *t = NULL;
            ech_topology *again = NULL;
            const uint32_t nodes = cases[i].workers + cases[i].aggregators + 1;
            cr_assert_eq(ech_topology_random(cases[i].workers, cases[i].aggregators,
                                             cases[i].height, seed, &t),
                         ECH_OK);
            cr_assert_eq(ech_topology_random(cases[i].workers, cases[i].aggregators,
                                             cases[i].height, seed, &again),
                         ECH_OK);
            expect_sound(t);
            cr_expect_eq(ech_topology_node_count(t), nodes);
            cr_expect_eq(ech_topology_worker_count(t), cases[i].workers);
            cr_expect_leq(ech_topology_tier_count(t), cases[i].height + 1);
            cr_expect_arr_eq(ech_topology_node(t, 0), ech_topology_node(again, 0),
                             nodes * sizeof(ech_node));
            ech_topology_destroy(&t);
            ech_topology_destroy(&again);
        }
    }
}

/* With one parent as likely as another, the first of n aggregators has about n / 2 below the leader
 * or itself; a chain or a star would not. */
Test(topology, random_trees_differ_by_seed_and_are_neither_chains_nor_stars)
{
    uint32_t tiers[8] = {0};
    for (uint64_t seed = 0; seed < 8; seed++) {
        ech_topology *t = NULL;
        cr_assert_eq(ech_topology_random(1000, 200, 64, seed, &t), ECH_OK);
        tiers[seed] = ech_topology_tier_count(t);
        cr_expect_geq(tiers[seed], 6);
        cr_expect_leq(tiers[seed], 30);
        const ech_node *leader = ech_topology_node(t, 0);
        cr_expect_leq(leader->child_count, 60);
        ech_topology_destroy(&t);
    }
    bool differ = false;
    for (int seed = 1; seed < 8; seed++) {
        differ = differ || tiers[seed] != tiers[0];
    }
    cr_expect(differ);
}

Test(topology, a_million_workers_take_at_most_64_bytes_a_node)
{
    ech_topology *t = NULL;
    cr_assert_eq(ech_topology_balanced(1000000, 6, &t), ECH_OK);
    cr_expect_eq(ech_topology_worker_count(t), 1000000);
    cr_expect_leq(ech_topology_memory_bytes(t), (size_t)ech_topology_node_count(t) * 64);
    expect_sound(t);
    ech_topology_destroy(&t);
    cr_assert_eq(ech_topology_random(1000000, 10000, 12, 1, &t), ECH_OK);
    cr_expect_leq(ech_topology_memory_bytes(t), (size_t)ech_topology_node_count(t) * 64);
    expect_sound(t);
    ech_topology_destroy(&t);
}

Test(topology, impossible_shapes_are_refused)
{
    ech_topology *t = NULL;
    cr_expect_eq(ech_topology_balanced(0, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_balanced(4, 0, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_balanced(1, ECH_TOPOLOGY_TIERS_MAX, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_balanced(UINT32_MAX, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_tiers((uint32_t[]){8, 4}, 2, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_tiers((uint32_t[]){0}, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_tiers(NULL, 0, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_shape((uint32_t[]){8, 4}, 2, 9, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_shape((uint32_t[]){8}, 1, 7, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_random(0, 0, 1, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_random(4, 5, 3, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_random(4, 1, 1, 1, &t), ECH_ERR_CONFIG);
    cr_expect_eq(ech_topology_random(UINT32_MAX, 1, 2, 1, &t), ECH_ERR_CONFIG);
    cr_expect_null(t);
}

/* ---- files ---- */

static ech_topology *parse(const char *text)
{
    ech_yaml *document = NULL;
    ech_topology *t = NULL;
    cr_assert_eq(ech_yaml_load_text(text, strlen(text), "tree.yaml", &document), ECH_OK);
    cr_assert_eq(ech_topology_from_yaml(&document, &t), ECH_OK, "%s", ech_status_message());
    cr_expect_null(document);
    return t;
}

/* A leader over a worker and two aggregators; definitions out of order, names that are numbers. */
static const char flight_tree[] = "3: {kind: worker, children: [ ]}\n"
                                  "0:\n"
                                  "  kind: leader\n"
                                  "  globus_compute_endpoint: null\n"
                                  "  children: [a, 3, 2]\n"
                                  "w1: {kind: worker, children: ~, speed: 0.5}\n"
                                  "2: {kind: aggregator, children: [w1]}\n"
                                  "w2: {kind: worker}\n"
                                  "a: {kind: aggregator, children: [w2, w3]}\n"
                                  "w3: {kind: worker}\n";

Test(topology, a_file_gives_nodes_tier_by_tier)
{
    static const char *const names[] = {"0", "a", "3", "2", "w2", "w3", "w1"};
    static const uint32_t parents[] = {ECH_NODE_NONE, 0, 0, 0, 1, 1, 3};
    char name[ECH_TOPOLOGY_NAME_BYTES];
    ech_topology *t = parse(flight_tree);
    expect_sound(t);
    expect_tiers(t, (uint32_t[]){1, 3, 3}, 3);
    for (uint32_t i = 0; i < 7; i++) {
        cr_expect_str_eq(ech_topology_name(t, i, name), names[i]);
        cr_expect_eq(ech_topology_node(t, i)->parent, parents[i]);
    }
    ech_topology_destroy(&t);
}

Test(topology, workers_of_a_file_are_numbered_as_defined_and_placed_from_left_to_right)
{
    static const char *const by_number[] = {"3", "w1", "w2", "w3"};
    static const char *const by_position[] = {"w2", "w3", "3", "w1"};
    char name[ECH_TOPOLOGY_NAME_BYTES];
    ech_topology *t = parse(flight_tree);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_str_eq(ech_topology_name(t, ech_topology_worker_node(t, i), name), by_number[i]);
        cr_expect_str_eq(ech_topology_name(t, ech_topology_leaf_node(t, i), name), by_position[i]);
    }
    ech_topology_destroy(&t);
}

Test(topology, keys_of_the_users_own_are_kept_with_their_place)
{
    ech_topology *t = parse(flight_tree);
    const ech_yaml_node *speed = ech_topology_extra(t, 6, "speed");
    double value = 0.0;
    cr_assert_not_null(speed);
    cr_expect_eq(ech_yaml_read_real(speed, "speed", &value), ECH_OK);
    cr_expect_eq(value, 0.5);
    char place[ECH_YAML_WHERE_BYTES];
    cr_expect_str_eq(ech_yaml_where(speed, place), "tree.yaml:6");
    cr_expect_null(ech_topology_extra(t, 5, "speed"));
    ech_topology_destroy(&t);
}

Test(topology, json_and_the_newer_word_for_a_leader)
{
    ech_topology *t = parse("{\"0\": {\"kind\": \"coordinator\", \"children\": [1, \"2\"]},\n"
                            " \"1\": {\"kind\": \"worker\", \"children\": []},\n"
                            " \"2\": {\"kind\": \"worker\", \"children\": []}}\n");
    expect_sound(t);
    expect_tiers(t, (uint32_t[]){1, 2}, 2);
    ech_topology_destroy(&t);
}

Test(topology, a_file_is_read_from_disk)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    ech_topology *t = NULL;
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "tree.yaml", flight_tree, path);
    cr_expect_eq(ech_topology_load(path, &t), ECH_OK);
    ech_topology_destroy(&t);
    ech_test_write_text(directory, "tree.yaml", "0: {kind: leader\n", path);
    cr_expect_eq(ech_topology_load(path, &t), ECH_ERR_CONFIG);
    ech_test_remove_directory(directory);
    cr_expect_eq(ech_topology_load(path, &t), ECH_ERR_FILE);
    cr_expect_null(t);
}
