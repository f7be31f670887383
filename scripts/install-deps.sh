#!/bin/sh
# Installs from Debian what is missing to build this project, to test it, or to measure it beside
# its peers.
# usage: install-deps.sh [build|test|bench]
set -eu

build="g++ cmake ninja-build pkg-config
  libcli11-dev libexpected-dev libsimdjson-dev libspdlog-dev libyaml-cpp-dev
  nlohmann-json3-dev prometheus-cpp-dev"
test="bats clang-format clang-tidy doctest-dev jq mandoc mawk python3 spin"
bench="gnuplot-nox jq libboost-dev libcaf-dev libconcurrentqueue-dev libreaderwriterqueue-dev mawk python3"

case "${1:-build}" in
  build) wanted=$build ;;
  test) wanted="$build $test" ;;
  bench) wanted="$build $bench" ;;
  *) echo "usage: install-deps.sh [build|test|bench]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-deps.sh knows Debian 12 only; elsewhere install the equivalents of:" $wanted >&2
  exit 1
fi

missing=
for package in $wanted; do
  case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
    *"ok installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  as_root=sudo
  if ! command -v sudo >/dev/null; then
    echo "missing packages, and neither root nor sudo to install them; as root, run:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
fi

echo "installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1
}
# Package lists may be there already, on a machine that cannot refresh them.
apt update || { echo "apt-get update failed, going on with the lists at hand" >&2; }
if ! apt install -y --no-install-recommends $missing; then
  cat "$log" >&2
  exit 1
fi
