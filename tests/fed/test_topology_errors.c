/* Each mistake in a topology file is met by one line that names file, line and node. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/fed/topology.h"
#include "tests/support.h"

TestSuite(topology_errors, .fini = ech_test_expect_no_leak);

typedef struct {
    const char *text;
    const char *message;
} mistake;

#define TREE "L: {kind: leader, children: [A, w]}\nw: {kind: worker}\n"

static const mistake mistakes[] = {
    {"", "tree.yaml:1: the topology is nothing: expected a mapping from node names"},
    {"{}", "tree.yaml:1: the topology is empty: expected a mapping from node names"},
    {"[a]", "tree.yaml:1: the topology is a list: expected a mapping from node names"},
    {TREE "A: worker\n", "tree.yaml:3: node 'A' is a single value: expected its kind and children"},
    {TREE "A: {children: [v]}\n",
     "tree.yaml:3: node 'A': no kind: expected leader, aggregator or worker"},
    {TREE "A: {kind: boss}\n",
     "tree.yaml:3: node 'A': kind is 'boss': expected leader, aggregator or worker"},
    {TREE "A: {kind: [worker]}\n",
     "tree.yaml:3: node 'A': kind is a list: expected leader, aggregator or worker"},
    {TREE "A: {kind: aggregator, children: v}\n",
     "tree.yaml:3: node 'A': children is a single value: expected a list of names"},
    {TREE "A: {kind: worker, children: [w]}\n", "tree.yaml:3: node 'A': a worker has no children"},
    {TREE "A: {kind: aggregator}\n",
     "tree.yaml:3: node 'A': an aggregator needs children: only workers are leaves"},
    {"L: {kind: leader, children: []}\n",
     "tree.yaml:1: node 'L': a leader needs children: only workers are leaves"},
    {TREE "A: {kind: leader, children: [w]}\n",
     "tree.yaml:3: node 'A': a second leader beside 'L'"},
    {"w: {kind: worker}\n", "tree.yaml:1: no node is a leader: expected one"},
    {TREE "A: {kind: aggregator, children: [v]}\n",
     "tree.yaml:3: node 'A': its child 'v' is defined nowhere"},
    {TREE "A: {kind: aggregator, children: [L]}\n",
     "tree.yaml:3: node 'A': its child 'L' is the leader"},
    {TREE "A: {kind: aggregator, children: [w]}\n",
     "tree.yaml:3: node 'A': its child 'w' is a child of 'L' already"},
    {TREE "A: {kind: aggregator, children: [v, v]}\nv: {kind: worker}\n",
     "tree.yaml:3: node 'A': its child 'v' is a child of 'A' already"},
    {TREE "A: {kind: worker}\nB: {kind: aggregator, children: [v]}\nv: {kind: worker}\n",
     "tree.yaml:4: node 'B' is nobody's child"},
    {TREE "A: {kind: worker}\nv: {kind: worker}\n", "tree.yaml:4: node 'v' is nobody's child"},
    {TREE "A: {kind: worker}\nB: {kind: aggregator, children: [C]}\n"
          "C: {kind: aggregator, children: [B, v]}\nv: {kind: worker}\n",
     "tree.yaml:4: node 'B' hangs on a cycle through 'B'"},
    {TREE "A: {kind: worker}\nB: {kind: aggregator, children: [B]}\n",
     "tree.yaml:4: node 'B' hangs on a cycle through 'B'"},
    {TREE "A: {kind: aggregator, children: [[v]]}\n",
     "tree.yaml:3: a child's name: expected a text, got a list"},
};

static void expect_refused(const mistake *m)
{
    ech_yaml *document = NULL;
    ech_topology *t = NULL;
    cr_assert_eq(ech_yaml_load_text(m->text, strlen(m->text), "tree.yaml", &document), ECH_OK);
    cr_expect_eq(ech_topology_from_yaml(&document, &t), ECH_ERR_CONFIG, "%s", m->text);
    cr_expect_str_eq(ech_status_message(), m->message);
    cr_expect_null(t);
    cr_expect_null(document);
}

Test(topology_errors, each_names_file_line_and_node)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        expect_refused(&mistakes[i]);
    }
}
