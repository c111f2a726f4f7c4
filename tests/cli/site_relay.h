/**
 * @file site_relay.h
 * A relay of TCP connections between sites and their leader, as a process of its own: it keeps what
 * passes, forwards so many bytes a second, and breaks connections when told to.
 */
#ifndef ECH_TESTS_CLI_SITE_RELAY_H
#define ECH_TESTS_CLI_SITE_RELAY_H

#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int port;                  /* it listens on */
    int leader_port;           /* it connects to */
    const char *capture;       /* file of all bytes, both ways */
    uint64_t bytes_per_second; /* of each direction of a connection; 0: any number */
} site_relay_options;

/** Start it, listening when this returns. Ends the test on failure. */
pid_t site_relay_start(const site_relay_options *options);
/** Break every connection that there is; later ones are taken again. */
void site_relay_cut(pid_t relay);
void site_relay_stop(pid_t relay);

#endif
