#!/usr/bin/env bash
# Formats every C++ file of the repository; with --check changes nothing and fails on a difference.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  "") mode=(-i) ;;
  --check) mode=(--dry-run --Werror) ;;
  *) echo "usage: format.sh [--check]" >&2; exit 2 ;;
esac
list() {  # tracked files, and new ones that are not ignored; without git (a tarball) all of them
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard -- '*.hpp' '*.cpp' '*.h' '*.cu'
  else
    find apps configs lib tests \( -name '*.[ch]pp' -o -name '*.h' -o -name '*.cu' \) -print0
  fi
}
list | while IFS= read -r -d '' file; do [ -f "$file" ] && printf '%s\0' "$file"; done |
  xargs -0 -r -n 16 -P "$(nproc)" clang-format --style=file "${mode[@]}"
