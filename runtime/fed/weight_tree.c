#include "runtime/fed/weight_tree.h"

uint32_t ech_weight_tree_size(uint32_t items)
{
    uint32_t size = 1;
    while (size < items) {
        size *= 2;
    }
    return size;
}

static void sum_children(ech_weight_tree *tree, uint32_t at)
{
    tree->sums[at] = tree->sums[2 * at] + tree->sums[2 * at + 1];
}

void ech_weight_tree_build(ech_weight_tree *tree)
{
    for (uint32_t at = tree->size - 1; at > 0; at--) {
        sum_children(tree, at);
    }
}

void ech_weight_tree_clear(ech_weight_tree *tree, uint32_t item)
{
    tree->sums[tree->size + item] = 0.0;
    for (uint32_t at = (tree->size + item) / 2; at > 0; at /= 2) {
        sum_children(tree, at);
    }
}

uint32_t ech_weight_tree_draw(const ech_weight_tree *tree, double uniform)
{
    double rest = uniform * tree->sums[1];
    uint32_t at = 1;
    while (at < tree->size) {
        at *= 2;
        if (rest >= tree->sums[at] && tree->sums[at + 1] > 0.0) {
            rest -= tree->sums[at];
            at++;
        }
    }
    return at - tree->size;
}
