# shellcheck shell=bash
# Set-up shared by jobs/demo.sh and tests/run.sh: Debian packages and the build. Source it from the
# top of the tree, under bash.
#
#   setup_packages NAME...        install what is missing of the build's packages and these
#   setup_build PRESET TARGET... [-- OPTION...]   configure (with OPTIONs) and build

# What the build needs. Of the rest, where Debian has it, libxsmm-dev makes it faster (not on ARM),
# libhiredis-dev gives `transfer: redis`, libssl-dev TLS to it, libzmq3-dev remote sites, and
# libzstd-dev packs what they send.
setup_build_packages=(
  gcc libc6-dev make cmake ninja-build pkg-config
  mpich libmpich-dev libhdf5-mpich-dev libopenblas-dev libhwloc-dev libyaml-dev
  librandom123-dev libxxhash-dev zlib1g-dev libcriterion-dev
)
setup_optional_packages=(libxsmm-dev libhiredis-dev libssl-dev libzmq3-dev libzstd-dev)

setup_is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Those of the arguments that are not installed, one a line.
setup_missing() {
  local package
  for package in "$@"; do
    setup_is_installed "$package" || echo "$package"
  done
}

# Run apt-get as root, or by sudo where sudo lets us; 1 if neither may.
setup_apt() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
    sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
  else
    return 1
  fi
}

setup_packages() {
  local missing optional
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian: packages are not installed here. README.md, \"On a cluster\", names" \
      "the libraries." >&2
    return 0
  fi
  mapfile -t missing < <(setup_missing "${setup_build_packages[@]}" "$@")
  mapfile -t optional < <(setup_missing "${setup_optional_packages[@]}")
  if [ ${#missing[@]} = 0 ]; then
    return 0
  fi
  echo "Installing ${missing[*]}" >&2
  if ! setup_apt update; then
    echo "Packages are missing and may not be installed from here. Run this, then start again:" >&2
    echo "  su -c 'apt-get update && apt-get install -y ${missing[*]}'" >&2
    exit 1
  fi
  local package
  for package in "${optional[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      missing+=("$package")
    fi
  done
  setup_apt install -y --no-install-recommends "${missing[@]}"
}

setup_build() {
  local preset=$1 log
  local targets=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    targets+=("$1")
    shift
  done
  shift || true
  log=$(mktemp)
  if ! cmake --preset "$preset" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "CMake cannot configure the preset $preset: see above." >&2
    return 1
  fi
  rm -f "$log"
  ninja --quiet -C "build/$preset" -j "$(nproc)" "${targets[@]}"
}
