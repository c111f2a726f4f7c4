# find_package(Echelon): the target Echelon::task.
include(${CMAKE_CURRENT_LIST_DIR}/EchelonTaskLibraries.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/EchelonTargets.cmake)
