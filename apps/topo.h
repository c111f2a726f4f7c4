/**
 * @file topo.h
 * What `echelon topo` tells about a tree. Not collective.
 */
#ifndef ECH_APPS_TOPO_H
#define ECH_APPS_TOPO_H

#include <stdint.h>

#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/bytes.h"
#include "runtime/fed/topology.h"

/** Which tree: a file (of a topology, or a configuration that has one), or a generated one. */
typedef struct {
    const char *file;        /* NULL: generated */
    int64_t workers;         /* 0: not given */
    int64_t height;          /* 0: not given */
    const char *shape;       /* "4,16"; NULL: not given */
    const char *aggregators; /* of a random tree; NULL: not given */
    int64_t seed;
} ech_topo_choice;

/**
 * The tree. Destroy it.
 *
 * @param[out] config  the file, where it is a configuration; else NULL. Destroy it.
 * @return ECH_OK; ECH_ERR_CONFIG; ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_topo_grow(const ech_topo_choice *choice, ech_topology **out, ech_config **config);

/** Nodes of one tier, and what all workers' part in a round sends over the edges above it. */
typedef struct {
    uint32_t aggregators;
    uint32_t workers;
    uint32_t children_least; /* of the nodes that have any; 0 if none has */
    uint32_t children_most;
    ech_tier_traffic traffic;
} ech_topo_tier;

typedef struct {
    const ech_topology *topology;
    ech_topo_tier *tiers;
    uint32_t tier_count;
    ech_tier_traffic traffic; /* of all tiers */
    const char *model;        /* NULL: bytes are not asked for */
    uint64_t model_bytes;     /* of its state_dict */
} ech_topo_facts;

/** Count a tree's tiers. `model` may be NULL. Free with ech_topo_facts_clear. */
ech_status ech_topo_count(const ech_topology *topology, const char *model, ech_topo_facts *out);
void ech_topo_facts_clear(ech_topo_facts *facts);

/** For people, on standard output. */
void ech_topo_print(const ech_topo_facts *facts);

/** One JSON object on standard output. */
ech_status ech_topo_write_json(const ech_topo_facts *facts);

/**
 * Draw a tree with graphviz: nodes coloured by kind, in boxes by host where there are several
 * (ranks being equal on each). Of a large tree, children that look alike are summed up as "+ 253".
 *
 * @param path  ends in .svg, .png, or .dot (the graph itself, without graphviz).
 * @return ECH_OK; ECH_ERR_CONFIG (another ending); ECH_ERR_UNSUPPORTED (no graphviz); ECH_ERR_FILE;
 *         ECH_ERR_ARGUMENT (hosts); ECH_ERR_MEMORY; ECH_ERR_TIMEOUT.
 */
ech_status ech_topo_draw(const ech_topology *topology, uint32_t hosts, const char *path);

#endif
