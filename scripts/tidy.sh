#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy: every check is an error) over the sources of the library and the
# command, several at a time as they are built; or over the given files, each by itself.
# usage: tidy.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
unity=$([ $# = 0 ] && echo ON || echo OFF)
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRINGKERNEL_TESTS=OFF \
  -DCMAKE_UNITY_BUILD="$unity" >&2
[ $# -gt 0 ] || mapfile -t files < <(jq -r '.[].file' "$build/compile_commands.json")
[ $# = 0 ] || files=("$@")

# Its count of suppressed warnings goes to stderr and says nothing; findings come on stdout.
tidy() { clang-tidy --quiet --config-file=.clang-tidy -p "$1" "$2" 2>/dev/null; }
export -f tidy
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy "$0" "$1"' "$build"
