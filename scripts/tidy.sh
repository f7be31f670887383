#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy: every check is an error) over the sources of the library and the
# command, or over the given files. Needs a configured build folder: build/, or RINGKERNEL_BUILD.
# usage: tidy.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

build=${RINGKERNEL_BUILD:-build}
if [ ! -f "$build/compile_commands.json" ]; then
  echo "$build/ is not configured: run cmake --preset release first" >&2
  exit 2
fi
[ $# -gt 0 ] || mapfile -d '' -t files < <(find lib/src apps -name '*.cpp' -print0 | sort -z)
[ $# = 0 ] || files=("$@")

# Its count of suppressed warnings goes to stderr and says nothing; findings come on stdout.
tidy() { clang-tidy --quiet -p "$1" "$2" 2>/dev/null; }
export -f tidy
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy "$0" "$1"' "$build"
echo "${#files[@]} files tidy" >&2
