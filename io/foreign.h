/**
 * @file foreign.h
 * Reading HDF5 files that Echelon did not write: in a child process, with a time limit.
 *
 * A corrupt file can crash HDF5 or hang it (DESIGN, facts). Files of Echelon carry a digest that is
 * checked first; any other file is opened by a child that answers requests over a socket: which
 * arrays are there, and their elements, piece by piece. A child that dies or is silent for 30 s
 * makes the file bad, not the run. It is started by posix_spawn, never by a plain fork, so that a
 * process that talks through MPI may start it; it ends with its parent.
 */
#ifndef ECH_IO_FOREIGN_H
#define ECH_IO_FOREIGN_H

/** First argument that makes `echelon` be the child. */
#define ECH_FOREIGN_COMMAND "__read-hdf5"

/**
 * The child's main function: `PROGRAM __read-hdf5 FILE`, requests on descriptor 3. Every program
 * that uses ech_io calls it first when argv[1] is ECH_FOREIGN_COMMAND.
 *
 * @return the process' exit code.
 */
int ech_foreign_main(int argc, char **argv);

#endif
