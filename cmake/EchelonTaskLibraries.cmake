# Libraries behind the targets that are installed (Echelon::task): looked for here by the build, and
# by programs that use the installed package.

find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
find_package(PkgConfig REQUIRED)

# ech_pkg(NAME MODULE [REQUIRED]): pkg-config module as target PkgConfig::NAME; NAME_FOUND in the cache.
macro(ech_pkg name module)
  pkg_check_modules(${name} ${ARGN} IMPORTED_TARGET ${module})
endmacro()

ech_pkg(HWLOC hwloc REQUIRED)
ech_pkg(YAML yaml-0.1 REQUIRED)
ech_pkg(XXHASH libxxhash REQUIRED)
