#!/usr/bin/env bash
# all_are_tested.sh SOURCE: fails for a topology in configs/ that no test of tests/configs runs.
set -euo pipefail
cd "$1"
missing=0
for topology in configs/*/*.yaml; do
  name=$(basename "$(dirname "$topology")")
  grep -qx "ringkernel_config_test($name)" tests/configs/CMakeLists.txt &&
    [ -f "tests/configs/$name.bats" ] && continue
  echo "$topology: no test" >&2
  missing=1
done
exit $missing
