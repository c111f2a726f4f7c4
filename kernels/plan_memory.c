#include <stdlib.h>

#include "kernels/plan_priv.h"
#include "runtime/base/memory.h"

/*
 * Values, their gradients and saved data share one block of memory. Time runs over the forward
 * steps, the loss, and the backward steps; each buffer lives from its first writer to its last
 * reader, and buffers whose lives do not meet may share bytes.
 */
typedef struct {
    size_t bytes;
    uint32_t born, dies; /* inclusive */
    size_t *offset;      /* where the place goes */
    size_t place;
} buffer;

typedef struct {
    buffer *items;
    size_t count;
} buffer_list;

enum { ALIGNMENT = 64, VALUES_A_LINE = 16 };

static size_t round_up(size_t bytes, size_t multiple)
{
    return (bytes + multiple - 1) / multiple * multiple;
}

static uint32_t loss_time(const ech_plan *plan)
{
    return plan->step_count;
}

static uint32_t backward_time(const ech_plan *plan, uint32_t step)
{
    return 2 * plan->step_count - step;
}

static void extend(buffer *item, uint32_t time)
{
    item->born = time < item->born ? time : item->born;
    item->dies = time > item->dies ? time : item->dies;
}

static size_t slot_bytes(const ech_plan *plan, const ech_slot *slot)
{
    const ech_shape shape = ech_network_shape(plan->network, slot->value);
    return ech_format_count(slot->format, shape, plan->target.batch) * ech_plan_element_bytes(plan);
}

static buffer new_buffer(size_t bytes, size_t *offset)
{
    return (buffer){.bytes = round_up(bytes, ALIGNMENT), .born = UINT32_MAX, .offset = offset};
}

/* When a slot's value is written and read. */
static buffer value_buffer(const ech_plan *plan, uint32_t slot, size_t *offset)
{
    buffer item = new_buffer(slot_bytes(plan, &plan->slots[slot]), offset);
    if (slot == plan->input_slot) {
        extend(&item, 0);
    }
    if (slot == plan->logits_slot) {
        extend(&item, loss_time(plan));
        extend(&item, backward_time(plan, 0)); /* readable until the next forward pass */
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_plan_step *planned = &plan->steps[i];
        for (uint32_t k = 0; k < planned->step.input_count; k++) {
            if (planned->inputs[k] == slot) {
                extend(&item, i);
                if (plan->target.training && planned->step.backward_reads_input[k]) {
                    extend(&item, backward_time(plan, i));
                }
            }
        }
        if (planned->output == slot) {
            extend(&item, i);
            if (plan->target.training && planned->step.backward_reads_output) {
                extend(&item, backward_time(plan, i));
            }
        }
    }
    return item;
}

static buffer gradient_buffer(const ech_plan *plan, uint32_t slot, size_t *offset)
{
    buffer item = new_buffer(slot_bytes(plan, &plan->slots[slot]), offset);
    if (slot == plan->logits_slot) {
        extend(&item, loss_time(plan));
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const ech_plan_step *planned = &plan->steps[i];
        bool touches = planned->output == slot;
        for (uint32_t k = 0; k < planned->step.input_count; k++) {
            touches = touches || planned->inputs[k] == slot;
        }
        if (touches) {
            extend(&item, backward_time(plan, i));
        }
    }
    return item;
}

static void list_buffers(ech_plan *plan, buffer_list *list)
{
    for (uint32_t s = 0; s < plan->slot_count; s++) {
        list->items[list->count++] = value_buffer(plan, s, &plan->slots[s].offset);
        if (plan->slots[s].needs_gradient) {
            list->items[list->count++] = gradient_buffer(plan, s, &plan->slots[s].gradient_offset);
        }
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].step.saved_bytes > 0) {
            buffer item = new_buffer(plan->steps[i].step.saved_bytes, &plan->steps[i].saved_offset);
            extend(&item, i);
            extend(&item, backward_time(plan, i));
            list->items[list->count++] = item;
        }
    }
    for (size_t i = 0; plan->options.keep_values && i < list->count; i++) {
        list->items[i].born = 0;
        list->items[i].dies = UINT32_MAX;
    }
}

static int larger_first(const void *left, const void *right)
{
    const buffer *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    return a->born < b->born ? -1 : a->born > b->born;
}

static bool meet(const buffer *a, const buffer *b)
{
    return a->born <= b->dies && b->born <= a->dies;
}

/* The lowest place at or after `from` where `item` collides with no buffer placed before it; the
 * answer only grows, so repeat until nothing moves it. */
static size_t lowest_place(const buffer_list *list, size_t item)
{
    const buffer *wanted = &list->items[item];
    size_t place = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < item; i++) {
            const buffer *other = &list->items[i];
            if (meet(wanted, other) && place < other->place + other->bytes &&
                other->place < place + wanted->bytes) {
                place = other->place + other->bytes;
                moved = true;
            }
        }
    }
    return place;
}

/* Largest first, each at the lowest free place. */
static size_t place_buffers(buffer_list *list)
{
    size_t total = 0;
    qsort(list->items, list->count, sizeof *list->items, larger_first);
    for (size_t i = 0; i < list->count; i++) {
        buffer *item = &list->items[i];
        item->place = lowest_place(list, i);
        *item->offset = item->place;
        total = item->place + item->bytes > total ? item->place + item->bytes : total;
    }
    return total;
}

static ech_status place_values(ech_plan *plan)
{
    buffer_list list = {
        .items = ech_calloc((size_t)2 * plan->slot_count + plan->step_count, sizeof *list.items)};
    if (list.items == NULL) {
        return ECH_ERR_MEMORY;
    }
    list_buffers(plan, &list);
    plan->scratch_offset = place_buffers(&list);
    size_t scratch = 0;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const size_t wanted = plan->steps[i].step.scratch_bytes;
        scratch = wanted > scratch ? wanted : scratch;
    }
    plan->memory_bytes = plan->scratch_offset + round_up(scratch, ALIGNMENT);
    ech_free(list.items);
    return ECH_OK;
}

/* Where each trained tensor and each norm's statistics go in their arenas. */
static void place_parameters(ech_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        ech_step *step = &plan->steps[i].step;
        for (uint32_t t = 0; t < step->tensor_count; t++) {
            step->tensors[t].offset = plan->parameter_count;
            plan->parameter_count += round_up(step->tensors[t].stored_count, VALUES_A_LINE);
        }
        for (uint32_t l = 0; l < step->layer_count; l++) {
            if (ech_step_layer(step, l)->kind == ECH_LAYER_BATCH_NORM) {
                step->statistics_offset[l] = plan->statistic_count;
                plan->statistic_count += 2 * (uint64_t)ech_step_layer(step, l)->in.channels;
            }
        }
    }
}

static void *new_array(uint64_t count, size_t bytes)
{
    void *array = ech_calloc(count, bytes);
    if (array != NULL) {
        ech_memory_populate(array, count * bytes);
    }
    return array;
}

ech_status ech_plan_place(ech_plan *plan)
{
    place_parameters(plan);
    const ech_status status = place_values(plan);
    if (status != ECH_OK) {
        return status;
    }
    const size_t bytes = ech_plan_element_bytes(plan);
    plan->parameters = new_array(plan->parameter_count, bytes);
    plan->gradients = new_array(plan->target.training ? plan->parameter_count : 0, bytes);
    plan->statistics = new_array(plan->statistic_count, bytes);
    plan->counters = new_array(plan->network->layout->counter_count, sizeof *plan->counters);
    plan->memory = new_array(plan->memory_bytes, 1);
    const bool complete = plan->parameters != NULL && plan->gradients != NULL &&
                          plan->statistics != NULL && plan->counters != NULL &&
                          plan->memory != NULL;
    return complete ? ECH_OK : ECH_ERR_MEMORY;
}
