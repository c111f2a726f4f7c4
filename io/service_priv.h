/**
 * @file service_priv.h
 * What the rest of `io` needs to know of the service.
 */
#ifndef ECH_IO_SERVICE_PRIV_H
#define ECH_IO_SERVICE_PRIV_H

#include <stdint.h>

#include "io/service.h"

/** The program that reads files of others; borrowed. */
const char *ech_io_reader_program(const ech_io *io);

uint64_t ech_io_reader_timeout_ns(const ech_io *io);

#endif
