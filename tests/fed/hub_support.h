/**
 * @file hub_support.h
 * A leader's hub with one site "boulder" of two workers, 0 and 1, and that site's end of the wire,
 * for suites. Failures end the calling test.
 */
#ifndef ECH_TESTS_FED_HUB_SUPPORT_H
#define ECH_TESTS_FED_HUB_SUPPORT_H

#include "runtime/fed/site/dialer.h"
#include "runtime/fed/site/hub.h"
#include "tests/support.h"

enum {
    ECH_TEST_HUB_WORKERS = 2,
    ECH_TEST_HUB_SAMPLES = 5, /* of each */
    ECH_TEST_HUB_BOUND = 100,
    ECH_TEST_HUB_ROUND = 3,
};

typedef struct {
    char folder[ECH_TEST_PATH_BYTES];
    ech_topology *topology;
    ech_site_list *list;
    ech_layout *layout;
    ech_strategy *strategy;
    ech_private_key leader_key, site_key;
    ech_state model;
    ech_hub *hub; /* listens on 127.0.0.1 */
} ech_test_hub;

/** @param layout  destroyed by stop. */
void ech_test_hub_start(ech_test_hub *test, ech_layout *layout);
void ech_test_hub_stop(ech_test_hub *test);

/** Begin round ECH_TEST_HUB_ROUND of both workers. */
void ech_test_hub_begin(const ech_test_hub *test);

/** The site's end, not open yet. @param endpoint  of the hub. */
ech_dialer *ech_test_dialer(const ech_test_hub *test, const char *endpoint);

/** Send a frame, with a copy of its payload. */
ech_status ech_test_send(ech_dialer *dialer, const ech_wire_frame *frame);

/** Open a connection and join as a site of this name and two workers from this number on. */
void ech_test_join(ech_dialer *dialer, const char *name, uint32_t first_worker);

#endif
