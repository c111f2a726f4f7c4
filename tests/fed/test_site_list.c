#include <criterion/criterion.h>
#include <string.h>

#include "runtime/fed/site/site_list.h"
#include "tests/support.h"

TestSuite(site_list, .fini = ech_test_expect_no_leak);

static ech_topology *load(const char *text)
{
    ech_yaml *document = NULL;
    ech_topology *topology = NULL;
    cr_assert_eq(ech_yaml_load_text(text, strlen(text), "tree.yaml", &document), ECH_OK);
    cr_assert_eq(ech_topology_from_yaml(&document, &topology), ECH_OK, "%s", ech_status_message());
    return topology;
}

static ech_site_list *list_of(const ech_topology *topology)
{
    ech_site_list *list = NULL;
    cr_assert_eq(ech_site_list_create(topology, ech_compression_of(1, 0), &list), ECH_OK, "%s",
                 ech_status_message());
    return list;
}

Test(site_list, a_site_has_all_workers_below_its_node_by_number)
{
    ech_topology *topology = load("top: {kind: leader, children: [a, z]}\n"
                                  "z: {kind: worker, site: alone, compression: int8}\n"
                                  "a: {kind: aggregator, site: many, children: [b, x]}\n"
                                  "b: {kind: aggregator, children: [y]}\n"
                                  "y: {kind: worker}\n"
                                  "x: {kind: worker}\n");
    ech_site_list *list = list_of(topology);
    cr_assert_eq(ech_site_list_count(list), 2);
    const ech_site_entry *many = ech_site_list_at(list, ech_site_list_find(list, "many"));
    cr_assert_eq(many->worker_count, 2);
    cr_expect_eq(many->workers[0], 1);
    cr_expect_eq(many->workers[1], 2);
    cr_expect_eq(many->compression.codec, ECH_CODEC_EXACT);
    cr_expect(many->compression.packs);
    const ech_site_entry *alone = ech_site_list_at(list, ech_site_list_find(list, "alone"));
    cr_assert_eq(alone->worker_count, 1);
    cr_expect_eq(alone->workers[0], 0);
    cr_expect_eq(alone->compression.codec, ECH_CODEC_INT8);
    cr_expect_eq(ech_site_list_of_worker(list, 0), ech_site_list_find(list, "alone"));
    cr_expect_eq(ech_site_list_find(list, "other"), UINT32_MAX);
    ech_site_list_destroy(&list);
    ech_topology_destroy(&topology);
}

/* Flight names an endpoint for each node, and none for those that run where the leader does. */
Test(site_list, endpoints_of_flight_are_sites)
{
    ech_topology *topology = load("top: {kind: leader, globus_comp_id: 11-aa, children: [a, b]}\n"
                                  "a: {kind: aggregator, globus_comp_id: 22-bb, children: [x]}\n"
                                  "b: {kind: aggregator, globus_comp_id: null, children: [y, z]}\n"
                                  "x: {kind: worker, globus_comp_id: 33-cc}\n"
                                  "y: {kind: worker, globus_comp_id: 44-dd}\n"
                                  "z: {kind: worker}\n");
    ech_site_list *list = list_of(topology);
    cr_assert_eq(ech_site_list_count(list), 2);
    cr_expect_neq(ech_site_list_find(list, "22-bb"), UINT32_MAX);
    cr_expect_neq(ech_site_list_find(list, "44-dd"), UINT32_MAX);
    cr_expect_eq(ech_site_list_find(list, "33-cc"), UINT32_MAX, "it is inside 22-bb");
    cr_expect_eq(ech_site_list_of_worker(list, 2), UINT32_MAX);
    ech_site_list_destroy(&list);
    ech_topology_destroy(&topology);
}

Test(site_list, a_generated_tree_has_none)
{
    ech_topology *topology = NULL;
    cr_assert_eq(ech_topology_balanced(16, 2, &topology), ECH_OK);
    ech_site_list *list = list_of(topology);
    cr_expect_eq(ech_site_list_count(list), 0);
    ech_site_list_destroy(&list);
    ech_topology_destroy(&topology);
}

Test(site_list, what_cannot_be_a_site_is_refused_by_its_line)
{
    static const struct {
        const char *tree, *message;
    } cases[] = {
        {"top: {kind: leader, children: [a], site: x}\na: {kind: worker}\n", "the leader is where"},
        {"top: {kind: leader, children: [a, b]}\na: {kind: worker, site: x}\n"
         "b: {kind: worker, site: x}\n",
         "tree.yaml:3: site: x is the site of two nodes"},
        {"top: {kind: leader, children: [a]}\na: {kind: aggregator, site: x, children: [b]}\n"
         "b: {kind: worker, site: y}\n",
         "a site inside the site x"},
        {"top: {kind: leader, children: [a]}\na: {kind: worker, site: a/b}\n", "no name of a site"},
        {"top: {kind: leader, children: [a]}\na: {kind: worker, site: x, compression: zip}\n",
         "expected one of none|zstd|bf16|int8|top"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ech_topology *topology = load(cases[i].tree);
        ech_site_list *list = NULL;
        cr_expect_eq(ech_site_list_create(topology, ech_compression_of(0, 0), &list),
                     ECH_ERR_CONFIG);
        cr_expect_not_null(strstr(ech_status_message(), cases[i].message), "%s",
                           ech_status_message());
        cr_expect_null(list);
        ech_topology_destroy(&topology);
    }
}
