# The task layer as a library of its own: headers, static libraries, a CMake package (Echelon::task)
# and a pkg-config file (echelon-task).

set(echelon_headers ${CMAKE_INSTALL_INCLUDEDIR}/echelon)
set(echelon_package ${CMAKE_INSTALL_LIBDIR}/cmake/Echelon)

# ech_install(TARGET NAME HEADERS files...): the target becomes Echelon::NAME.
function(ech_install target name)
  cmake_parse_arguments(ARG "" "" "HEADERS" ${ARGN})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${echelon_headers}>)
  install(TARGETS ${target} EXPORT EchelonTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel)
  foreach(header ${ARG_HEADERS})
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${header} DESTINATION ${echelon_headers}/${folder} COMPONENT devel)
  endforeach()
endfunction()

ech_install(ech_base base HEADERS runtime/base/hash.h runtime/base/status.h)
ech_install(ech_mpi mpi HEADERS runtime/mpi/comm.h runtime/mpi/guard.h runtime/mpi/machine.h)
ech_install(ech_task task HEADERS runtime/task/record.h runtime/task/store.h runtime/task/task.h
  runtime/task/task_mpi.h)

include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/EchelonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(EXPORT EchelonTargets NAMESPACE Echelon:: DESTINATION ${echelon_package} COMPONENT devel)
install(FILES cmake/EchelonConfig.cmake cmake/EchelonTaskLibraries.cmake
  ${PROJECT_BINARY_DIR}/EchelonConfigVersion.cmake
  DESTINATION ${echelon_package} COMPONENT devel)

# The files say where they lie by their own place, so that the folder may be moved.
file(RELATIVE_PATH echelon_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
list(TRANSFORM MPI_C_INCLUDE_DIRS PREPEND -I OUTPUT_VARIABLE echelon_mpi_flags)
list(JOIN echelon_mpi_flags " " echelon_mpi_flags)
list(JOIN MPI_C_LIBRARIES " " echelon_mpi_libraries)
configure_file(cmake/echelon-task.pc.in ${PROJECT_BINARY_DIR}/echelon-task.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/echelon-task.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
