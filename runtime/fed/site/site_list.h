/**
 * @file site_list.h
 * The remote sites of a topology: nodes with `site: NAME` (an aggregator with all its workers, or
 * one worker), or with Flight's `globus_comp_id: ID`, whose name is the ID. Flight gives each node
 * an endpoint of its own: the topmost below the leader counts, what lies below it is the site's own
 * affair. A node may choose how its site's updates travel: `compression: none|zstd|bf16|int8|top`.
 *
 * Not collective. Immutable once built.
 */
#ifndef ECH_FED_SITE_SITE_LIST_H
#define ECH_FED_SITE_SITE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/codec.h"
#include "runtime/fed/site/wire.h"
#include "runtime/fed/topology.h"

/** How updates travel. */
typedef struct {
    ech_codec codec;
    bool packs;
    uint32_t keep_millionths; /* codec top */
} ech_compression;

/** "none|zstd|bf16|int8|top", as an option's choices; the number of a choice as what it means. */
extern const char ech_compression_names[];
ech_compression ech_compression_of(int choice, uint32_t keep_millionths);

typedef struct {
    const char *name; /* borrowed from the topology */
    uint32_t node;
    const uint32_t *workers; /* numbers, ascending */
    uint32_t worker_count;
    ech_compression compression;
} ech_site_entry;

typedef struct ech_site_list ech_site_list;

/**
 * @param topology    borrowed until the list is destroyed.
 * @param compression of sites whose node says nothing.
 * @return ECH_OK, also without any site; ECH_ERR_CONFIG, with file and line (a name twice or inside
 *         another site, a leader, too many workers); ECH_ERR_MEMORY.
 */
ech_status ech_site_list_create(const ech_topology *topology, ech_compression compression,
                                ech_site_list **out);
void ech_site_list_destroy(ech_site_list **list);

uint32_t ech_site_list_count(const ech_site_list *list);
const ech_site_entry *ech_site_list_at(const ech_site_list *list, uint32_t index);
/** Number of the site of this name; UINT32_MAX. */
uint32_t ech_site_list_find(const ech_site_list *list, const char *name);
/** Number of the site that a worker belongs to; UINT32_MAX: the leader's own job trains it. */
uint32_t ech_site_list_of_worker(const ech_site_list *list, uint32_t worker);

#endif
