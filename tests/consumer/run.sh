#!/usr/bin/env bash
# Installs a build into a temporary prefix, then uses it as somebody else's project would: through
# find_package and through pkg-config. Every installed header must also compile on its own.
# usage: run.sh BUILD_FOLDER
set -euo pipefail
build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
cxx=${CXX:-g++}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
fail() { echo "$1" >&2; exit 1; }

DESTDIR='' cmake --install "$build" --prefix "$prefix" >/dev/null

for page in man1/ringk.1 man5/ringk-topology.5 man7/ringkernel.7; do
  [ -f "$prefix/share/man/$page" ] || fail "$page is not installed"
done

echo "find_package:"
cmake -S "$here/project" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$cxx" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/cmake" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$scratch/cmake/consumer"

echo "pkg-config:"
libdir=$(dirname "$(find "$prefix" -name libringkernel.so)")
export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags <<<"$(pkg-config --define-prefix --cflags --libs ringkernel)"
"$cxx" -std=c++20 -Wall -Wextra -Werror "$here/project/main.cpp" "${flags[@]}" \
  -o "$scratch/consumer"
LD_LIBRARY_PATH=$libdir "$scratch/consumer"

# What the library is made with is not its users' concern.
needed=$(readelf -d "$scratch/cmake/consumer" "$scratch/consumer" | grep NEEDED)
if grep -E 'fmt|spdlog|yaml|simdjson|prometheus' <<<"$needed"; then
  fail "the consumer is linked with the library's private dependencies"
fi

while IFS= read -r header; do
  echo "#include <${header#"$prefix/include/"}>" |
    "$cxx" -std=c++20 -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Werror \
      -I"$prefix/include" -fsyntax-only -x c++ - || fail "$header does not compile on its own"
done < <(find "$prefix/include/ringkernel" -name '*.hpp' -o -name '*.h')
