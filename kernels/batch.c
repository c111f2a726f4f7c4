#include "kernels/batch.h"

#include <math.h>
#include <string.h>

#include "kernels/lanes/kernels.h"
#include "kernels/plan_priv.h"
#include "runtime/base/memory.h"

struct ech_batch_maker {
    ech_shape shape;
    float scale[ECH_CHANNELS_MAX], shift[ECH_CHANNELS_MAX];
    const uint8_t **images; /* of the batch, padded with NULL to whole lane blocks */
    uint8_t *varied;        /* augmented copies, a batch of them */
};

static ech_status set_normalisation(ech_batch_maker *maker, const ech_normalisation *from)
{
    if (maker->shape.channels > ECH_CHANNELS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "images of %u channels: at most %d are normalised",
                        maker->shape.channels, ECH_CHANNELS_MAX);
    }
    for (uint32_t c = 0; c < maker->shape.channels; c++) {
        if (!(from->std[c] > 0.0F) || !isfinite(from->std[c]) || !isfinite(from->mean[c])) {
            return ech_fail(ECH_ERR_ARGUMENT,
                            "normalisation of channel %u: mean %g, deviation %g: "
                            "expected finite numbers, the deviation above 0",
                            c, (double)from->mean[c], (double)from->std[c]);
        }
        maker->scale[c] = (float)(1.0 / (255.0 * (double)from->std[c]));
        maker->shift[c] = (float)(-(double)from->mean[c] / (double)from->std[c]);
    }
    return ECH_OK;
}

ech_status ech_batch_maker_create(const ech_network *network,
                                  const ech_normalisation *normalisation, uint32_t batch,
                                  ech_batch_maker **out)
{
    ech_batch_maker *maker = ech_calloc(1, sizeof *maker);
    *out = maker;
    if (maker == NULL) {
        return ECH_ERR_MEMORY;
    }
    maker->shape = network->input;
    ech_status status = set_normalisation(maker, normalisation);
    if (status == ECH_OK) {
        maker->images = ech_calloc(batch + ECH_LANES, sizeof *maker->images);
        maker->varied = ech_alloc(batch * ech_shape_count(network->input));
        status = maker->images != NULL && maker->varied != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    if (status != ECH_OK) {
        ech_batch_maker_destroy(out);
    }
    return status;
}

void ech_batch_maker_destroy(ech_batch_maker **maker)
{
    if (maker == NULL || *maker == NULL) {
        return;
    }
    ech_free((void *)(*maker)->images);
    ech_free((*maker)->varied);
    ech_free(*maker);
    *maker = NULL;
}

uint64_t ech_samples_label(const ech_samples *samples, uint64_t index)
{
    uint64_t label = 0; /* little-endian, as the host: the low bytes come first */
    memcpy(&label, (const uint8_t *)samples->labels + index * samples->label_bytes,
           samples->label_bytes);
    return label;
}

/* Copy one image moved by (dy, dx) and perhaps mirrored; what comes from outside is zero. */
static void vary_image(ech_shape shape, const uint8_t *image, int64_t dy, int64_t dx, bool flip,
                       uint8_t *out)
{
    const int64_t height = shape.height, width = shape.width;
    for (uint32_t c = 0; c < shape.channels; c++) {
        for (int64_t y = 0; y < height; y++) {
            for (int64_t x = 0; x < width; x++) {
                const int64_t from_y = y + dy, from_x = (flip ? width - 1 - x : x) + dx;
                const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
                *out++ = inside ? image[(c * height + from_y) * width + from_x] : 0;
            }
        }
    }
}

/* As torchvision's RandomCrop with padding, then RandomHorizontalFlip. */
static const uint8_t *augment(ech_batch_maker *maker, const uint8_t *image, uint32_t place,
                              const ech_augmentation *how, ech_random *stream)
{
    uint8_t *out = maker->varied + place * ech_shape_count(maker->shape);
    const uint64_t range = 2 * (uint64_t)how->crop_pad + 1;
    const int64_t dy = (int64_t)ech_random_below(stream, range) - how->crop_pad;
    const int64_t dx = (int64_t)ech_random_below(stream, range) - how->crop_pad;
    const bool flip = how->flip && ech_random_below(stream, 2) == 1;
    vary_image(maker->shape, image, dy, dx, flip, out);
    return out;
}

static void gather_lanes(const ech_batch_maker *maker, const ech_plan *plan, uint32_t count,
                         float *input)
{
    const ech_lanes_kernels *kernels = ech_lanes_kernels_for(plan->target.isa);
    const uint32_t pixels = maker->shape.height * maker->shape.width;
    const uint32_t blocks = (count + ECH_LANES - 1) / ECH_LANES;
    const uint64_t block_floats = ech_shape_count(maker->shape) * ECH_LANES;
#pragma omp parallel for num_threads(plan->target.threads) if (plan->target.threads > 1)
    for (uint32_t b = 0; b < blocks; b++) {
        kernels->gather(maker->images + (size_t)b * ECH_LANES, maker->shape.channels, pixels,
                        maker->scale, maker->shift, input + b * block_floats);
    }
}

/* Plain or blocked: channels may have padding between them, rows are evenly spaced. */
static void gather_rows(const ech_batch_maker *maker, const ech_plan *plan, ech_format format,
                        uint32_t count, float *input)
{
    const ech_shape shape = maker->shape;
    const uint64_t pixels = (uint64_t)shape.height * shape.width;
    const uint64_t stride =
        format == ECH_FORMAT_PLAIN ? 1 : ech_format_channel_block(shape.channels);
    if (ech_format_count(format, shape, 1) != ech_shape_count(shape)) {
        memset(input, 0, ech_format_count(format, shape, count) * sizeof *input);
    }
#pragma omp parallel for num_threads(plan->target.threads) if (plan->target.threads > 1)
    for (uint32_t n = 0; n < count; n++) {
        for (uint32_t c = 0; c < shape.channels; c++) {
            float *to = input + ech_format_index(format, shape, n, c, 0, 0);
            const uint8_t *from = maker->images[n] + c * pixels;
            const float scale = maker->scale[c], shift = maker->shift[c];
            for (uint64_t p = 0; p < pixels; p++) {
                to[p * stride] = (float)from[p] * scale + shift;
            }
        }
    }
}

void ech_batch_make(ech_batch_maker *maker, ech_plan *plan, const ech_samples *samples,
                    const uint32_t *indices, uint64_t first, uint32_t count,
                    const ech_augmentation *augmentation, ech_random *stream)
{
    const uint64_t bytes = ech_shape_count(maker->shape);
    const bool varies = augmentation != NULL && (augmentation->crop_pad > 0 || augmentation->flip);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t sample = indices != NULL ? indices[i] : first + i;
        const uint8_t *image = samples->images + sample * bytes;
        maker->images[i] = varies ? augment(maker, image, i, augmentation, stream) : image;
    }
    for (uint32_t i = count; i % ECH_LANES != 0; i++) {
        maker->images[i] = NULL;
    }
    ech_plan_begin_batch(plan, count);
    const ech_format format = plan->slots[plan->input_slot].format;
    float *input = ech_plan_slot_data(plan, plan->input_slot);
    if (format == ECH_FORMAT_LANES) {
        gather_lanes(maker, plan, count, input);
    } else {
        gather_rows(maker, plan, format, count, input);
    }
}
