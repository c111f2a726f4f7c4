# Libraries behind Echelon::memo_store; see EchelonTaskLibraries.cmake.

find_package(ZLIB REQUIRED)

# HDF5: built against the same MPI where there is such a build (Debian: hdf5-mpich), else the serial one.
if(NOT TARGET ech_hdf5)
  add_library(ech_hdf5 INTERFACE IMPORTED)
  pkg_check_modules(HDF5_MPICH QUIET IMPORTED_TARGET hdf5-mpich)
  if(HDF5_MPICH_FOUND)
    set(ECH_HDF5_MODULE hdf5-mpich)
    target_link_libraries(ech_hdf5 INTERFACE PkgConfig::HDF5_MPICH)
  else()
    find_package(HDF5 REQUIRED COMPONENTS C)
    set(ECH_HDF5_MODULE hdf5)
    target_include_directories(ech_hdf5 INTERFACE ${HDF5_C_INCLUDE_DIRS})
    target_link_libraries(ech_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
  endif()
endif()
