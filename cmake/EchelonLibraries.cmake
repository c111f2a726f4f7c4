# Libraries, each as one imported target. Required: MPICH, HDF5, OpenBLAS, hwloc, libyaml,
# Random123, xxHash, zlib; Criterion for the tests. The rest adds features and is looked for.

include(EchelonTaskLibraries)
find_package(ZLIB REQUIRED)
find_package(OpenMP COMPONENTS C)

ech_pkg(OPENBLAS openblas REQUIRED)
ech_pkg(HIREDIS hiredis)
ech_pkg(ZMQ libzmq)
ech_pkg(ZSTD libzstd)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)

# HDF5: built against the same MPI where there is such a build (Debian: hdf5-mpich), else the serial one.
if(NOT TARGET HDF5::HDF5)
  pkg_check_modules(HDF5_MPICH QUIET IMPORTED_TARGET hdf5-mpich)
  if(HDF5_MPICH_FOUND)
    add_library(ech_hdf5 ALIAS PkgConfig::HDF5_MPICH)
  else()
    find_package(HDF5 REQUIRED COMPONENTS C)
    add_library(ech_hdf5_found INTERFACE)
    target_include_directories(ech_hdf5_found INTERFACE ${HDF5_C_INCLUDE_DIRS})
    target_link_libraries(ech_hdf5_found INTERFACE ${HDF5_C_LIBRARIES})
    add_library(ech_hdf5 ALIAS ech_hdf5_found)
  endif()
endif()

# libxsmm: a static library whose own products fall back to a BLAS. Its pkg-config file names no
# BLAS, so it is looked for by hand. x86 only.
find_path(LIBXSMM_INCLUDE_DIR libxsmm.h)
find_library(LIBXSMM_LIBRARY xsmm)
if(LIBXSMM_INCLUDE_DIR AND LIBXSMM_LIBRARY AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_library(ech_xsmm INTERFACE)
  target_include_directories(ech_xsmm SYSTEM INTERFACE ${LIBXSMM_INCLUDE_DIR})
  target_link_libraries(ech_xsmm INTERFACE
    ${LIBXSMM_LIBRARY} PkgConfig::OPENBLAS Threads::Threads ${CMAKE_DL_LIBS} rt m)
endif()
