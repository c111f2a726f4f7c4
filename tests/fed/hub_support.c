#include "tests/fed/hub_support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/fed/exact_support.h"

static void make_tree(ech_test_hub *test)
{
    static const char text[] = "top: {kind: leader, children: [a]}\n"
                               "a: {kind: aggregator, site: boulder, children: [x, y]}\n"
                               "x: {kind: worker}\n"
                               "y: {kind: worker}\n";
    ech_yaml *document = NULL;
    cr_assert_eq(ech_yaml_load_text(text, strlen(text), "tree", &document), ECH_OK);
    cr_assert_eq(ech_topology_from_yaml(&document, &test->topology), ECH_OK);
    cr_assert_eq(ech_site_list_create(test->topology, ech_compression_of(0, 0), &test->list),
                 ECH_OK);
}

static void make_key(const ech_test_hub *test, const char *name, ech_private_key *key)
{
    ech_public_key made;
    char path[ECH_TEST_PATH_BYTES + 16];
    cr_assert_eq(ech_key_generate(name, test->folder, &made), ECH_OK);
    snprintf(path, sizeof path, "%s/%s.key", test->folder, name);
    cr_assert_eq(ech_private_key_read(path, key), ECH_OK);
}

static void make_hub(ech_test_hub *test)
{
    const ech_hub_options options = {
        .listener = {.endpoint = "tcp://127.0.0.1:*",
                     .key = &test->leader_key,
                     .admitted = &test->site_key.public_key,
                     .admitted_count = 1},
        .sites = test->list,
        .layout = test->strategy->layout,
        .config = {1, 2},
        .model = {3, 4},
        .engines = "lanes",
        .wait_seconds = 20,
    };
    cr_assert_eq(ech_hub_create(&options, &test->hub), ECH_OK, "%s", ech_status_message());
}

void ech_test_hub_start(ech_test_hub *test, ech_layout *layout)
{
    const ech_strategy_options options = ech_strategy_defaults("fedavg");
    ech_random stream = ech_random_stream(71, ECH_RANDOM_TEST, 0, 0, 0);
    *test = (ech_test_hub){.layout = layout};
    ech_test_make_directory(test->folder);
    make_tree(test);
    make_key(test, "leader", &test->leader_key);
    make_key(test, "boulder", &test->site_key);
    cr_assert_eq(ech_strategy_create("fedavg", &options, layout, &test->strategy), ECH_OK);
    test->model = ech_test_state(layout, 1.0, &stream);
    make_hub(test);
}

void ech_test_hub_stop(ech_test_hub *test)
{
    ech_hub_destroy(&test->hub);
    ech_strategy_destroy(&test->strategy);
    ech_site_list_destroy(&test->list);
    ech_topology_destroy(&test->topology);
    ech_test_state_free(&test->model);
    ech_layout_destroy(&test->layout);
    ech_test_remove_directory(test->folder);
}

void ech_test_hub_begin(const ech_test_hub *test)
{
    static const ech_participant participants[ECH_TEST_HUB_WORKERS] = {
        {.worker = 0, .samples = ECH_TEST_HUB_SAMPLES},
        {.worker = 1, .samples = ECH_TEST_HUB_SAMPLES}};
    const ech_hub_round round = {.round = ECH_TEST_HUB_ROUND,
                                 .weight_bound = ECH_TEST_HUB_BOUND,
                                 .epochs = 1,
                                 .model = ech_test_view(test->model),
                                 .strategy = test->strategy};
    cr_assert_eq(ech_hub_begin(test->hub, &round, participants, ECH_TEST_HUB_WORKERS), ECH_OK);
}

ech_dialer *ech_test_dialer(const ech_test_hub *test, const char *endpoint)
{
    const ech_dialer_options options = {
        .endpoint = endpoint, .key = test->site_key, .leader = test->leader_key.public_key};
    ech_dialer *dialer = NULL;
    cr_assert_eq(ech_dialer_create(&options, &dialer), ECH_OK);
    return dialer;
}

ech_status ech_test_send(ech_dialer *dialer, const ech_wire_frame *frame)
{
    ech_message *message = NULL;
    cr_assert_eq(ech_message_of(frame, &message), ECH_OK);
    const ech_status status = ech_dialer_send(dialer, message);
    ech_message_release(&message);
    return status;
}

void ech_test_join(ech_dialer *dialer, const char *name, uint32_t first_worker)
{
    uint8_t payload[1024];
    ech_wire_join join = {.config = {1, 2},
                          .model = {3, 4},
                          .engines = "lanes",
                          .worker_count = ECH_TEST_HUB_WORKERS};
    const ech_wire_worker workers[ECH_TEST_HUB_WORKERS] = {
        {first_worker, ECH_TEST_HUB_SAMPLES}, {first_worker + 1, ECH_TEST_HUB_SAMPLES}};
    snprintf(join.name, sizeof join.name, "%s", name);
    cr_assert_eq(ech_dialer_open(dialer), ECH_OK);
    const ech_wire_frame frame = {.type = ECH_WIRE_JOIN,
                                  .argument = ECH_WIRE_WINDOW,
                                  .payload = payload,
                                  .payload_bytes =
                                      (uint32_t)ech_wire_put_join(&join, workers, payload)};
    cr_assert_eq(ech_test_send(dialer, &frame), ECH_OK, "%s", ech_status_message());
}
