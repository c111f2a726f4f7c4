#include "kernels/update.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels/update_kernels.h"
#include "runtime/base/memory.h"

/* Elements that one thread takes at a time; a multiple of 16. */
enum { CHUNK = 16384 };

static const double clip_epsilon = 1e-6; /* PyTorch's clip_grad_norm_ */
static const double pi = 0x1.921fb54442d18p+1;

struct ech_updater {
    ech_plan *plan;
    ech_plan_arena arena;
    const ech_update_kernels *kernels;
    uint32_t threads;
    uint64_t chunks;
    ech_optimizer optimizer;
    uint64_t steps;
    double buffer_weight;   /* of the gradients in the momentum buffer, in steps of the base rate */
    double gradient_weight; /* of those in the parameters */
    bool has_correction, has_gradient_term;
    float *first, *second;     /* momentum; Adam's two moments */
    float *start, *correction; /* proximal term, SCAFFOLD's */
    float *gradient_term;      /* FedDyn's */
    double *squares;           /* a chunk */
};

extern const ech_update_kernels ech_update_kernels_portable;
#if defined(__x86_64__)
extern const ech_update_kernels ech_update_kernels_avx2;
extern const ech_update_kernels ech_update_kernels_avx512;
#endif

const ech_update_kernels *ech_update_kernels_for(ech_isa isa)
{
#if defined(__x86_64__)
    if (isa == ECH_ISA_AVX512) {
        return &ech_update_kernels_avx512;
    }
    if (isa == ECH_ISA_AVX2) {
        return &ech_update_kernels_avx2;
    }
#endif
    (void)isa;
    return &ech_update_kernels_portable;
}

ech_status ech_updater_create(ech_plan *plan, uint32_t threads, ech_updater **out)
{
    ech_updater *updater = ech_calloc(1, sizeof *updater);
    *out = updater;
    if (updater == NULL) {
        return ECH_ERR_MEMORY;
    }
    updater->plan = plan;
    updater->arena = ech_plan_parameters(plan);
    updater->kernels = ech_update_kernels_for(ech_plan_isa(plan));
    updater->threads = threads == 0 ? 1 : threads;
    updater->chunks = (updater->arena.count + CHUNK - 1) / CHUNK;
    updater->squares = ech_calloc(updater->chunks, sizeof *updater->squares);
    if (updater->squares == NULL) {
        ech_updater_destroy(out);
        return ECH_ERR_MEMORY;
    }
    return ECH_OK;
}

void ech_updater_destroy(ech_updater **updater)
{
    if (updater == NULL || *updater == NULL) {
        return;
    }
    ech_free((*updater)->first);
    ech_free((*updater)->second);
    ech_free((*updater)->start);
    ech_free((*updater)->correction);
    ech_free((*updater)->gradient_term);
    ech_free((*updater)->squares);
    ech_free(*updater);
    *updater = NULL;
}

/* Make an array of the arena's size when it is first needed; it stays for later calls. */
static ech_status need(const ech_updater *updater, float **array)
{
    if (*array == NULL) {
        *array = ech_calloc(updater->arena.count, sizeof **array);
        if (*array != NULL) {
            ech_memory_populate(*array, updater->arena.count * sizeof **array);
        }
    }
    return *array != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status need_all(ech_updater *updater, const ech_optimizer *optimizer,
                           bool has_correction, bool has_gradient_term)
{
    const bool is_adam = optimizer->kind == ECH_OPTIMIZER_ADAM;
    ech_status status = ECH_OK;
    if (is_adam || optimizer->momentum != 0.0) {
        status = need(updater, &updater->first);
    }
    if (status == ECH_OK && is_adam) {
        status = need(updater, &updater->second);
    }
    if (status == ECH_OK && optimizer->proximal != 0.0) {
        status = need(updater, &updater->start);
    }
    if (status == ECH_OK && has_correction) {
        status = need(updater, &updater->correction);
    }
    if (status == ECH_OK && has_gradient_term) {
        status = need(updater, &updater->gradient_term);
    }
    return status;
}

uint64_t ech_updater_bytes(const ech_updater *updater, const ech_optimizer *optimizer)
{
    const bool is_adam = optimizer->kind == ECH_OPTIMIZER_ADAM;
    uint64_t arrays = is_adam || optimizer->momentum != 0.0 ? 1 : 0;
    arrays += is_adam ? 1 : 0;
    arrays += optimizer->proximal != 0.0 ? 1 : 0;
    return arrays * updater->arena.count * sizeof(float);
}

static void clear(float *array, uint64_t count)
{
    if (array != NULL) {
        memset(array, 0, count * sizeof *array);
    }
}

ech_status ech_updater_begin(ech_updater *updater, const ech_optimizer *optimizer,
                             const float *correction, const float *gradient_term)
{
    const ech_status status =
        need_all(updater, optimizer, correction != NULL, gradient_term != NULL);
    if (status != ECH_OK) {
        return status;
    }
    updater->optimizer = *optimizer;
    updater->steps = 0;
    updater->buffer_weight = 0.0;
    updater->gradient_weight = 0.0;
    updater->has_correction = correction != NULL;
    updater->has_gradient_term = gradient_term != NULL;
    clear(updater->first, updater->arena.count);
    clear(updater->second, updater->arena.count);
    if (optimizer->proximal != 0.0) {
        memcpy(updater->start, updater->arena.parameters,
               updater->arena.count * sizeof *updater->start);
    }
    if (correction != NULL) {
        ech_plan_arrange(updater->plan, correction, updater->correction);
    }
    if (gradient_term != NULL) {
        ech_plan_arrange(updater->plan, gradient_term, updater->gradient_term);
    }
    return ECH_OK;
}

static uint64_t chunk_count(const ech_updater *updater, uint64_t chunk)
{
    const uint64_t left = updater->arena.count - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

/* What the rule of the federation adds to the objective: its gradient. */
static void add_terms(const ech_updater *updater)
{
    const float proximal = (float)updater->optimizer.proximal;
#pragma omp parallel for num_threads(updater->threads) if (updater->threads > 1)
    for (uint64_t c = 0; c < updater->chunks; c++) {
        const uint64_t first = c * CHUNK;
        float *gradients = (float *)updater->arena.gradients + first;
        if (proximal != 0.0F) {
            updater->kernels->add_scaled(gradients,
                                         (const float *)updater->arena.parameters + first,
                                         updater->start + first, proximal, chunk_count(updater, c));
        }
        if (updater->has_gradient_term) {
            updater->kernels->add_scaled(gradients, updater->gradient_term + first, NULL, 1.0F,
                                         chunk_count(updater, c));
        }
    }
}

/* The gradient of this step enters the buffer with weight 1, and the buffer the parameters. */
static void count_gradients(ech_updater *updater, double learning_rate)
{
    const ech_optimizer *o = &updater->optimizer;
    const double momentum = o->kind == ECH_OPTIMIZER_SGD ? o->momentum : 0.0;
    updater->buffer_weight = momentum * updater->buffer_weight + 1.0;
    const double weight =
        o->nesterov ? 1.0 + momentum * updater->buffer_weight : updater->buffer_weight;
    updater->gradient_weight += weight * (learning_rate / o->lr);
}

double ech_updater_gradient_weight(const ech_updater *updater)
{
    return updater->gradient_weight;
}

/* What the gradient is multiplied by so that its norm stays within the limit. */
static double clip_scale(const ech_updater *updater)
{
    if (updater->optimizer.clip_norm == 0.0) {
        return 1.0;
    }
    double sum = 0.0;
#pragma omp parallel for num_threads(updater->threads) if (updater->threads > 1)
    for (uint64_t c = 0; c < updater->chunks; c++) {
        updater->squares[c] = updater->kernels->square_sum(
            (const float *)updater->arena.gradients + c * CHUNK, chunk_count(updater, c));
    }
    for (uint64_t c = 0; c < updater->chunks; c++) {
        sum += updater->squares[c];
    }
    return fmin(1.0, updater->optimizer.clip_norm / (sqrt(sum) + clip_epsilon));
}

/* base^n, by squaring: the same bits on every machine, unlike pow. */
static double power(double base, uint64_t n)
{
    double product = 1.0;
    for (double square = base; n > 0; n /= 2, square *= square) {
        product *= n % 2 == 1 ? square : 1.0;
    }
    return product;
}

static void step_adam(const ech_updater *updater, const ech_update_arrays *arrays, uint64_t first)
{
    const ech_optimizer *o = &updater->optimizer;
    const double step_size = (double)arrays->rate / (1.0 - power(o->beta1, updater->steps));
    updater->kernels->adam(arrays, updater->first + first, updater->second + first, (float)o->beta1,
                           (float)o->beta2, (float)o->epsilon, (float)step_size,
                           (float)sqrt(1.0 - power(o->beta2, updater->steps)));
}

static void step_chunk(const ech_updater *updater, uint64_t chunk, double rate, double scale)
{
    const ech_optimizer *o = &updater->optimizer;
    const uint64_t first = chunk * CHUNK;
    const ech_update_arrays arrays = {
        .parameters = (float *)updater->arena.parameters + first,
        .gradients = (const float *)updater->arena.gradients + first,
        .count = chunk_count(updater, chunk),
        .rate = (float)rate,
        .weight_decay = (float)o->weight_decay,
        .scale = (float)scale,
    };
    if (o->kind == ECH_OPTIMIZER_ADAM) {
        step_adam(updater, &arrays, first);
    } else if (o->momentum == 0.0) {
        updater->kernels->sgd(&arrays);
    } else if (o->nesterov) {
        updater->kernels->nesterov(&arrays, updater->first + first, (float)o->momentum);
    } else {
        updater->kernels->momentum(&arrays, updater->first + first, (float)o->momentum);
    }
    if (updater->has_correction) {
        updater->kernels->add_scaled(arrays.parameters, updater->correction + first, NULL,
                                     (float)-rate, arrays.count);
    }
}

void ech_updater_step(ech_updater *updater, double learning_rate)
{
    updater->steps++;
    count_gradients(updater, learning_rate);
    if (updater->optimizer.proximal != 0.0 || updater->has_gradient_term) {
        add_terms(updater);
    }
    const double scale = clip_scale(updater);
#pragma omp parallel for num_threads(updater->threads) if (updater->threads > 1)
    for (uint64_t c = 0; c < updater->chunks; c++) {
        step_chunk(updater, c, learning_rate, scale);
    }
}

ech_status ech_schedule_check(const ech_schedule *schedule)
{
    if (schedule->kind == ECH_SCHEDULE_STEP && !(schedule->every > 0.0)) {
        return ech_fail(ECH_ERR_ARGUMENT, "a learning rate that steps every %g rounds",
                        schedule->every);
    }
    if (schedule->kind == ECH_SCHEDULE_COSINE && !(schedule->rounds > schedule->warm_up)) {
        return ech_fail(ECH_ERR_ARGUMENT, "a cosine of %g rounds with a warm-up of %g",
                        schedule->rounds, schedule->warm_up);
    }
    return ECH_OK;
}

/* Half a cosine wave: 1 at 0, 0 at 1 and beyond. By its series: cos differs between machines. */
static double half_wave(double at)
{
    const double angle = 0.5 * pi * fmin(at, 1.0);
    double term = 1.0, sum = 1.0;
    for (int n = 2; n <= 24; n += 2) {
        term *= -angle * angle / (double)(n * (n - 1));
        sum += term;
    }
    return sum * sum;
}

double ech_schedule_factor(const ech_schedule *schedule, uint64_t round, uint64_t step,
                           uint64_t total)
{
    assert(round > 0);
    const double begun = (double)(round - 1);
    const double position = begun + (double)step / (double)total;
    if (position < schedule->warm_up) { /* by the step's end: the first one is not lost */
        return fmin(1.0, (begun + (double)(step + 1) / (double)total) / schedule->warm_up);
    }
    const double done = position - schedule->warm_up;
    if (schedule->kind == ECH_SCHEDULE_STEP) {
        return power(schedule->factor, (uint64_t)fmin(done / schedule->every, 0x1p63));
    }
    if (schedule->kind == ECH_SCHEDULE_COSINE) {
        const double wave = half_wave(done / (schedule->rounds - schedule->warm_up));
        return schedule->end + (1.0 - schedule->end) * wave;
    }
    return 1.0;
}
