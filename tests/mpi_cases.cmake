# MPI cases: one program of all layers' cases, a Criterion suite a layer that starts it by mpiexec.

add_executable(mpi_case mpi_case.c)
target_link_libraries(mpi_case PRIVATE ech_mpi ech_base ech_flags)
target_compile_definitions(mpi_case PRIVATE ECH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

# ech_mpi_cases(LAYER SOURCES cases_*.c... LINK targets... TIMEOUT seconds): adds the files to
# mpi_case, and makes the suite test_<LAYER>_jobs. TIMEOUT: of the suite, 300 if not given.
function(ech_mpi_cases layer)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  target_sources(mpi_case PRIVATE ${ARG_SOURCES})
  target_link_libraries(mpi_case PRIVATE ${ARG_LINK})
  ech_test_suite(test_${layer}_jobs SOURCES ${PROJECT_SOURCE_DIR}/tests/mpi_suite.c LINK ech_base
    TIMEOUT ${ARG_TIMEOUT} MPI)
  target_compile_definitions(test_${layer}_jobs PRIVATE
    ECH_MPI_CASE_PROGRAM="$<TARGET_FILE:mpi_case>" ECH_MPI_CASE_LAYER="${layer}")
  add_dependencies(test_${layer}_jobs mpi_case)
endfunction()
