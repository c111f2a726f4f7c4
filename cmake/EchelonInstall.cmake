# The task layer as a library of its own: headers, static libraries, a CMake package (Echelon::task,
# Echelon::plugin for what only includes plugin.h, and as a component Echelon::memo_store) and
# pkg-config files (echelon-task, echelon-store).

set(echelon_headers ${CMAKE_INSTALL_INCLUDEDIR}/echelon)
set(echelon_package ${CMAKE_INSTALL_LIBDIR}/cmake/Echelon)

# ech_install(EXPORT TARGET NAME HEADERS files...): the target becomes Echelon::NAME.
function(ech_install export target name)
  cmake_parse_arguments(ARG "" "" "HEADERS" ${ARGN})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${echelon_headers}>)
  install(TARGETS ${target} EXPORT ${export}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel)
  foreach(header ${ARG_HEADERS})
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${header} DESTINATION ${echelon_headers}/${folder} COMPONENT devel)
  endforeach()
endfunction()

ech_install(EchelonTargets ech_base base HEADERS runtime/base/hash.h runtime/base/status.h)
ech_install(EchelonTargets ech_mpi mpi
  HEADERS runtime/mpi/comm.h runtime/mpi/guard.h runtime/mpi/machine.h)
ech_install(EchelonTargets ech_task task
  HEADERS runtime/task/record.h runtime/task/store.h runtime/task/task.h runtime/task/task_mpi.h)
ech_install(EchelonTargets ech_plugin plugin HEADERS runtime/fed/plugin.h)
ech_install(EchelonStoreTargets ech_io io)
ech_install(EchelonStoreTargets ech_memo_store memo_store HEADERS apps/memo_store.h)

include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/EchelonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
foreach(export EchelonTargets EchelonStoreTargets)
  install(EXPORT ${export} NAMESPACE Echelon:: DESTINATION ${echelon_package} COMPONENT devel)
endforeach()
install(FILES cmake/EchelonConfig.cmake cmake/EchelonTaskLibraries.cmake
  cmake/EchelonStoreLibraries.cmake
  ${PROJECT_BINARY_DIR}/EchelonConfigVersion.cmake
  DESTINATION ${echelon_package} COMPONENT devel)

# The files say where they lie by their own place, so that the folder may be moved.
file(RELATIVE_PATH echelon_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
list(TRANSFORM MPI_C_INCLUDE_DIRS PREPEND -I OUTPUT_VARIABLE echelon_mpi_flags)
list(JOIN echelon_mpi_flags " " echelon_mpi_flags)
list(JOIN MPI_C_LIBRARIES " " echelon_mpi_libraries)
foreach(file echelon-task.pc echelon-store.pc)
  configure_file(cmake/${file}.in ${PROJECT_BINARY_DIR}/${file} @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${file}
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
endforeach()
