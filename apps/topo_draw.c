#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/report/buffer.h"
#include "apps/topo.h"
#include "runtime/base/child.h"
#include "runtime/base/memory.h"
#include "runtime/fed/placement.h"

/* Few nodes have names and stand in layers; many are dots on rings around the leader. What is more
 * than that is a texture, not a tree: then children are summed up. */
enum { NODES_NAMED_MAX = 60, NODES_DRAWN_MAX = 1200, CHILDREN_DRAWN_MAX = 256 };

static const uint64_t layout_timeout_ns = 120000000000U;

/* A node of the picture, and how many of its children are there too. */
typedef struct {
    uint32_t node;
    uint32_t drawn_children;
} drawn_node;

typedef struct {
    const ech_topology *topology;
    const ech_placement *placement; /* NULL: hosts are not drawn */
    drawn_node nodes[NODES_DRAWN_MAX];
    uint32_t count;
    bool named;
    ech_buffer text;
} picture;

static uint32_t children_to_draw(const ech_node *node, uint32_t most)
{
    /* One that is left out would take as much room as the word for it. */
    return node->child_count <= most + 1 ? node->child_count : most;
}

/* Choose nodes from the leader down, at most `most` children each. @return did all fit? */
static bool choose(picture *drawn, uint32_t most)
{
    drawn->nodes[0] = (drawn_node){0};
    drawn->count = 1;
    for (uint32_t i = 0; i < drawn->count; i++) {
        const ech_node *node = ech_topology_node(drawn->topology, drawn->nodes[i].node);
        const uint32_t wanted = children_to_draw(node, most);
        if (drawn->count + wanted > NODES_DRAWN_MAX) {
            return false;
        }
        drawn->nodes[i].drawn_children = wanted;
        for (uint32_t j = 0; j < wanted; j++) {
            drawn->nodes[drawn->count++] = (drawn_node){.node = node->first_child + j};
        }
    }
    return true;
}

static void choose_nodes(picture *drawn)
{
    for (uint32_t most = CHILDREN_DRAWN_MAX; !choose(drawn, most) && most > 1;) {
        most = most > 8 ? most / 2 : most - 1;
    }
    drawn->named = drawn->count <= NODES_NAMED_MAX;
}

/* A text between quotes: graphviz knows the backslash and the quote, and wants UTF-8. */
static void add_quoted(ech_buffer *out, const char *text)
{
    ech_buffer_add(out, "\"");
    while (*text != '\0') {
        const size_t bytes = ech_buffer_sequence_bytes(text);
        if (*text == '"' || *text == '\\') {
            ech_buffer_add(out, "\\");
        }
        ech_buffer_add_bytes(out, bytes > 0 ? text : "?", bytes > 0 ? bytes : 1);
        text += bytes > 0 ? bytes : 1;
    }
    ech_buffer_add(out, "\"");
}

static uint32_t host_of(const picture *drawn, uint32_t node)
{
    return drawn->placement != NULL ? ech_placement_node_host(drawn->placement, node) : 0;
}

static const char *host_colour(uint32_t host)
{
    static const char *const colours[] = {"#e69f00", "#56b4e9", "#cc79a7", "#333333", "#8c7a00",
                                          "#882255", "#44aa99", "#d55e00", "#0072b2", "#a8a8a8"};
    return colours[host % (sizeof colours / sizeof *colours)];
}

/* A box or ellipse with its name. */
static void add_named_look(picture *drawn, const ech_node *node)
{
    static const char *const looks[] = {
        [ECH_NODE_LEADER] = "shape=box style=\"filled,rounded\" fillcolor=\"#d55e00\" "
                            "color=\"#d55e00\" fontcolor=white label=",
        [ECH_NODE_AGGREGATOR] = "shape=box style=\"filled,rounded\" fillcolor=\"#0072b2\" "
                                "color=\"#0072b2\" fontcolor=white label=",
        [ECH_NODE_WORKER] =
            "shape=ellipse style=filled fillcolor=\"#d9f0e8\" color=\"#009e73\" label=",
    };
    ech_buffer_add(&drawn->text, looks[node->kind]);
}

/* A dot whose rim tells the host; its name appears when the pointer rests on it. */
static void add_dot_look(picture *drawn, const ech_node *node, uint32_t number)
{
    static const char *const fills[] = {[ECH_NODE_LEADER] = "#d55e00",
                                        [ECH_NODE_AGGREGATOR] = "#0072b2",
                                        [ECH_NODE_WORKER] = "#009e73"};
    static const char *const sizes[] = {
        [ECH_NODE_LEADER] = "0.4", [ECH_NODE_AGGREGATOR] = "0.22", [ECH_NODE_WORKER] = "0.14"};
    ech_buffer_format(&drawn->text,
                      "shape=circle style=filled label=\"\" fixedsize=true width=%s "
                      "fillcolor=\"%s\" ",
                      sizes[node->kind], fills[node->kind]);
    if (drawn->placement != NULL) {
        ech_buffer_format(&drawn->text, "penwidth=3 color=\"%s\" ",
                          host_colour(host_of(drawn, number)));
    } else {
        ech_buffer_add(&drawn->text, "penwidth=0 ");
    }
    ech_buffer_add(&drawn->text, "tooltip=");
}

static void add_node(picture *drawn, uint32_t number)
{
    char buffer[ECH_TOPOLOGY_NAME_BYTES];
    const ech_node *node = ech_topology_node(drawn->topology, number);
    ech_buffer_format(&drawn->text, "n%u [", number);
    if (drawn->named) {
        add_named_look(drawn, node);
    } else {
        add_dot_look(drawn, node, number);
    }
    add_quoted(&drawn->text, ech_topology_name(drawn->topology, number, buffer));
    ech_buffer_add(&drawn->text, "];\n");
}

/* Stands for the children of a node that are not drawn, or for all that lies below it. */
static void add_rest(picture *drawn, const drawn_node *parent)
{
    const ech_node *node = ech_topology_node(drawn->topology, parent->node);
    if (parent->drawn_children == node->child_count) {
        return;
    }
    ech_buffer_format(&drawn->text, "r%u [shape=plaintext fontsize=9 fontcolor=\"#666666\" ",
                      parent->node);
    if (parent->drawn_children > 0) {
        ech_buffer_format(&drawn->text, "label=\"+ %u\"];\n",
                          node->child_count - parent->drawn_children);
    } else {
        ech_buffer_format(&drawn->text, "label=\"%u worker%s\"];\n", node->leaf_count,
                          node->leaf_count == 1 ? "" : "s");
    }
}

static void add_edges(picture *drawn)
{
    for (uint32_t i = 0; i < drawn->count; i++) {
        const drawn_node *parent = &drawn->nodes[i];
        const ech_node *node = ech_topology_node(drawn->topology, parent->node);
        for (uint32_t j = 0; j < parent->drawn_children; j++) {
            ech_buffer_format(&drawn->text, "n%u -> n%u;\n", parent->node, node->first_child + j);
        }
        if (parent->drawn_children < node->child_count) {
            ech_buffer_format(&drawn->text, "n%u -> r%u [style=dotted];\n", parent->node,
                              parent->node);
        }
    }
}

static void add_nodes_of_host(picture *drawn, uint32_t host)
{
    const bool boxed = drawn->placement != NULL && drawn->named;
    if (boxed) {
        ech_buffer_format(&drawn->text,
                          "subgraph cluster_%u {\nlabel=\"host %u\"; labeljust=l; "
                          "style=\"rounded,filled\"; fillcolor=\"#f4f4f4\"; color=\"#bbbbbb\"; "
                          "fontcolor=\"#666666\";\n",
                          host, host);
    }
    for (uint32_t i = 0; i < drawn->count; i++) {
        if (host_of(drawn, drawn->nodes[i].node) == host) {
            add_node(drawn, drawn->nodes[i].node);
            add_rest(drawn, &drawn->nodes[i]);
        }
    }
    ech_buffer_add(&drawn->text, boxed ? "}\n" : "");
}

/* Where hosts have no boxes: which rim is whose. */
static void add_host_key(picture *drawn, uint32_t hosts)
{
    ech_buffer_add(&drawn->text, "label=<");
    for (uint32_t host = 0; host < hosts; host++) {
        ech_buffer_format(&drawn->text, "<font color=\"%s\">&#9679; host %u</font>   ",
                          host_colour(host), host);
    }
    ech_buffer_add(&drawn->text, ">;\n");
}

/* Inches between rings, such that the dots of the outermost do not touch. */
static double ring_distance(const picture *drawn)
{
    static const double least = 0.9;
    static const double dot_distance = 0.17;
    uint32_t tier = 1;
    uint32_t on_ring = 0;
    for (uint32_t i = 0; i < drawn->count; i++) {
        const ech_node *node = ech_topology_node(drawn->topology, drawn->nodes[i].node);
        on_ring = node->tier > tier ? 1 : on_ring + (node->tier == tier ? 1 : 0);
        tier = node->tier > tier ? node->tier : tier;
    }
    const double wanted = on_ring * dot_distance / (2.0 * 3.14159) / tier;
    return wanted > least ? wanted : least;
}

static void write_graph(picture *drawn)
{
    const uint32_t hosts =
        drawn->placement != NULL ? ech_placement_host_count(drawn->placement) : 1;
    ech_buffer_add(&drawn->text, "digraph topology {\ngraph [");
    if (drawn->named) {
        /* newrank: a tier stands in one line, whichever hosts its nodes are on. */
        ech_buffer_add(&drawn->text, "layout=dot newrank=true ranksep=0.6 nodesep=0.12");
    } else {
        ech_buffer_format(&drawn->text, "layout=twopi root=n0 ranksep=\"%.2f equally\"",
                          ring_distance(drawn));
    }
    ech_buffer_add(&drawn->text,
                   " bgcolor=white fontname=Helvetica fontsize=14 outputorder=edgesfirst];\n"
                   "node [fontname=Helvetica fontsize=11 height=0.3 margin=\"0.1,0.04\"];\n"
                   "edge [arrowhead=none color=\"#999999\"];\n");
    if (drawn->placement != NULL && !drawn->named) {
        add_host_key(drawn, hosts);
    }
    for (uint32_t host = 0; host < hosts; host++) {
        add_nodes_of_host(drawn, host);
    }
    add_edges(drawn);
    ech_buffer_add(&drawn->text, "}\n");
}

static ech_status lay_out(const char *graph, const char *format, const char *path)
{
    char option[16];
    snprintf(option, sizeof option, "-T%s", format);
    const char *const arguments[] = {"dot", option, "-o", path, graph, NULL};
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = layout_timeout_ns, .output_bytes_max = 4096};
    ech_child_result result = {0};
    ech_status status = ech_child_run(&options, &result);
    if (status == ECH_ERR_SYSTEM) {
        status = ech_fail(ECH_ERR_UNSUPPORTED,
                          "graphviz is needed to draw %s, and its program `dot` cannot be run; "
                          "name a file .dot to get the graph itself",
                          path);
    } else if (status == ECH_OK && result.timed_out) {
        status = ech_fail(ECH_ERR_TIMEOUT, "`dot` took more than two minutes to draw %s", path);
    } else if (status == ECH_OK && result.exit_code != 0) {
        status = ech_fail(ECH_ERR_FILE, "`dot` could not draw %s: %s", path,
                          result.errors != NULL ? result.errors : "");
    }
    ech_child_result_free(&result);
    return status;
}

static ech_status write_picture(const ech_buffer *text, const char *format, const char *path)
{
    if (strcmp(format, "dot") == 0) {
        return ech_buffer_write(text, path);
    }
    ech_buffer graph = {0};
    ech_buffer_format(&graph, "%s.dot", path);
    ech_status status = graph.status == ECH_OK ? ech_buffer_write(text, graph.bytes) : graph.status;
    if (status == ECH_OK) {
        status = lay_out(graph.bytes, format, path);
        (void)unlink(graph.bytes);
    }
    ech_buffer_clear(&graph);
    return status;
}

static ech_status place(const ech_topology *topology, uint32_t hosts, ech_placement **out)
{
    *out = NULL;
    if (hosts <= 1) {
        return ECH_OK;
    }
    uint32_t *ranks = ech_calloc(hosts, sizeof *ranks);
    if (ranks == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < hosts; i++) {
        ranks[i] = 1;
    }
    const ech_status status = ech_placement_create(topology, ranks, hosts, out);
    ech_free(ranks);
    return status;
}

ech_status ech_topo_draw(const ech_topology *topology, uint32_t hosts, const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *format = dot != NULL ? dot + 1 : "";
    if (strcmp(format, "svg") != 0 && strcmp(format, "png") != 0 && strcmp(format, "dot") != 0) {
        return ech_fail(ECH_ERR_CONFIG, "%s: expected a file name that ends in .svg, .png or .dot",
                        path);
    }
    ech_placement *placement = NULL;
    picture *drawn = ech_calloc(1, sizeof *drawn);
    ech_status status = drawn != NULL ? place(topology, hosts, &placement) : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        drawn->topology = topology;
        drawn->placement = placement;
        choose_nodes(drawn);
        write_graph(drawn);
        status = write_picture(&drawn->text, format, path);
    }
    if (drawn != NULL) {
        ech_buffer_clear(&drawn->text);
    }
    ech_free(drawn);
    ech_placement_destroy(&placement);
    return status;
}
