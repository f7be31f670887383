#!/usr/bin/env bash
# Checks the models of the rings and of waking with spin, and that each mutant of them fails.
# usage: run.sh [MODEL...]       77: spin is not on this machine
set -euo pipefail
models=$(cd "$(dirname "$0")" && pwd)
command -v spin >/dev/null || { echo "skipped: spin is not on this machine"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$models"/*.pml .

errors() {  # MODEL MUTANT: how many errors an exhaustive search finds; stops at the first
  spin -a "-DMUTANT=$2" "$1.pml" >spin.log || { cat spin.log >&2; exit 1; }
  ${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=4096 -DMEMLIM=4000 -o pan pan.c
  ./pan -m1000000 >pan.log 2>&1 || true
  if grep -qE 'search depth too small|out of memory|max\. memory|truncated' pan.log; then
    cat pan.log >&2
    exit 1
  fi
  sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log
}

failed=0
check() {  # MODEL MUTANTS
  local found mutant
  found=$(errors "$1" 0)
  printf '%s: %s states, %s errors\n' "$1" "$(awk '/states, stored/ {print $1}' pan.log)" "$found"
  if [ "$found" != 0 ]; then
    cat pan.log
    spin -t "-DMUTANT=0" -p -g "$1.pml" | tail -n 60 || true
    failed=1
  fi
  for mutant in $(seq "$2"); do
    found=$(errors "$1" "$mutant")
    if [ "$found" = 0 ]; then
      echo "$1: mutant $mutant is not found out"
      failed=1
    else
      echo "$1: mutant $mutant fails, as it must"
    fi
  done
}

[ $# -gt 0 ] || set -- waking fan_out mpmc_ring spmc_ring closing parking
for model in "$@"; do
  check "$model" "$(grep -oE 'MUTANT == [0-9]+' "$model.pml" | awk '$3 > n {n = $3} END {print n}')"
done
exit $failed
