#!/usr/bin/env bash
# From a fresh clone to alerts: installs what is needed, builds into build/, runs
# configs/fraud/fraud.yaml as a filter on a few orders and prints the alerts it raises.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh build
# A tree configured before keeps its own settings.
[ -f build/CMakeCache.txt ] || cmake --preset release -DRINGKERNEL_TESTS=OFF >&2
cmake --build build --target ringk >&2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo '$ ringk launch configs/fraud/fraud.yaml < configs/fraud/orders.jsonl' >&2
build/apps/ringk/ringk launch configs/fraud/fraud.yaml \
  --out passed="$scratch/passed.jsonl" --set dead_letters.file="$scratch/dead.jsonl" \
  < configs/fraud/orders.jsonl
echo "$(wc -l < "$scratch/passed.jsonl") other orders passed. The handler to read and edit:" \
  "configs/fraud/handlers/score.hpp" >&2
