# Libraries, each as one imported target. Required: MPICH, HDF5, OpenBLAS, hwloc, libyaml,
# Random123, xxHash, zlib; Criterion for the tests. The rest adds features and is looked for.

include(EchelonTaskLibraries)
include(EchelonStoreLibraries)
find_package(OpenMP COMPONENTS C)

ech_pkg(OPENBLAS openblas REQUIRED)
ech_pkg(HIREDIS hiredis)
ech_pkg(OPENSSL openssl>=1.1.1)
ech_pkg(ZMQ libzmq)
ech_pkg(ZSTD libzstd)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)

# libxsmm: a static library whose own products fall back to a BLAS. Its pkg-config file names no
# BLAS, so it is looked for by hand. x86 only.
find_path(LIBXSMM_INCLUDE_DIR libxsmm.h)
find_library(LIBXSMM_LIBRARY xsmm)
if(ECH_USE_LIBXSMM AND LIBXSMM_INCLUDE_DIR AND LIBXSMM_LIBRARY AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_library(ech_xsmm INTERFACE)
  target_include_directories(ech_xsmm SYSTEM INTERFACE ${LIBXSMM_INCLUDE_DIR})
  target_link_libraries(ech_xsmm INTERFACE
    ${LIBXSMM_LIBRARY} PkgConfig::OPENBLAS Threads::Threads ${CMAKE_DL_LIBS} rt m)
endif()
