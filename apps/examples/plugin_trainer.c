/* A trainer of one's own: a line through points that each worker draws for itself, fitted by
 * stochastic gradients. It needs no data file and no model of Echelon's.
 *
 *     train: {plugin: build/examples/plugin_trainer.so, epochs: 5}
 */

#include "runtime/fed/plugin.h"

enum { SLOPE, OFFSET, VALUES, POINTS = 40, TEST_POINTS = 200, TEST_WORKER = 1 << 30 };

static const double learning_rate = 0.05;

/* A number from -1 to 1 that depends on its place alone (SplitMix64's mixing). */
static double draw(uint64_t worker, uint64_t point, uint64_t which)
{
    uint64_t z = ((worker * 1009 + point) * 3 + which + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0;
}

/* The error of the line at a point of y = 2 x + 1, with a little noise; @param[out] x  there. */
static double miss(const float *line, uint64_t worker, uint64_t point, double *x)
{
    *x = draw(worker, point, 0);
    const double y = 2.0 * *x + 1.0 + 0.05 * draw(worker, point, 1);
    return (double)line[SLOPE] * *x + (double)line[OFFSET] - y;
}

static const ech_plugin_tensor *tensors(void *self, uint32_t *count)
{
    static const ech_plugin_tensor all[] = {{"slope", 1, {1}}, {"offset", 1, {1}}};
    (void)self;
    *count = VALUES;
    return all;
}

static uint64_t sample_count(void *self, uint64_t worker)
{
    (void)self;
    return POINTS + worker % 3;
}

static bool train(void *self, const ech_plugin_training *training, const float *global,
                  float *update, ech_plugin_trained *trained, char reason[ECH_PLUGIN_REASON_BYTES])
{
    const uint64_t points = sample_count(self, training->worker);
    (void)reason;
    update[SLOPE] = global[SLOPE];
    update[OFFSET] = global[OFFSET];
    for (uint32_t epoch = 0; epoch < training->epochs; epoch++) {
        trained->loss = 0.0;
        for (uint64_t point = 0; point < points; point++) {
            double x = 0.0;
            const double error = miss(update, training->worker, point, &x);
            update[SLOPE] -= (float)(learning_rate * error * x);
            update[OFFSET] -= (float)(learning_rate * error);
            trained->loss += error * error / (double)points;
        }
        training->yield(training->yield_user);
    }
    trained->steps = training->epochs * points;
    return true;
}

static uint64_t test_count(void *self)
{
    (void)self;
    return TEST_POINTS;
}

static uint64_t evaluate(void *self, const float *values, uint64_t first, uint64_t count,
                         double *losses)
{
    uint64_t correct = 0;
    (void)self;
    for (uint64_t i = 0; i < count; i++) {
        double x = 0.0;
        const double error = miss(values, TEST_WORKER, first + i, &x);
        losses[i] = error * error;
        correct += losses[i] < 0.01 ? 1 : 0;
    }
    return correct;
}

static const ech_plugin_trainer trainer = {
    .name = "line",
    .tensors = tensors,
    .sample_count = sample_count,
    .train = train,
    .test_count = test_count,
    .evaluate = evaluate,
};

ECH_PLUGIN_EXPORT const ech_plugin ECH_PLUGIN_SYMBOL = {.version = ECH_PLUGIN_VERSION,
                                                        .trainer = &trainer};
