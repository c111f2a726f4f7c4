# How every target of the project is compiled: one function, so that no layer has flags of its own.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g3")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# What makes an error in memory harder to use: SECURITY.md.
set(ech_hardening -fstack-protector-strong)
include(CheckCCompilerFlag)
foreach(flag -fstack-clash-protection -fcf-protection=full)
  string(MAKE_C_IDENTIFIER "ECH_HAS${flag}" known)
  check_c_compiler_flag(${flag} ${known})
  if(${known})
    list(APPEND ech_hardening ${flag})
  endif()
endforeach()
set(ech_fortify 2)
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
  set(ech_fortify 3)
endif()

add_library(ech_flags INTERFACE)
target_include_directories(ech_flags INTERFACE ${PROJECT_SOURCE_DIR})
# -ffp-contract=off: a compiler that fuses a*b+c where it likes would make bits depend on it.
# Kernels that want a fused multiply-add say so.
target_compile_options(ech_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wformat-security -ffp-contract=off
  -fno-math-errno ${ech_hardening})
target_compile_definitions(ech_flags INTERFACE
  _FORTIFY_SOURCE=$<IF:$<CONFIG:Debug>,0,${ech_fortify}>)
target_link_options(ech_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(ECH_WARNINGS_AS_ERRORS)
  target_compile_options(ech_flags INTERFACE -Werror)
endif()
if(ECH_COVERAGE)
  target_compile_options(ech_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(ech_flags INTERFACE --coverage)
endif()
if(ECH_SANITIZE)
  # Reports need lines and no more of the debug information, which is most of what is linked.
  # Instrumented code confuses the warnings that follow values through it.
  target_compile_options(ech_flags INTERFACE -g1 -fsanitize=${ECH_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_compile_options(ech_flags INTERFACE -Wno-format-truncation -Wno-maybe-uninitialized)
  else()
    # Clang 14 takes a constant above INT_MAX, which GCC and C23 allow, for an extension.
    target_compile_options(ech_flags INTERFACE -Wno-pedantic)
  endif()
  target_link_options(ech_flags INTERFACE -fsanitize=${ECH_SANITIZE})
  find_program(ECH_GOLD ld.gold)
  # Links a hundred tests in half the time; of what clang adds it warns, symbol by symbol.
  if(ECH_GOLD AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_link_options(ech_flags INTERFACE -fuse-ld=gold)
  endif()
  if(ECH_SANITIZE STREQUAL thread AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    # It does not model fences. They only order who sleeps and who wakes; no data lies behind them.
    target_compile_options(ech_flags INTERFACE -Wno-tsan)
  endif()
endif()

# ech_layer(NAME SOURCES... DEPENDS targets... LIBRARIES private libraries...)
function(ech_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS}
    PRIVATE $<BUILD_INTERFACE:ech_flags> ${ARG_LIBRARIES})
endfunction()
