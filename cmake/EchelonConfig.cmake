# find_package(Echelon): the targets Echelon::task and Echelon::plugin; with COMPONENTS memo_store also
# Echelon::memo_store, which needs HDF5.
include(${CMAKE_CURRENT_LIST_DIR}/EchelonTaskLibraries.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/EchelonTargets.cmake)
if(memo_store IN_LIST Echelon_FIND_COMPONENTS)
  include(${CMAKE_CURRENT_LIST_DIR}/EchelonStoreLibraries.cmake)
  include(${CMAKE_CURRENT_LIST_DIR}/EchelonStoreTargets.cmake)
endif()
