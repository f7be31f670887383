#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy: every check is an error) over the sources of the library and the
# command, or over the given files, each by itself.
# usage: tidy.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

# The flags of each file; what is built has several files in one.
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRINGKERNEL_TESTS=OFF >&2
[ $# -gt 0 ] || mapfile -d '' -t files < <(find lib/src apps -name '*.cpp' -print0 | sort -z)
[ $# = 0 ] || files=("$@")

# Its count of suppressed warnings goes to stderr and says nothing; findings come on stdout.
tidy() { clang-tidy --quiet -p "$1" "$2" 2>/dev/null; }
export -f tidy
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy "$0" "$1"' "$build"
echo "${#files[@]} files tidy" >&2
