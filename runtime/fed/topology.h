/**
 * @file topology.h
 * The tree of a federation: one leader, aggregators, and workers as its leaves.
 *
 * Nodes are numbered tier by tier from 0, the leader; the children of a node are contiguous, in the
 * order in which the file names them. Two numbers belong to a worker:
 * - its *worker number*, which is its identity: data, random streams and records go by it. In a
 *   file the workers are numbered in the order in which they are defined, whatever the tree above
 *   them, so that two trees over the same workers train the same.
 * - its *position* from left to right, in which every subtree's leaves are contiguous. Placement
 *   and byte counts go by it.
 * In generated trees both are the same. A generated tree takes at most 64 bytes a node.
 *
 * Not collective; every rank builds the same tree. Immutable once built, readable by any thread.
 */
#ifndef ECH_FED_TOPOLOGY_H
#define ECH_FED_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/yaml.h"

#define ECH_NODE_NONE UINT32_MAX /* no such node, no such worker */

enum {
    ECH_TOPOLOGY_NODES_MAX = 1 << 28,
    ECH_TOPOLOGY_TIERS_MAX = 4096,
    ECH_TOPOLOGY_NAME_BYTES = 64, /* room for a generated name */
};

typedef enum { ECH_NODE_LEADER, ECH_NODE_AGGREGATOR, ECH_NODE_WORKER } ech_node_kind;

typedef struct {
    uint32_t parent; /* ECH_NODE_NONE for the leader */
    uint32_t first_child;
    uint32_t child_count;
    uint32_t first_leaf; /* its leaves are the positions [first_leaf, first_leaf + leaf_count) */
    uint32_t leaf_count; /* 1 for a worker */
    uint32_t worker;     /* worker number; ECH_NODE_NONE for others */
    uint32_t name;       /* where its name lies; see ech_topology_name */
    uint16_t tier;       /* edges to the leader */
    uint16_t kind;       /* ech_node_kind */
} ech_node;

typedef struct ech_topology ech_topology;

/**
 * Read Flight's format, YAML or JSON: a mapping from node names to `kind: leader|aggregator|worker`
 * (`coordinator`, Flight's newer word, is a leader), `children: [names]` and keys of the user's
 * own, which are kept.
 *
 * @return ECH_OK; ECH_ERR_CONFIG, naming file, line and node (no leader or two, unknown kind, a
 *         worker with children, an aggregator without, an unknown or doubly claimed child, a cycle,
 *         a node that the leader does not reach); ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_topology_load(const char *path, ech_topology **out);

/** The same from a document, which the topology takes over: `*document` is nulled, also on failure.
 */
ech_status ech_topology_from_yaml(ech_yaml **document, ech_topology **out);

/**
 * A tree with `counts[d]` nodes in tier d + 1, children dealt out evenly from left to right; the
 * last tier are the workers. {64}: a star. {4, 16, 64}: 4 aggregators over 16 over 64 workers.
 *
 * @param counts  ascending (equal is allowed), each at least 1.
 */
ech_status ech_topology_tiers(const uint32_t *counts, size_t count, ech_topology **out);

/** Tier d has round(workers^(d/height)) nodes, d = 0 to `height`; height 1 is a star. */
ech_status ech_topology_balanced(uint32_t workers, uint32_t height, ech_topology **out);

/** `counts[d]` aggregators in tier d + 1, and all workers below the last of them. */
ech_status ech_topology_shape(const uint32_t *counts, size_t count, uint32_t workers,
                              ech_topology **out);

/**
 * A random tree: each aggregator in turn hangs below the leader or an aggregator before it, each as
 * likely, with at most `height` edges from the leader to a worker; each aggregator that is left
 * without children gets a worker, and the other workers hang below the leader or an aggregator,
 * each as likely.
 *
 * @param aggregators  at most as many as there are workers; none where the height is 1.
 * @param height       at least 1.
 */
ech_status ech_topology_random(uint32_t workers, uint32_t aggregators, uint32_t height,
                               uint64_t seed, ech_topology **out);

void ech_topology_destroy(ech_topology **topology);

uint32_t ech_topology_node_count(const ech_topology *topology);
uint32_t ech_topology_worker_count(const ech_topology *topology);
/** Tiers, the leader's included: height + 1. */
uint32_t ech_topology_tier_count(const ech_topology *topology);
/** First node of a tier; `tier` may be the tier count (then the node count). */
uint32_t ech_topology_tier_begin(const ech_topology *topology, uint32_t tier);

/** A node by its number. Borrowed. */
const ech_node *ech_topology_node(const ech_topology *topology, uint32_t node);
/** The node of a worker number. */
uint32_t ech_topology_worker_node(const ech_topology *topology, uint32_t worker);
/** The node of the leaf at a position. */
uint32_t ech_topology_leaf_node(const ech_topology *topology, uint32_t position);

/**
 * A node's name: from the file (borrowed from the topology), or made up for a generated node
 * ("leader", "aggregator-1.3" for the fourth of tier 1, "worker-17") in `buffer`.
 */
const char *ech_topology_name(const ech_topology *topology, uint32_t node,
                              char buffer[ECH_TOPOLOGY_NAME_BYTES]);

/** The user's own value of a node (`speed: 0.5`), or NULL. Knows its file and line. Borrowed. */
const ech_yaml_node *ech_topology_extra(const ech_topology *topology, uint32_t node,
                                        const char *key);

/** Bytes of memory that the tree takes, names included, the document of extra keys left out. */
size_t ech_topology_memory_bytes(const ech_topology *topology);

#endif
