#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/plugin_library.h"

static const double loss_scale = 0x1p24;
static const double loss_most = 0x1p38; /* of a sample, scaled */

struct ech_plugin_adapter {
    const ech_plugin_trainer *own;
    void *self; /* the plug-in's */
    ech_layout *layout;
    ech_trainer interface;
};

static const ech_layout *get_layout(void *self)
{
    const ech_plugin_adapter *adapter = self;
    return adapter->layout;
}

static ech_status initialise(void *self, uint64_t seed, ech_state state)
{
    const ech_plugin_adapter *adapter = self;
    memset(state.values, 0, adapter->layout->value_count * sizeof *state.values);
    if (adapter->own->initialise != NULL) {
        adapter->own->initialise(adapter->self, seed, state.values);
    }
    return ECH_OK;
}

static uint64_t count_samples(void *self, uint64_t worker)
{
    const ech_plugin_adapter *adapter = self;
    return adapter->own->sample_count(adapter->self, worker);
}

static void keep_quiet(void *user)
{
    (void)user;
}

static ech_status train(void *self, const ech_train_request *request, ech_state_view global,
                        ech_state update, ech_train_result *result)
{
    const ech_plugin_adapter *adapter = self;
    const ech_plugin_training training = {
        .seed = request->seed,
        .round = request->round,
        .worker = request->worker,
        .epochs = request->epochs,
        .proximal = request->proximal,
        .gradient_term = request->gradient_term,
        .correction = request->correction,
        .yield = request->yield != NULL ? request->yield : keep_quiet,
        .yield_user = request->yield_user,
    };
    ech_plugin_trained trained = {0};
    char reason[ECH_PLUGIN_REASON_BYTES] = "no reason given";
    const bool ended = adapter->own->train(adapter->self, &training, global.values, update.values,
                                           &trained, reason);
    *result = (ech_train_result){
        .samples = adapter->own->sample_count(adapter->self, request->worker),
        .steps = trained.steps,
        .loss = trained.loss,
        .accuracy = trained.accuracy,
        .learning_rate_sum = trained.learning_rate_sum,
        .gradient_weight = trained.gradient_weight,
    };
    reason[sizeof reason - 1] = '\0';
    return ended ? ECH_OK
                 : ech_fail(ECH_ERR_NUMERIC, "the plug-in '%s' gave up: %s", adapter->own->name,
                            reason);
}

static uint64_t count_test(void *self)
{
    const ech_plugin_adapter *adapter = self;
    return adapter->own->test_count != NULL ? adapter->own->test_count(adapter->self) : 0;
}

static ech_status evaluate(void *self, ech_state_view state, uint64_t first, uint64_t count,
                           ech_evaluation *result)
{
    const ech_plugin_adapter *adapter = self;
    double *losses = ech_calloc(count, sizeof *losses);
    if (losses == NULL) {
        return ECH_ERR_MEMORY;
    }
    *result = (ech_evaluation){.samples = count};
    result->correct = adapter->own->evaluate(adapter->self, state.values, first, count, losses);
    for (uint64_t i = 0; i < count; i++) {
        const double scaled = losses[i] * loss_scale;
        result->loss_fixed += llrint(fmax(-loss_most, fmin(scaled, loss_most)));
    }
    ech_free(losses);
    return ECH_OK;
}

static ech_status create_layout(ech_plugin_adapter *adapter)
{
    uint32_t count = 0;
    const ech_plugin_tensor *tensors = adapter->own->tensors(adapter->self, &count);
    ech_status status = ech_layout_create(&adapter->layout);
    for (uint32_t t = 0; t < count && status == ECH_OK; t++) {
        status = ech_layout_add(adapter->layout, tensors[t].name, ECH_TENSOR_PARAMETER,
                                tensors[t].dimension_count, tensors[t].shape);
    }
    if (status == ECH_ERR_ARGUMENT || (status == ECH_OK && count == 0)) {
        char reason[ECH_PLUGIN_REASON_BYTES];
        snprintf(reason, sizeof reason, "%s", count == 0 ? "there are none" : ech_status_message());
        return ech_fail(ECH_ERR_CONFIG, "the tensors of the plug-in '%s': %s", adapter->own->name,
                        reason);
    }
    return status;
}

ech_status ech_plugin_adapter_create(const ech_plugin_library *library, ech_plugin_adapter **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->own = ech_plugin_library_content(library)->trainer;
    (*out)->self = ech_plugin_library_self(library);
    (*out)->interface = (ech_trainer){
        .self = *out,
        .layout = get_layout,
        .initialise = initialise,
        .sample_count = count_samples,
        .train = train,
        .test_count = count_test,
        .evaluate = evaluate,
    };
    const ech_status status = create_layout(*out);
    if (status != ECH_OK) {
        ech_plugin_adapter_destroy(out);
    }
    return status;
}

void ech_plugin_adapter_destroy(ech_plugin_adapter **adapter)
{
    if (adapter != NULL && *adapter != NULL) {
        ech_layout_destroy(&(*adapter)->layout);
        ech_free(*adapter);
        *adapter = NULL;
    }
}

const ech_trainer *ech_plugin_adapter_interface(const ech_plugin_adapter *adapter)
{
    return &adapter->interface;
}
