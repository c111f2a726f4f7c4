/**
 * @file weight_tree.h
 * Weights of items as a tree of sums, to draw items in proportion to them: drawing and changing one
 * take log2(items) steps.
 *
 * A parent is always computed from its children, never by differences, so a weight of zero leaves
 * an exact zero and can never be drawn. Leaf i is sums[size + i], the root sums[1]. Not collective.
 */
#ifndef ECH_FED_WEIGHT_TREE_H
#define ECH_FED_WEIGHT_TREE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t size; /* a power of two, at least the number of items */
    double *sums;  /* 2 * size; the owner's, zero at first */
} ech_weight_tree;

/** The size of a tree of so many items. */
uint32_t ech_weight_tree_size(uint32_t items);

/** Set a weight before the tree is built. */
static inline void ech_weight_tree_put(ech_weight_tree *tree, uint32_t item, double weight)
{
    tree->sums[tree->size + item] = weight;
}

/** Compute all sums. */
void ech_weight_tree_build(ech_weight_tree *tree);

static inline double ech_weight_tree_total(const ech_weight_tree *tree)
{
    return tree->sums[1];
}

/** Take an item out. */
void ech_weight_tree_clear(ech_weight_tree *tree, uint32_t item);

/** The item at `uniform` (in [0, 1)) of the total, which is not zero. */
uint32_t ech_weight_tree_draw(const ech_weight_tree *tree, double uniform);

#endif
