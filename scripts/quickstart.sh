#!/usr/bin/env bash
# From a fresh clone to alerts: installs what is needed, builds into build/, runs
# configs/fraud/fraud.yaml as a filter on a few orders and prints the alerts it raises.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

scripts/install-deps.sh build
# A tree configured before keeps its own settings.
[ -f build/CMakeCache.txt ] || cmake --preset release -DRINGKERNEL_TESTS=OFF >&2
cmake --build build --target ringk >&2

# The run's other output and its dead letters go to a folder of their own, not into the tree.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
echo '$ ringk launch configs/fraud/fraud.yaml < configs/fraud/orders.jsonl' >&2
"$top/build/apps/ringk/ringk" launch "$top/configs/fraud/fraud.yaml" --out passed=passed.jsonl \
  < "$top/configs/fraud/orders.jsonl"
echo "The handler to read and edit: configs/fraud/handlers/score.hpp" >&2
