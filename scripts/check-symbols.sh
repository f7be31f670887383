#!/usr/bin/env bash
# Checks what a built libringkernel exports: names of namespace ringkernel and the C entry points
# rk_*, nothing of the libraries it uses, and no GNU_UNIQUE symbol (those join statics across
# shared objects and keep a library from being unloaded).
# usage: check-symbols.sh LIBRARY
set -euo pipefail
[ $# = 1 ] || { echo "usage: check-symbols.sh LIBRARY" >&2; exit 2; }

symbols=$(nm -D --defined-only -C "$1")
fail=0
unique=$(grep -E '^[0-9a-f]+ u ' <<<"$symbols" || true)
if [ -n "$unique" ]; then
  printf 'GNU_UNIQUE symbols:\n%s\n' "$unique"
  fail=1
fi
allowed='^((typeinfo( name)?|vtable|VTT|guard variable|non-virtual thunk to|virtual thunk to)( for)? )*(ringkernel::|rk_[a-z0-9_]*$)'
foreign=$(sed -E 's/^[0-9a-f]* +[A-Za-z] //' <<<"$symbols" | grep -Ev "$allowed" || true)
if [ -n "$foreign" ]; then
  printf 'exported, but not of this library:\n%s\n' "$foreign"
  fail=1
fi
[ "$fail" = 0 ] && echo "$(wc -l <<<"$symbols") symbols exported, all of this library"
exit "$fail"
