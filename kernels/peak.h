/**
 * @file peak.h
 * The processor's own speed, to print beside every other. Not collective.
 */
#ifndef ECH_KERNELS_PEAK_H
#define ECH_KERNELS_PEAK_H

#include "kernels/cpu.h"

/** Float32 GFLOP/s of multiply-adds in registers on one thread: the best of ten short runs, about
 *  0.1 s in all. */
double ech_peak_gflops(ech_isa isa);

#endif
