#include "runtime/task/future/graph.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/memory.h"

/* A task pending costs a node, and an edge for each input; the bound is the issue's. */
_Static_assert(sizeof(ech_future) <= 224, "a pending task must fit 256 bytes with an edge");
_Static_assert(sizeof(ech_edge) == 32, "an edge takes half a cache line");

void ech_graph_init(ech_graph *graph)
{
    memset(graph, 0, sizeof *graph);
    ech_slab_init(&graph->nodes, (sizeof(ech_future) + 15) / 16 * 16);
    ech_slab_init(&graph->edges, sizeof(ech_edge));
}

void ech_graph_clear(ech_graph *graph)
{
    ech_slab_clear(&graph->nodes);
    ech_slab_clear(&graph->edges);
}

size_t ech_graph_held_bytes(const ech_graph *graph)
{
    return graph->nodes.held_bytes + graph->edges.held_bytes + graph->heap_bytes;
}

ech_cause *ech_cause_create(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    ech_cause *cause = ech_alloc(sizeof *cause + bytes);
    if (cause != NULL) {
        cause->references = 1;
        memcpy(cause->text, text, bytes);
    }
    return cause;
}

void ech_cause_unrefer(ech_cause *cause)
{
    if (cause != NULL && --cause->references == 0) {
        ech_free(cause);
    }
}

static ech_status store_data(ech_graph *graph, ech_future *node, const void *data, size_t bytes)
{
    node->bytes = bytes;
    node->heap = NULL;
    unsigned char *target = node->space;
    if (bytes > sizeof node->space) {
        node->heap = ech_alloc(bytes);
        if (node->heap == NULL) {
            node->bytes = 0;
            return ECH_ERR_MEMORY;
        }
        graph->heap_bytes += bytes;
        target = node->heap;
    }
    if (bytes > 0) {
        memcpy(target, data, bytes);
    }
    return ECH_OK;
}

static void drop_data(ech_graph *graph, ech_future *node)
{
    if (node->heap != NULL) {
        graph->heap_bytes -= node->bytes;
        ech_free(node->heap);
        node->heap = NULL;
    }
    node->bytes = 0;
}

ech_future *ech_graph_add(ech_graph *graph, const void *arguments, size_t arguments_bytes)
{
    ech_future *node = ech_slab_take(&graph->nodes);
    if (node == NULL) {
        return NULL;
    }
    memset(node, 0, offsetof(ech_future, space));
    if (store_data(graph, node, arguments, arguments_bytes) != ECH_OK) {
        ech_slab_give(&graph->nodes, node);
        return NULL;
    }
    node->references = 1;
    return node;
}

ech_status ech_graph_connect(ech_graph *graph, ech_future *input, ech_future *dependent)
{
    ech_edge *edge = ech_slab_take(&graph->edges);
    if (edge == NULL) {
        return ECH_ERR_MEMORY;
    }
    *edge = (ech_edge){.input = input, .dependent = dependent, .next_input = dependent->inputs};
    dependent->inputs = edge;
    dependent->input_count++;
    input->references++;
    if (input->state != ECH_NODE_ENDED) {
        dependent->unresolved++;
        edge->next_dependent = input->dependents;
        input->dependents = edge;
    }
    return ECH_OK;
}

/* The inputs of a node are given up once it needs their values no more. */
static void drop_inputs(ech_graph *graph, ech_future *node)
{
    while (node->inputs != NULL) {
        ech_edge *edge = node->inputs;
        node->inputs = edge->next_input;
        ech_graph_unrefer(graph, edge->input);
        ech_slab_give(&graph->edges, edge);
    }
}

bool ech_graph_input_ended(ech_graph *graph, ech_future *dependent)
{
    if (--dependent->unresolved > 0) {
        return false;
    }
    if (dependent->state == ECH_NODE_WAITING) {
        return true;
    }
    drop_inputs(graph, dependent); /* cancelled before: it was kept for its edges */
    ech_graph_unrefer(graph, dependent);
    return false;
}

/* Only for a node that is being discarded: its edges sit first in their inputs' lists, unless an
 * input was given twice, in which case the later one comes first as well. */
static void disconnect(ech_future *node)
{
    for (ech_edge *edge = node->inputs; edge != NULL; edge = edge->next_input) {
        if (edge->input->dependents == edge) {
            edge->input->dependents = edge->next_dependent;
        }
    }
}

void ech_graph_discard(ech_graph *graph, ech_future *node)
{
    disconnect(node);
    drop_inputs(graph, node);
    drop_data(graph, node);
    ech_slab_give(&graph->nodes, node);
}

void ech_graph_unrefer(ech_graph *graph, ech_future *node)
{
    assert(node->references > 0);
    if (--node->references > 0) {
        return;
    }
    drop_data(graph, node);
    ech_cause_unrefer(node->cause);
    ech_slab_give(&graph->nodes, node);
}

static uint32_t list_of(const ech_future *node)
{
    return (uint32_t)(node->priority - ECH_PRIORITY_MIN);
}

void ech_graph_push_ready(ech_graph *graph, ech_future *node)
{
    const uint32_t lane = ech_lane_of_depth(node->depth);
    ech_node_list *list = &graph->ready[lane][list_of(node)];
    node->state = ECH_NODE_READY;
    node->next = NULL;
    if (list->first == NULL) {
        list->first = node;
    } else {
        list->last->next = node;
    }
    list->last = node;
    graph->ready_priorities[lane] |= 1U << list_of(node);
    graph->ready_lanes |= 1U << lane;
}

void ech_graph_push_ready_first(ech_graph *graph, ech_future *node)
{
    const uint32_t lane = ech_lane_of_depth(node->depth);
    ech_node_list *list = &graph->ready[lane][list_of(node)];
    node->state = ECH_NODE_READY;
    node->next = list->first;
    list->first = node;
    if (list->last == NULL) {
        list->last = node;
    }
    graph->ready_priorities[lane] |= 1U << list_of(node);
    graph->ready_lanes |= 1U << lane;
}

static uint32_t highest_bit(uint32_t mask)
{
    return 31U - (uint32_t)__builtin_clz(mask);
}

ech_future *ech_graph_first_ready_in(const ech_graph *graph, uint32_t lane)
{
    const uint32_t priorities = graph->ready_priorities[lane];
    return priorities == 0 ? NULL : graph->ready[lane][highest_bit(priorities)].first;
}

ech_future *ech_graph_first_ready(const ech_graph *graph, uint32_t lane)
{
    const uint32_t lanes = graph->ready_lanes >> lane << lane;
    if (lanes == 0) {
        return NULL;
    }
    return ech_graph_first_ready_in(graph, highest_bit(lanes));
}

static void list_emptied(ech_graph *graph, uint32_t lane, uint32_t priority)
{
    graph->ready_priorities[lane] &= ~(1U << priority);
    if (graph->ready_priorities[lane] == 0) {
        graph->ready_lanes &= ~(1U << lane);
    }
}

void ech_graph_pop_ready(ech_graph *graph, ech_future *node)
{
    const uint32_t lane = ech_lane_of_depth(node->depth);
    ech_node_list *list = &graph->ready[lane][list_of(node)];
    assert(list->first == node);
    list->first = node->next;
    node->next = NULL;
    if (list->first == NULL) {
        list->last = NULL;
        list_emptied(graph, lane, list_of(node));
    }
}

void ech_graph_remove_ready(ech_graph *graph, ech_future *node)
{
    ech_node_list *list = &graph->ready[ech_lane_of_depth(node->depth)][list_of(node)];
    if (list->first == node) {
        ech_graph_pop_ready(graph, node);
        return;
    }
    ech_future *before = list->first;
    while (before->next != node) {
        before = before->next;
    }
    before->next = node->next;
    if (list->last == node) {
        list->last = before;
    }
    node->next = NULL;
}

void ech_graph_end(ech_graph *graph, ech_future *node, ech_status status, const void *value,
                   size_t value_bytes, ech_cause *cause)
{
    drop_data(graph, node);
    if (status == ECH_OK && value_bytes > 0 &&
        store_data(graph, node, value, value_bytes) != ECH_OK) {
        status = ECH_ERR_MEMORY;
    }
    if (node->unresolved > 0) { /* cancelled: its edges are still in the lists of its inputs */
        node->references++;
    } else {
        drop_inputs(graph, node);
    }
    if (cause != NULL) {
        cause->references++;
        node->cause = cause;
    }
    node->status = (uint8_t)status;
    node->state = ECH_NODE_ENDED;
    node->next = NULL;
    if (graph->ended.first == NULL) {
        graph->ended.first = node;
    } else {
        graph->ended.last->next = node;
    }
    graph->ended.last = node;
    graph->ended_count++;
    graph->pending[ech_lane_of_depth(node->depth)]--;
    (*node->open_children)--;
}

ech_future *ech_graph_next_ended(ech_graph *graph)
{
    ech_future *node = graph->ended.first;
    if (node != NULL) {
        graph->ended.first = node->next;
        node->next = NULL;
    }
    return node;
}

static size_t padded(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

size_t ech_payload_bytes(const ech_future *node)
{
    if (node->input_count == 0) {
        return node->bytes;
    }
    size_t bytes = padded(node->bytes) + node->input_count * sizeof(ech_payload_input);
    for (const ech_edge *edge = node->inputs; edge != NULL; edge = edge->next_input) {
        bytes += padded(edge->input->bytes);
    }
    return bytes;
}

const ech_payload_input *ech_payload_table(const unsigned char *payload, size_t arguments_bytes)
{
    return (const ech_payload_input *)(const void *)(payload + padded(arguments_bytes));
}

void ech_payload_pack(const ech_future *node, unsigned char *payload)
{
    if (node->bytes > 0) {
        memcpy(payload, ech_node_data(node), node->bytes);
    }
    unsigned char *table = payload + padded(node->bytes);
    size_t offset = padded(node->bytes) + node->input_count * sizeof(ech_payload_input);
    for (const ech_edge *edge = node->inputs; edge != NULL; edge = edge->next_input) {
        const ech_payload_input input = {.offset = offset, .bytes = edge->input->bytes};
        memcpy(table, &input, sizeof input);
        memcpy(payload + offset, ech_node_data(edge->input), edge->input->bytes);
        table += sizeof input;
        offset += padded(edge->input->bytes);
    }
}
